"""Laws of `algos.cli.commands`, `entry`: what is printed, saved and refused, on one clip."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import algos.cli.entry
from algos.cli.entry import main
from algos.cli.options import CommandError, Playing, evenly, make_envs
from algos.runs.run_folder import RunFolder
from policies.baselines.random_policy import RandomPolicy
from policies.baselines.uniform import UniformPolicy
from tests.helpers.clips import write_clip
from tests.helpers.handmade import item

POLICY = """
from sage_env import Answer, Sample

class Careful:
    env_options = {"overview_frames": 2, "frame_size": (64, 96)}
    temperature = 1.0

    def reset(self, *, seed=None):
        self.looked = False

    def act(self, observation):
        if not self.looked:
            self.looked = True
            return Sample(10.0, 20.0, 3)
        return Answer(observation["choices"].splitlines()[0])
"""

OWN = """
from pathlib import Path
from sage_env import Answer, QAItem

def questions(root=None):
    return [QAItem("q", Path("a.mp4"), "yes?", answer="yes")]

def fails():
    raise RuntimeError("no")

class Yes:
    def reset(self, *, seed=None):
        pass
    def act(self, observation):
        return Answer("yes")

class Needs(Yes):
    def __init__(self, x):
        pass

class TypeErrs(Yes):
    def __init__(self):
        len(3)

class Stops(Yes):
    def act(self, observation):
        return 1 / 0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a clip, a data set of four questions, and a policy of its own."""
    path = tmp_path_factory.mktemp("cli")
    write_clip(path / "a.mp4", [25 * i for i in range(100)])
    rows = [
        {"id": f"q{k}", "video": "a.mp4", "question": "yes?", "choices": ["yes", "no"],
         "answer": "yes" if k else "no", "duration": 100.0, "group": {"family": "needle"}}
        for k in range(4)
    ]  # fmt: skip
    (path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (path / "careful.py").write_text(POLICY)
    (path / "notes.mp4").write_text("this is not a video")
    return path


@pytest.fixture(autouse=True)
def _inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused, and return its one sentence."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert lines[-1].startswith("sage-vqa: ") and "Traceback" not in captured.err
    return lines[-1]


def test_ask_prints_every_turn_and_the_answer(capsys) -> None:
    given = ["ask", "a.mp4", "Is it?", "--choices", "maybe", "no", "--policy", "careful:Careful"]
    assert main(given) == 0
    out = capsys.readouterr().out
    assert "question: Is it?" in out and "choices:  maybe | no" in out
    assert "overview  2 frames at 0:24.0, 1:14.0" in out
    assert 'turn 1    sample: {"action": "sample", "start": 10.0, "end": 20.0' in out
    assert "3 frames at 0:11.0, 0:15.0, 0:18.0" in out
    assert "answer:   maybe" in out and "gold" not in out and "wrong" not in out


def test_ask_can_be_open(capsys) -> None:
    assert main(["ask", "a.mp4", "What?", "--policy", "random", "--max-turns", "1"]) == 0
    assert "answer:   unknown" in capsys.readouterr().out


def test_play_says_the_gold_answer_and_the_verdict(capsys) -> None:
    given = ["play", "--dataset", "data.jsonl", "--policy", "careful:Careful", "--item-id"]
    assert main([*given, "q0"]) == 0 and main([*given, "q1"]) == 0
    out = capsys.readouterr().out
    assert "gold:     no (wrong)" in out and "gold:     yes (right)" in out


def test_eval_prints_and_saves_what_it_measured(capsys, tmp_path) -> None:
    given = ["eval", "--dataset", "data.jsonl", "--policy", "careful:Careful", "--envs", "2"]
    assert main([*given, "--max-turns", "5", "--out", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "careful:Careful  greedy            4" in out and " 75.0 " in out and " 5.0" in out
    folder = RunFolder(tmp_path / "run")
    result = folder.load_result("careful-Careful-greedy")
    assert [e.correct for e in result.episodes()] == [False, True, True, True]
    assert json.loads(folder.config.read_text())["max_turns"] == 5
    first = folder.report.read_text()
    assert main(["report", str(tmp_path / "run")]) == 0
    assert folder.report.read_text() == first


def test_options_given_by_hand_come_before_those_of_the_policy(capsys) -> None:
    given = ["ask", "a.mp4", "Is it?", "--policy", "careful:Careful", "--choices", "yes", "no"]
    assert main([*given, "--overview-frames", "3"]) == 0
    assert "overview  3 frames" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "wanted", "made"),
    [
        ({}, {"frame_pixels": 2048}, {"frame_pixels": 2048}),
        ({"frame_pixels": 2048}, {"frame_size": (64, 96)}, {"frame_pixels": 2048}),
        ({"frame_size": (64, 64)}, {"frame_pixels": 2048}, {"frame_size": (64, 64)}),
        (
            {"frame_size": (64, 64), "frame_pixels": 2048},
            {"frame_size": (96, 96)},
            {"frame_size": (64, 64), "frame_pixels": 2048},
        ),
    ],
)
def test_a_size_given_by_hand_replaces_all_that_the_policy_says_of_sizes(given, wanted, made):
    policy = SimpleNamespace(env_options={"max_turns": 3, **wanted})
    assert Playing(**given).env_options(policy) == {"max_turns": 3, **made}


def test_direct_keeps_its_one_turn_beside_agents() -> None:
    """`--max-turns` is for those that look around; frames are for both."""
    direct = UniformPolicy(RandomPolicy(), 8)
    made = Playing(max_turns=4, max_frames=4).env_options(direct)
    assert (made["max_turns"], made["overview_frames"], made["max_frames"]) == (1, 4, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask", "nothing.mp4", "Is it?"], "nothing.mp4"),
        (["ask", "notes.mp4", "Is it?"], "notes.mp4"),
        (["ask", ".", "Is it?"], "video"),
        (["ask", "a.mp4", "  "], "the question is empty"),
        (["ask", "a.mp4", "Is it?", "--choices", "yes"], "two or more different answers"),
        (["ask", "a.mp4", "Is it?", "--policy", "nobody"], "there is no policy 'nobody'"),
        (["ask", "a.mp4", "Is it?", "--policy", "careful:Nobody"], "has no 'Nobody'"),
        (
            ["ask", "a.mp4", "Is it?", "--policy", "nobody:Nobody"],
            "module nobody that is not there",
        ),
        (["ask", "a.mp4", "Is it?", "--policy", "uniform:none"], "whole number, 0 or more"),
        (["ask", "a.mp4", "?", "--policy", "random", "--max-turns", "0"], "max_turns"),
        (["ask", "a.mp4", "?", "--policy", "random", "--frame-size", "50", "64"], "of 32, got"),
        (["ask", "a.mp4", "?", "--policy", "random", "--frame-pixels", "9"], ">= 1024, got 9"),
        (["ask", "a.mp4", "?", "--policy", "random", "--temperature", "-1"], "--temperature"),
        (["ask", "a.mp4", "?", "--policy", "random", "--adapter", "x"], "take an adapter"),
        (["play", "--dataset", "nothing"], "nothing"),
        (["play", "--dataset", "nothing.jsonl"], "nothing.jsonl"),
        (["play", "--dataset", "data.jsonl", "--policy", "random", "--item-id", "q9"], "q9"),
        (["eval", "--dataset", "data.jsonl", "--policy", "random", "--limit", "0"], "--limit"),
        (["eval", "--dataset", "data.jsonl", "--policy", "random", "--envs", "0"], "--envs"),
        (["eval", "--split", "nowhere", "--policy", "random"], "nowhere"),
        (["report", "no-run"], "no-run"),
        (["verify", "no-run"], "no-run"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(arguments, message, capsys) -> None:
    assert message in refused(arguments, capsys)


def test_a_question_without_an_answer_is_refused_by_file_and_line(tmp_path, capsys) -> None:
    row = {"id": "q", "video": "a.mp4", "question": "yes?", "answer": ""}
    (tmp_path / "bad.jsonl").write_text(json.dumps(row) + "\n")
    said = refused(["eval", "--dataset", str(tmp_path / "bad.jsonl"), "--policy", "random"], capsys)
    assert "bad.jsonl, line 1" in said and "answer" in said


def test_a_video_outside_the_root_is_refused_unless_allowed(folder, tmp_path, capsys) -> None:
    row = {"id": "q", "video": str(folder / "a.mp4"), "question": "yes?", "answer": "yes"}
    row["choices"] = ["yes", "no"]
    (tmp_path / "out.jsonl").write_text(json.dumps(row) + "\n")
    given = ["play", "--dataset", str(tmp_path / "out.jsonl"), "--policy", "careful:Careful"]
    assert "--allow-outside" in refused(given, capsys)
    assert main([*given, "--allow-outside", "--call-timeout", "60"]) == 0
    assert "--call-timeout" not in capsys.readouterr().err
    assert "call_timeout must be seconds" in refused(
        [*given, "--root", "/", "--call-timeout", "-1"], capsys
    )


def test_when_every_question_fails_the_first_failure_is_said(tmp_path, capsys) -> None:
    row = {"id": "q", "video": "gone.mp4", "question": "yes?", "answer": "yes"}
    (tmp_path / "gone.jsonl").write_text(json.dumps(row) + "\n")
    given = ["eval", "--dataset", str(tmp_path / "gone.jsonl"), "--policy", "random"]
    assert "gone.mp4" in refused([*given, "--out", str(tmp_path / "run")], capsys)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["ask"], ["data"], ["eval", "--no-such"]])
def test_an_unknown_command_line_exits_with_2(arguments, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and capsys.readouterr().err


@pytest.mark.parametrize("command", ["ask", "play", "train", "eval", "report", "verify"])
def test_every_option_is_explained(command, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "--" in out and "(required)" in out or command in ("play", "train", "eval")


def test_a_preset_moves_the_defaults_and_flags_come_before_it(monkeypatch) -> None:
    from algos.experiment import stages

    configs = []
    monkeypatch.setattr(stages, "run", configs.append)
    for given in ([], ["--preset", "grpo"], ["--preset=grpo", "--ppo.kl-coef", "0.5"]):
        assert main(["train", *given, "--ppo.updates", "3"]) == 0
    plain, grpo, changed = (config.ppo for config in configs)
    assert (plain.advantage, plain.divide_by_std, plain.kl_coef) == ("group", False, 0.0)
    assert (grpo.advantage, grpo.divide_by_std, grpo.kl_coef) == ("group", True, 0.04)
    assert changed.divide_by_std and changed.kl_coef == 0.5
    assert {ppo.updates for ppo in (plain, grpo, changed)} == {3}
    assert {ppo.actor_lr for ppo in (plain, grpo, changed)} == {1e-3}


@pytest.mark.parametrize("given", [["--preset", "nosuch"], ["--preset"]])
def test_an_unknown_preset_exits_with_2(given, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", *given])
    assert stopped.value.code == 2 and "preset" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--ppo.gamma", "nan"], "gamma must be in [0, 1], got nan"),
        (["--ppo.recipe.step-credit", "-1"], "recipe.step_credit must be at least 0, got -1.0"),
    ],
)
def test_what_settings_refuse_is_one_sentence(given, said, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", *given])
    assert stopped.value.code == 2 and capsys.readouterr().err == f"sage-vqa: {said}\n"


def test_an_interrupt_ends_with_130_and_a_sentence(monkeypatch, capsys) -> None:
    def interrupted(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(algos.cli.entry, "_run", interrupted)
    assert main(["eval"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_bug_is_not_taken_for_bad_input(monkeypatch) -> None:
    def broken(arguments: list[str]) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(algos.cli.entry, "_run", broken)
    with pytest.raises(ValueError, match="a bug"):
        main([])


def test_a_limit_spreads_over_the_whole_data_set() -> None:
    items = [item(f"q{k}") for k in range(10)]
    assert [x.id for x in evenly(items, 3)] == ["q0", "q3", "q6"]
    assert evenly(items, None) == items and evenly(items, 99) == items
    with pytest.raises(CommandError):
        evenly(items, 0)


def test_a_build_says_where_the_videos_are(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sage_env.synth.dataset.DEFAULT_COUNTS", {"validation": 1})
    arguments = ["data", "build", "--splits", "validation", "--workers", "1"]
    for written in (1, 0):
        assert main([*arguments, "--root", str(tmp_path)]) == 0
        assert f"{written} videos written, all are in {tmp_path}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask", "a.mp4", "?", "--policy", "random", "--seed", "-1"], "--seed must be 0 or more"),
        (["ask", "a.mp4", "?", "--policy", "random:3"], "'random' takes nothing after its name"),
        (["ask", "a.mp4", "?", "--policy", "broken:X"], "broken:X fails: SyntaxError"),
        (["ask", "a.mp4", "?", "--policy", "own:Needs"], "own:Needs cannot be made without arg"),
        (
            ["ask", "a.mp4", "?", "--policy", "own:TypeErrs"],
            "own:TypeErrs fails: TypeError: object",
        ),
        (["ask", "a.mp4", "?", "--policy", "own:Stops"], "ZeroDivisionError: division by zero ("),
        (["play", "--dataset", "own:fails", "--policy", "random"], "the dataset own:fails failed"),
        (["play", "--dataset", "broken:x", "--policy", "random"], "broken:x cannot be imported"),
        (["play", "--dataset", "sage-synht", "--policy", "random"], "did you mean 'sage-synth'?"),
        (["play", "--split", "trian", "--policy", "random"], "did you mean 'train'?"),
        (
            ["eval", "--dataset", "data.jsonl", "--split", "tset", "--policy", "random"],
            "did you mean 'test'?",
        ),
        (
            ["ask", "a.mp4", "?", "--policy", "random", "--frame-size", "100000", "100000"],
            "one observation may have 1 GiB",
        ),
        (
            ["ask", "a.mp4", "?", "--policy", "random", "--frame-pixels", "99999999999"],
            "one observation may have 1 GiB",
        ),
        (["ask", "a.mp4", "?", "--policy", "random", "--max-turns", "9" * 20], "max_turns=999"),
        (["ask", "a.mp4", "?", "--policy", "uniform:99999999999:random"], "may have 1 GiB"),
        (["data", "check", ".", "--timeout", "-1"], "--timeout must be seconds above 0"),
        (["data", "check", ".", "--timeout", "nan"], "--timeout must be seconds above 0"),
        (["data", "build", "--workers", "0"], "--workers must be at least 1"),
        (["data", "build", "--splits"], "--splits needs at least one"),
    ],
)
def test_odd_values_are_refused_in_one_sentence(arguments, message, folder, capsys) -> None:
    (folder / "broken.py").write_text("def f(:\n")
    (folder / "own.py").write_text(OWN)
    said = refused(arguments, capsys)
    assert message in said and len(said) < 500


def test_a_dataset_and_a_policy_of_the_current_folder_are_found(folder, capsys, tmp_path) -> None:
    (folder / "own.py").write_text(OWN)
    given = ["eval", "--dataset", "own:questions", "--policy", "own:Yes", "--out"]
    assert main([*given, str(tmp_path / "run")]) == 0
    assert " 100.0 " in capsys.readouterr().out


@pytest.mark.parametrize("frames", [1, 4, 16, 40])
def test_a_small_budget_of_frames_makes_the_overview_small(frames, capsys) -> None:
    given = ["ask", "a.mp4", "?", "--policy", "random", "--max-frames", str(frames)]
    assert main(given) == 0
    noun = "frame" if frames == 1 else "frames"
    assert f"overview  {min(frames, 16)} {noun} at" in capsys.readouterr().out
    assert f"must be a whole number from 0 to {frames}" in refused(
        [*given, "--overview-frames", str(frames + 1)], capsys
    )


def test_more_environments_than_questions_are_not_made() -> None:
    items = [item(f"q{k}", answer="yes", choices=("yes", "no"), kind="mcq") for k in range(3)]
    assert len(make_envs(items, 10**9, {})) == 3


def test_a_dataset_is_not_written_over_itself(folder, capsys) -> None:
    assert main(["data", "export", "plain", "--dataset", "data.jsonl"]) == 0
    written = Path("plain/questions.jsonl").read_text()
    assert main(["data", "export", "plain", "--dataset", "./plain/questions.jsonl"]) == 2
    assert "is the dataset itself" in capsys.readouterr().err
    assert Path("plain/questions.jsonl").read_text() == written


def test_a_dataset_without_splits_is_not_written_for_a_name_that_nobody_knows(folder, capsys):
    told = refused(["data", "export", "b", "--dataset", "data.jsonl", "--splits", "bogus"], capsys)
    assert "'bogus' is none of train, validation, test" in told and not Path("b").exists()
