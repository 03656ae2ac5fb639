"""Laws of `algos.cli.sft_command`: one command clones anyone; bad input is one sentence."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest
import torch

from algos.cli.entry import main
from algos.runs.metrics import read_metrics
from algos.runs.run_folder import RunFolder, item_to_json
from algos.sft import fitting
from tests.helpers.tiny_model import write_tiny_model
from tests.helpers.wiring.cloning_task import demonstrations, write_items

QUICK = ["--steps", "3", "--batch", "2", "--lr", "1e-3", "--validation-share", "0.25"]


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("sft")
    items = write_items(folder)
    rows = [{**item_to_json(item), "video": item.video.name} for item in items]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = write_tiny_model(folder / "model", layers=2)
    env = {"frame_size": [64, 64], "max_turns": 1, "overview_frames": 2}
    (model / "sage_mm.json").write_text(json.dumps({"prompt": "brief", "env": env}))
    demonstrations(folder, items)
    return folder


@pytest.fixture(autouse=True)
def in_folder(task, monkeypatch):
    monkeypatch.chdir(task)
    monkeypatch.setattr(sys, "path", list(sys.path))


def sft(out: Path, *more: str, given: tuple[str, ...] = ("--episodes", "shown.jsonl")) -> int:
    data = ["--dataset", "data.jsonl", "--checkpoint", "model", "--out", str(out), *QUICK]
    return main(["sft", *given, *data, *more])


def told(capsys) -> str:
    """Return the only line that is not a progress bar."""
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    (line,) = [line for line in lines if line.startswith("sage-vqa: ")]
    return line


def test_episodes_become_an_adapter_that_plays_and_that_training_goes_on_from(
    tmp_path, capsys
) -> None:
    out = tmp_path / "run"
    assert sft(out, "--filter", "right") == 0
    said = capsys.readouterr().out
    assert "left out: 1 without a right answer" in said
    assert "training: " in said and "validation: " in said and "of 3 is kept" in said
    folder = RunFolder(out)
    assert json.loads(folder.config.read_text())["sft"]["steps"] == 3
    assert [row["update"] for row in read_metrics(folder.metrics)] == [0, 1, 2, 3]
    split = json.loads(folder.split.read_text())
    assert {*split["training"], *split["validation"]} == {"q0", "q2", "q3", "q4", "q5"}
    assert sft(tmp_path / "more", "--adapter", str(folder.adapter)) == 0
    played = ["eval", "--policy", "sage-mm:model", "--adapter", str(folder.adapter)]
    played += ["--dataset", "data.jsonl", "--out", str(tmp_path / "eval"), "--limit", "1"]
    assert main([*played, "--max-turns", "1", "--overview-frames", "1"]) == 0


def test_a_demonstrator_is_played_and_cloned_in_one_command_which_goes_on(
    tmp_path, capsys, monkeypatch
) -> None:
    teacher = ("--demonstrator", "tests.helpers.wiring.cloning_task:Demonstrator")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert sft(whole, given=teacher) == 0
    real, taken = fitting.add_gradient, []

    def stopped(*given, **named):
        taken.append(1)
        if len(taken) == 2:
            signal.raise_signal(signal.SIGTERM)
        return real(*given, **named)

    monkeypatch.setattr(fitting, "add_gradient", stopped)
    assert sft(cut, given=teacher) == 0
    assert "stopped after step 2 of 3, which is saved" in told(capsys)
    played = (cut / "demonstrations.jsonl").read_text()
    assert sft(cut, "--played", "--envs", "1", given=teacher) == 0
    assert (cut / "demonstrations.jsonl").read_text() == played and len(taken) == 3
    assert "validation questions greedily: " in capsys.readouterr().out
    rows = [read_metrics(run / "metrics.jsonl") for run in (whole, cut)]
    for a, b in zip(*rows, strict=True):
        assert {**a, "time/step": 0} == {**b, "time/step": 0}
    assert sft(cut, "--repeats", "2", given=teacher) == 2
    line = told(capsys)
    assert "repeats: was 1, is 2" in line and "sage-vqa sft --out FOLDER" in line
    assert main(["eval", "--policy", "random", "--dataset", "data.jsonl", "--out", str(cut)]) == 2
    assert main(["train", "--run", str(cut)]) == 2
    assert "holds a fine-tuning" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "given", "said"),
    [
        ((), (), "give one"),
        (("--demonstrator", "random"), ("--episodes", "shown.jsonl"), "give one"),
        ((), ("--episodes", "nothing.jsonl"), "nothing.jsonl is no file and no folder"),
        ((), ("--episodes", "model"), "model holds no episodes"),
        (("--repeats", "2"), ("--episodes", "shown.jsonl"), "--repeats is of a demonstrator"),
        (("--epochs", "2"), ("--episodes", "shown.jsonl"), "give epochs or steps, got both"),
        (("--adapter", "x", "--lora-rank", "4"), ("--episodes", "shown.jsonl"), "brings its own"),
        (("--adapter", "x"), ("--episodes", "shown.jsonl"), "x is not a folder with"),
        (("--checkpoint", "/nowhere"), ("--episodes", "shown.jsonl"), "/nowhere"),
        (("--frame-size", "33", "64"), ("--episodes", "shown.jsonl"), "multiples of 32"),
        (("--min-reward", "2"), ("--episodes", "shown.jsonl"), "no episode is left to train on: 6"),
        (("--dataset", "one.jsonl"), ("--episodes", "shown.jsonl"), "'q1'"),
        (("--dataset", "gone.jsonl"), ("--episodes", "shown.jsonl"), "--skip-broken"),
        (("--tools", "no:tool"), ("--episodes", "shown.jsonl"), "--tools cannot be used: Own"),
        ((), ("--demonstrator", "nobody"), "there is no policy 'nobody'"),
        (("--temperature", "nan"), ("--demonstrator", "random"), "--temperature must be 0 or more"),
        (("--feature-gib", "nan"), ("--demonstrator", "random"), "--feature-gib must be 0 or more"),
        (("--min-reward", "nan"), ("--demonstrator", "random"), "--min-reward must be a number"),
        (("--questions", "0"), ("--demonstrator", "random"), "--questions must be at least 1"),
        (("--split", "tset"), ("--demonstrator", "random"), "did you mean 'test'?"),
        (("--validation-episodes", "shown.jsonl"), ("--episodes", "shown.jsonl"), "not both"),
    ],
)
def test_bad_input_is_one_sentence(task, tmp_path, capsys, more, given, said) -> None:
    rows = (task / "data.jsonl").read_text().splitlines()
    (task / "one.jsonl").write_text(rows[0] + "\n")
    (task / "gone.jsonl").write_text("\n".join([rows[0].replace("a.mp4", "z.mp4"), *rows[1:]]))
    assert sft(tmp_path / "run", *more, given=given) == 2
    assert said in told(capsys)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_why_episodes_failed_is_said(task, tmp_path, capsys) -> None:
    rows = [json.loads(line) for line in (task / "shown.jsonl").read_text().splitlines()]
    for row in rows[:2]:
        row["error"] = f"ToolError: {row['item_id']} found nobody"
    (tmp_path / "shown.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert sft(tmp_path / "run", given=("--episodes", str(tmp_path / "shown.jsonl"))) == 0
    said = capsys.readouterr().out
    why = f"ToolError: {rows[0]['item_id']} found nobody"
    assert f"2 of {len(rows)} episodes failed, the first with: {why}" in said


def test_an_adapter_of_another_base_is_refused(task, tmp_path, capsys) -> None:
    assert sft(tmp_path / "run") == 0
    write_tiny_model(tmp_path / "other", layers=2, seed=1)
    adapter = str(tmp_path / "run" / "adapter")
    capsys.readouterr()
    more = ("--checkpoint", str(tmp_path / "other"), "--adapter", adapter)
    assert sft(tmp_path / "second", *more) == 2
    assert "was trained on a base with other weights" in told(capsys)
