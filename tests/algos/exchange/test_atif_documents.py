"""Laws of `algos.exchange.atif_documents`, `picture_files`: valid, and whole when read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import atif
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from algos.exchange.atif_documents import DOCUMENTS, read_atif, write_atif
from algos.exchange.picture_files import PictureFolder
from algos.exchange.played_entry import ExchangeError, PlayedEntry
from algos.rollout.trajectory import Turn
from policies.base import Decision
from sage_env import VideoQAEnv, pictures
from tests.helpers.actions import action_strategies
from tests.helpers.played.planned_run import ENVIRONMENT


def documents(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / DOCUMENTS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def pictured(entry: PlayedEntry, tmp_path: Path) -> Path:
    write_atif(entry, tmp_path, pictures_as=PictureFolder(tmp_path / "images", "png", tmp_path))
    return tmp_path


@pytest.mark.parametrize("images", [False, True])
def test_the_package_of_the_format_takes_every_document(
    entry: PlayedEntry, tmp_path: Path, images: bool
) -> None:
    folder = PictureFolder(tmp_path / "images", "jpeg", tmp_path) if images else None
    assert write_atif(entry, tmp_path, pictures_as=folder) == 5
    for document in documents(tmp_path):
        read = atif.Trajectory.model_validate(document)
        assert read.schema_version == "ATIF-v1.8" and read.has_multimodal_content()
        assert read.to_json_dict() == {k: v for k, v in document.items() if v is not None}


@pytest.mark.parametrize("images", [False, True])
def test_items_rows_and_episodes_come_back_as_they_were(
    entry: PlayedEntry, tmp_path: Path, images: bool
) -> None:
    folder = PictureFolder(tmp_path / "images", "png", tmp_path) if images else None
    write_atif(entry, tmp_path, pictures_as=folder)
    back = read_atif(tmp_path / DOCUMENTS)
    assert [q.item for q in back] == [q.item for q in entry.questions]
    assert [q.row for q in back] == [q.row for q in entry.questions]
    for then, now in zip(entry.questions, back, strict=True):
        assert now.trajectory.to_json() == then.trajectory.to_json()


def test_what_is_not_known_of_the_cost_is_left_out_and_never_0(
    entry: PlayedEntry, tmp_path: Path
) -> None:
    first, *others = entry.questions
    known = {"prompt_tokens": 700, "tokens": 0, "cost": None}
    told = replace(first, row={**first.row, **known})
    write_atif(replace(entry, questions=[told, *others]), tmp_path)
    documented, unknown, *_ = documents(tmp_path)
    assert documented["final_metrics"] == {
        "total_steps": 4, "total_prompt_tokens": 700, "total_completion_tokens": 0
    }  # fmt: skip
    assert unknown["final_metrics"] == {"total_steps": 3}


def test_a_turn_is_a_step_with_its_action_as_the_call(entry: PlayedEntry, tmp_path: Path) -> None:
    write_atif(entry, tmp_path)
    right, wrong, missing, unjudged, gone = documents(tmp_path)
    assert [step["step_id"] for step in right["steps"]] == [1, 2, 3, 4]
    assert [step["source"] for step in right["steps"]] == ["user", "agent", "agent", "agent"]
    calls = [step["tool_calls"][0] for step in right["steps"][1:]]
    assert [call["function_name"] for call in calls] == ["sample", "zoom", "answer"]
    assert calls[1]["arguments"]["box"] == [0.0, 0.0, 0.5, 0.5]
    assert right["steps"][1]["message"].startswith("I look.")
    assert right["steps"][1]["observation"]["results"][0]["content"][0]["text"].startswith("3 fra")
    assert wrong["steps"][1]["tool_calls"][0]["function_name"] == "invalid"
    assert wrong["steps"][1]["message"] == "hm? ünklar"
    assert "notes" not in missing and missing["extra"]["sage_vqa"]["outcome"] == "missing"
    assert unjudged["notes"].startswith("The answer was not judged: JudgeError")
    lost = unjudged["steps"][-1]
    assert lost["tool_calls"][0]["arguments"] == {"text": "something odd"}
    assert "observation" not in lost and len(unjudged["steps"]) == 3
    assert gone["steps"][1:] == [] and "VideoError" in gone["notes"]


def test_pictures_are_those_that_were_shown(entry: PlayedEntry, pictured: Path) -> None:
    document = documents(pictured)[0]
    item = entry.questions[0].item
    env = VideoQAEnv(dataset=[item], **ENVIRONMENT)  # type: ignore[arg-type]
    observation, _ = env.reset(options={"item_id": item.id})
    shown = list(pictures(observation))
    for turn in entry.questions[0].trajectory.turns:
        shown += pictures(env.step(turn.decision.action)[0])
    contents = [document["steps"][0]["message"][1:]]
    contents += [s["observation"]["results"][0]["content"] for s in document["steps"][1:]]
    paths = [p["source"]["path"] for parts in contents for p in parts if p["type"] == "image"]
    assert len(paths) == len(shown) == 2 + 3 + 2
    for path, picture in zip(paths, shown, strict=True):
        assert not Path(path).is_absolute()
        with Image.open(pictured / path) as image:
            np.testing.assert_array_equal(np.asarray(image), picture)


@settings(max_examples=15)
@given(chosen=st.lists(st.tuples(action_strategies.actions, st.text(max_size=20)), max_size=5))
def test_any_actions_are_valid_and_come_back(
    entry: PlayedEntry, tmp_path_factory: pytest.TempPathFactory, chosen: list[tuple[Any, str]]
) -> None:
    turns = [
        Turn(Decision(action, text), 0.25 * k, {"frame_seconds": [float(k)], "box": None})
        for k, (action, text) in enumerate(chosen)
    ]
    question = entry.questions[0]
    played = replace(question.trajectory, turns=turns)
    folder = tmp_path_factory.mktemp("atif")
    write_atif(replace(entry, questions=[replace(question, trajectory=played)]), folder)
    (document,) = documents(folder)
    atif.Trajectory.model_validate(document)
    (back,) = read_atif(folder / DOCUMENTS)
    assert back.trajectory.to_json() == played.to_json()
    assert [turn.decision.action for turn in back.trajectory.turns] == [a for a, _ in chosen]


def test_equal_pictures_are_one_file(tmp_path: Path) -> None:
    folder = PictureFolder(tmp_path / "images", "png", tmp_path)
    black = np.zeros((32, 32, 3), np.uint8)
    assert folder.add(black) == folder.add(black.copy())
    assert folder.add(black + 1) != folder.add(black)
    assert len(list((tmp_path / "images").iterdir())) == 2


def test_a_document_of_another_project_is_refused(tmp_path: Path) -> None:
    path = tmp_path / DOCUMENTS
    path.write_text(json.dumps({"schema_version": "ATIF-v1.8", "steps": []}) + "\n")
    with pytest.raises(ExchangeError, match="line 1 is no episode that was exported here"):
        read_atif(path)
