"""Laws of `algos.exchange.chat_examples`: roles, blocks and pictures agree, row by row."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from algos.exchange.chat_examples import PARQUET, ROWS, write_chat_examples
from algos.exchange.picture_files import PictureFolder
from algos.exchange.played_entry import PlayedEntry
from algos.exchange.playing_again import decisions_of
from sage_env import Answer, parse_action
from sage_env.video import open_video


def rows_of(entry: PlayedEntry, folder: Path, *, images: bool = False) -> list[dict[str, Any]]:
    pictures = PictureFolder(folder / "images", "png", folder) if images else None
    count = write_chat_examples(entry, folder, pictures_as=pictures)
    rows = [json.loads(line) for line in (folder / ROWS).read_text().splitlines()]
    assert len(rows) == count
    return rows


def blocks(row: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [b for m in row["messages"] for b in m["content"] if b["type"] == kind]


def test_a_row_is_one_conversation_that_ends_with_the_agent(
    entry: PlayedEntry, tmp_path: Path
) -> None:
    rows = rows_of(entry, tmp_path)
    names = ["q-right", "q-wrong", "q-missing", "q-unjudged"]  # the failed one is left out
    assert [row["id"] for row in rows] == names
    for row, question in zip(rows, entry.questions, strict=False):
        roles = [message["role"] for message in row["messages"]]
        decisions = decisions_of(question.trajectory)
        turns = len(decisions)
        assert roles == ["system", *["user", "assistant"] * turns]
        said = [m["content"] for m in row["messages"] if m["role"] == "assistant"]
        assert all(len(content) == 1 for content in said)
        actions = [decision.action for decision in decisions]
        valid = [k for k in range(turns) if k not in row["invalid_turns"]]
        assert [parse_action(said[k][0]["text"]) for k in valid] == [actions[k] for k in valid]
    assert [row["verdict"] for row in rows] == [True, False, False, None]
    assert [row["prediction"] for row in rows] == ["a dog", "a", None, "something odd"]
    assert [row["reward"] for row in rows] == [1.0, 0.0, 0.0, None]
    assert rows[1]["invalid_turns"] == [0]
    assert rows[1]["messages"][2]["content"][0]["text"] == "hm? ünklar"


@pytest.mark.parametrize("images", [False, True])
def test_there_is_a_picture_for_each_block_and_a_block_for_each_picture(
    entry: PlayedEntry, tmp_path: Path, images: bool
) -> None:
    rows = rows_of(entry, tmp_path, images=images)
    assert [len(blocks(row, "image")) for row in rows] == [7, 2, 2, 6]  # no last look
    for row in rows:
        assert len(row["images"]) == len(blocks(row, "image"))
        for block in blocks(row, "text") + blocks(row, "image"):
            assert block.keys() == {"type", "text"}


def test_a_reference_leads_to_the_picture_of_the_file(entry: PlayedEntry, tmp_path: Path) -> None:
    references = rows_of(entry, tmp_path / "a")[0]["images"]
    files = rows_of(entry, tmp_path / "b", images=True)[0]["images"]
    with open_video(references[0]["video"]) as video:
        for reference, name in zip(references, files, strict=True):
            box = reference["box"] and tuple(reference["box"])
            batch = video.frames_at([reference["seconds"]], size=(64, 96), box=box)
            assert batch.seconds.tolist() == pytest.approx([reference["seconds"]])
            with Image.open(tmp_path / "b" / name) as image:
                np.testing.assert_array_equal(np.asarray(image), batch.pixels[0])
    assert [reference["box"] for reference in references] == [None] * 5 + [[0, 0, 0.5, 0.5]] * 2


def test_times_stand_before_the_pictures(entry: PlayedEntry, tmp_path: Path) -> None:
    row = rows_of(entry, tmp_path)[0]
    content = row["messages"][1]["content"]
    told = [content[k - 1]["text"] for k, b in enumerate(content) if b["type"] == "image"]
    assert told == [f"<{image['seconds']:.1f} seconds>" for image in row["images"][:2]]
    assert "right? „Größe“" in content[-1]["text"] and "B. a dog" in content[-1]["text"]


@pytest.mark.parametrize("images", [False, True])
def test_parquet_holds_the_same_rows(entry: PlayedEntry, tmp_path: Path, images: bool) -> None:
    lines = rows_of(entry, tmp_path, images=images)
    pictures = PictureFolder(tmp_path / "never", "png", tmp_path) if images else None
    assert write_chat_examples(entry, tmp_path, pictures_as=pictures, parquet=True) == 4
    assert not (tmp_path / "never").exists()
    table = parquet.read_table(tmp_path / PARQUET)
    rows = table.to_pylist()
    for row, line in zip(rows, lines, strict=True):
        shown, files = row.pop("images"), line.pop("images")
        assert row == line
        if not images:
            assert shown == files
            continue
        for one, name in zip(shown, files, strict=True):
            with Image.open(io.BytesIO(one["bytes"])) as a, Image.open(tmp_path / name) as b:
                np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == table.schema.names
    assert (features["images"]["feature"] == {"_type": "Image"}) is images


def test_what_cannot_be_written_as_utf_8_is_replaced(entry: PlayedEntry, tmp_path: Path) -> None:
    question = entry.questions[1]
    turns = [question.trajectory.turns[0], question.trajectory.turns[1]]
    odd = replace(turns[0], decision=replace(turns[0].decision, text="half \ud800"))
    played = replace(question.trajectory, turns=[odd, turns[1]])
    told = replace(entry, questions=[replace(question, trajectory=played)])
    assert write_chat_examples(told, tmp_path, parquet=True) == 1
    (row,) = parquet.read_table(tmp_path / PARQUET).to_pylist()
    assert row["messages"][2]["content"][0]["text"] == "half ?"
    assert isinstance(turns[1].decision.action, Answer)


def test_an_episode_with_a_tool_that_was_late_is_no_example(
    entry: PlayedEntry, tmp_path: Path
) -> None:
    first, *others = entry.questions
    *turns, last = first.trajectory.turns
    late = replace(last, info={**last.info, "tool_calls": {"ok": 2, "late": 1}})
    played = replace(first.trajectory, turns=[*turns, late])
    told = replace(entry, questions=[replace(first, trajectory=played), *others])
    rows = rows_of(told, tmp_path)
    assert [row["id"] for row in rows] == ["q-wrong", "q-missing", "q-unjudged"]
