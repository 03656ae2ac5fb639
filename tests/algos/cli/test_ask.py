"""Laws of `algos.cli.commands.Ask`: every offline policy answers, tells its cost, and is saved."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from algos.cli.entry import main
from algos.rollout.trajectory import load_trajectories
from sage_env import Answer, QAItem, load_dataset
from tests.helpers.clips import write_clip

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "policies" / "sage_mm_tiny"
LOOK_THEN_ANSWER = "zoom 10 14 2\nlook closer\nanswer two\n"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of 40 seconds."""
    return write_clip(tmp_path_factory.mktemp("ask") / "a.mp4", [25 * i for i in range(40)])


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> QAItem:
    """Return a question about a generated video of 17 seconds, which the small model answers."""
    items = load_dataset("sage-synth", root=tmp_path_factory.mktemp("synth"), split="test")
    (item,) = (item for item in items if item.id == "test-0035-glance-5")
    items.prepare(item)  # type: ignore[attr-defined]
    return item


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def ask(clip: Path, policy: str, *more: str) -> int:
    return main(["ask", str(clip), "How many?", "--policy", policy, *more])


@pytest.mark.parametrize(
    "policy", ["random", "uniform", "uniform:6:random", "scripted", "sage-mm-tiny"]
)
def test_every_offline_policy_answers(policy: str, synth: QAItem, capsys) -> None:
    if "random" not in policy:
        pytest.importorskip("peft")
    given = ["ask", str(synth.video), synth.question, "--policy", policy, "--choices"]
    assert main([*given, *synth.choices]) == 0
    out = capsys.readouterr().out
    assert "answer:   " in out and "overview  " in out and "turn 1 " in out
    (trajectory,) = load_trajectories(Path("runs/ask/trajectory.jsonl"))
    last = trajectory.turns[-1]
    assert trajectory.terminated and isinstance(last.decision.action, Answer)
    spent = last.info["spent"]
    turns = "1 turn" if spent["turns"] == 1 else f"{spent['turns']} turns"
    assert f"spent:    {turns}, {spent['frames_shown']} frames" in out
    assert " s, of which " in out and "saved in runs/ask/trajectory.jsonl" in out
    assert json.loads(Path("runs/ask/config.json").read_text())["policy"] == policy
    if "mm" in policy:
        assert len(trajectory.sampled) and trajectory.frames


def test_a_released_checkpoints_format_plays_a_file(clip, capsys, monkeypatch) -> None:
    pytest.importorskip("peft")
    from policies.sage_released import SageReleased

    # The small model does not know this format: it rambles for as long as it may.
    monkeypatch.setitem(SageReleased.__init__.__kwdefaults__, "max_new_tokens", 16)
    given = ["--max-turns", "2", "--frame-size", "64", "128"]
    assert ask(clip, f"sage-released:{SHIPPED}", *given, "--out", "here") == 0
    assert "overview  40 frames" in capsys.readouterr().out
    (trajectory,) = load_trajectories(Path("here/trajectory.jsonl"))
    assert trajectory.turns and trajectory.turns[0].decision.tokens.fresh


def test_what_is_saved_has_no_verdict_because_no_gold_answer_is_known(clip) -> None:
    assert ask(clip, "random", "--choices", "one", "two", "--max-turns", "1") == 0
    (trajectory,) = load_trajectories(Path("runs/ask/trajectory.jsonl"))
    info = trajectory.turns[-1].info
    assert info["stop_reason"] == "answered"
    assert info["correct"] is None and info["reward_terms"] == {} and trajectory.ret == 0.0


def test_a_person_answers_with_piped_input(clip, capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(LOOK_THEN_ANSWER))
    assert ask(clip, f"human:{tmp_path / 'seen'}") == 0
    out = capsys.readouterr().out
    assert "There is no command 'look'" in out and "answer:   two" in out
    assert "spent:    2 turns, 18 frames" in out
    assert len(list((tmp_path / "seen").rglob("*.png"))) == 18


def test_the_end_of_the_input_is_said_in_one_sentence(clip, tmp_path) -> None:
    arguments = ["ask", str(clip), "How many?", "--policy", f"human:{tmp_path / 'seen'}"]
    ran = subprocess.run(
        [sys.executable, "-c", "from algos.cli import main; exit(main())", *arguments],
        input="zoom 10 14 2\n",
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ran.returncode == 2
    (line,) = ran.stderr.strip().splitlines()
    assert line.startswith("sage-vqa: the input ended before the question was answered")


def test_the_oracle_cannot_answer_a_question_of_your_own(clip, capsys) -> None:
    assert ask(clip, "oracle") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "your own question has none" in line and "sage-vqa play" in line


def test_a_frame_size_that_the_model_cannot_cut_is_said_in_one_sentence(clip, capsys) -> None:
    pytest.importorskip("peft")
    assert ask(clip, f"sage-released:{SHIPPED}", "--frame-size", "96", "96") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "multiples of 64 pixels" in line and "frame_size=" in line
