"""Laws of `algos.cli.data.distill_command`: sets are taken by path; bad input is one sentence."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from algos.cli.entry import main
from algos.data_pipeline.distilling.parquet_sets import rows_of
from algos.experiment.building import find_splits
from algos.experiment.settings import Training
from algos.runs.run_folder import item_to_json
from tests.helpers.tiny_model import write_tiny_model
from tests.helpers.wiring.cloning_task import write_items

WANDERS = "tests.helpers.wiring.tries:Wanders"


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("distill")
    rows = [{**item_to_json(item), "video": item.video.name} for item in write_items(folder)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = write_tiny_model(folder / "model", layers=2)
    (model / "sage_mm.json").write_text('{"prompt": "brief", "env": {"frame_size": [64, 64]}}')
    return folder


@pytest.fixture(autouse=True)
def in_folder(task, monkeypatch):
    monkeypatch.chdir(task)
    monkeypatch.setattr(sys, "path", list(sys.path))


def distil(*more: str) -> int:
    given = ["--dataset", "data.jsonl", "--policy", WANDERS, "--filter.least-sure", "0"]
    return main(["data", "distill", *given, "--no-rl-half", "--root", ".", *more])


def test_its_sets_are_taken_by_path(capsys) -> None:
    Path("hold_out.json").write_text('{"videos": ["d.mp4"]}')
    assert distil("--out", "out", "--trl") == 0
    said = capsys.readouterr().out
    assert "20 episodes of 6 questions" in said and "left out:" in said
    assert "sage-vqa sft --episodes out/sft.parquet --root" in said
    rows = list(rows_of(Path("out/sft.parquet")))
    assert rows and all(row["video"] != "d.mp4" for row in rows)
    quick = ["--steps", "1", "--batch", "2", "--validation-share", "0.34", "--out", "sft"]
    given = ["--episodes", "out/sft.parquet", "--root", ".", "--checkpoint", "model"]
    assert main(["sft", *given, *quick]) == 0
    assert f"of {len({row['id'] for row in rows})} questions" in _training(capsys)
    splits = find_splits(Training(dataset="out/rl.parquet", root=Path(".")))
    asked = {row["id"] for row in rows_of(Path("out/rl.parquet"))}
    assert {item.id for part in splits.parts().values() for item in part} == asked


def _training(capsys) -> str:
    lines = capsys.readouterr().out.splitlines()
    counts = [line for line in lines if line.startswith(("training: ", "validation: "))]
    total = sum(int(line.split(" of ")[1].split()[0]) for line in counts)
    return f"of {total} questions"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--tries", "1", "2"], "--tries takes one number of at least 1, or one for each of the 1"),
        (["--tries", "0"], "--tries takes one number of at least 1"),
        (["--hold-out", "none.json"], "none.json cannot be read"),
        (["--filter.cheapest", "0"], "cheapest must be at least 1, got 0"),
        (["--envs", "0"], "--envs must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(more, told, tmp_path, capsys) -> None:
    try:
        code = distil("--out", str(tmp_path / "out"), *more)
    except SystemExit as end:  # tyro's own word on a value that no settings can have
        code = end.code
    assert code == 2 and told in " ".join(capsys.readouterr().err.split())
