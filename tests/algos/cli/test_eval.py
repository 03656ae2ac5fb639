"""Laws of `algos.cli.eval_command`: nothing played is lost, and nothing else is written over."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

import pytest

from algos.cli.entry import main
from algos.runs.append_log import read_log
from algos.runs.run_folder import RunFolder
from tests.helpers.clips import write_clip

POLICIES = """
import os, signal
from pathlib import Path
from policies.errors import ServiceRefused
from sage_env import Answer

class Stops:
    '''Answers some questions, then does what the file `then` says.'''
    env_options = {"overview_frames": 1}

    def __init__(self):
        self.asked = 0

    def reset(self, *, seed=None):
        pass

    def act(self, observation):
        then = Path("then").read_text() if Path("then").exists() else ""
        Path("played").touch()
        self.asked += 1
        if self.asked > 3 and then.startswith("SIG"):
            signal.raise_signal(getattr(signal, then))
        if self.asked > 3 and then == "quota":
            raise ServiceRefused("429: the quota is spent")
        if self.asked == 2 and then == "bug":
            raise ZeroDivisionError("one odd reply")
        return Answer("yes")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a clip, five questions and a policy that stops early."""
    write_clip(tmp_path / "a.mp4", [25 * i for i in range(20)])
    rows = [
        {"id": f"q{k}", "video": "a.mp4", "question": "yes?", "choices": ["yes", "no"],
         "answer": "no" if k == 1 else "yes"}
        for k in range(5)
    ]  # fmt: skip
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "stopping_policy.py").write_text(POLICIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "stopping_policy", raising=False)
    return tmp_path


def evaluate(*more: str, out: str = "run", policy: str = "stopping_policy:Stops") -> int:
    return main(["eval", "--dataset", "data.jsonl", "--policy", policy, "--out", out, *more])


def files(path: str) -> dict[str, str]:
    return {p.name: p.read_text() for p in sorted(Path(path).rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    ("then", "status", "said"),
    [
        ("SIGINT", 130, "sage-vqa: interrupted; "),
        ("SIGTERM", 143, "sage-vqa: terminated; "),
        ("quota", 2, "sage-vqa: 429: the quota is spent; 3 of 5 questions are saved in run"),
    ],
)
def test_what_ends_it_early_costs_nothing_that_was_played(then, status, said, capsys) -> None:
    Path("then").write_text(then)
    assert evaluate() == status
    told = capsys.readouterr().err
    assert said in told and "3 of 5 questions are saved in run" in told
    rows = read_log(Path("run/samples.jsonl"))
    assert [row["id"] for row in rows] == ["q0", "q1", "q2"]
    assert main(["report", "run"]) == 2 and "unfinished" in capsys.readouterr().err
    Path("then").unlink()
    assert evaluate() == 0
    told = capsys.readouterr()
    assert "3 of 5 questions are played already" in told.err and " 80.0" in told.out
    again = {row["id"]: row["seconds"] for row in read_log(Path("run/samples.jsonl"))}
    assert list(again) == [f"q{k}" for k in range(5)]
    assert all(again[row["id"]] == row["seconds"] for row in rows)
    assert all(row["rule"] and row["prediction"] == "yes" for row in rows)
    assert evaluate(out="whole") == 0
    for name in ("results.json", "stopping-policy-Stops.json"):
        assert files("run")[name] == files("whole")[name]


def test_one_exception_is_one_questions_failure_and_is_listed(capsys) -> None:
    Path("then").write_text("bug")
    assert evaluate() == 2
    told = capsys.readouterr()
    assert "sage-vqa: 1 of 5 questions failed, more than --max-failed 0.1 allows" in told.err
    out = told.out
    assert "1 of 5 questions failed" in out and "  q1: ZeroDivisionError: one odd reply (" in out
    assert "stopping_policy.py, line " in out
    (failed,) = json.loads(files("run")["results.json"])["failed"]
    assert failed["id"] == "q1" and "one odd reply" in files("run")["report.html"]
    Path("then").unlink()
    Path("played").unlink()
    assert evaluate("--max-failed", "0.2", "--no-retry-errors") == 0
    assert not Path("played").exists() and "play" not in capsys.readouterr().out
    assert evaluate() == 0
    assert "failed, and" not in capsys.readouterr().out and Path("played").exists()
    assert json.loads(files("run")["results.json"])["failed"] == []


def test_a_finished_evaluation_is_not_played_again(capsys) -> None:
    assert evaluate() == 0
    Path("played").unlink()
    before = files("run")
    assert evaluate("--envs", "2") == 0
    assert not Path("played").exists()
    assert {**before, "config.json": ""} == {**files("run"), "config.json": ""}


@pytest.mark.parametrize("out", ["data.jsonl", "data.jsonl/run", "/proc/none"])
def test_a_folder_that_cannot_be_written_is_noticed_before_anything_is_played(out, capsys) -> None:
    assert evaluate(out=out) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "nothing can be written into" in line and "--out" in line
    assert not Path("played").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--seed", "1"), "seed 0, now 1"),
        (("--limit", "2"), "limit None, now 2"),
        (("--max-turns", "3"), "max_turns None, now 3"),
        (("--temperature", "0.5"), "temperature 0.0, now 0.5"),
    ],
)
def test_another_evaluation_does_not_go_into_the_same_folder(more, said, capsys) -> None:
    assert evaluate() == 0
    before = files("run")
    assert evaluate(*more) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in line and line.startswith("sage-vqa: run holds an evaluation with other settings")
    assert evaluate(policy="random") == 2
    text = Path("data.jsonl").read_text()
    Path("data.jsonl").write_text(text.replace("yes?", "is it?"))
    assert evaluate() == 2
    assert "digest of the questions" in capsys.readouterr().err
    assert files("run") == before


def test_what_a_policy_asks_of_the_environment_counts_as_a_setting(capsys) -> None:
    assert evaluate() == 0
    path = Path("stopping_policy.py")
    path.write_text(path.read_text().replace('"overview_frames": 1', '"overview_frames": 12'))
    del sys.modules["stopping_policy"]
    assert evaluate() == 2
    assert (
        "environment {'overview_frames': 1}, now {'overview_frames': 12}" in capsys.readouterr().err
    )


def test_two_processes_do_not_play_into_one_folder(capsys) -> None:
    with RunFolder(Path("run")).alone():
        assert evaluate() == 2
    assert "another process is writing into run" in capsys.readouterr().err
    assert not Path("played").exists()


def test_commands_do_not_write_over_each_others_folders(capsys) -> None:
    pytest.importorskip("torch")
    ask = ["ask", "a.mp4", "Is it?", "--policy", "random", "--out"]
    assert evaluate() == 0
    assert main([*ask, "asked"]) == 0 and main([*ask, "asked"]) == 0
    before = files("run"), files("asked")
    for command, said in (
        ([*ask, "run"], "run holds an evaluation"),
        (["train", "--run", "run"], "run holds an evaluation"),
        (["train", "--run", "asked"], "asked holds a question that was asked"),
    ):
        assert main(command) == 2
        assert said in capsys.readouterr().err
    assert evaluate(out="asked") == 2
    assert "asked/config.json is of another command" in capsys.readouterr().err
    assert (files("run"), files("asked")) == before


@pytest.mark.parametrize("group", [{"a": 1}, {"a": None}, {"a": ["b"]}, {"a": True}, {"a": {}}])
def test_a_group_that_is_no_text_is_refused_by_its_line_before_anything_is_played(
    group, capsys
) -> None:
    lines = Path("data.jsonl").read_text().splitlines()
    lines[2] = json.dumps({**json.loads(lines[2]), "group": group})
    Path("data.jsonl").write_text("\n".join(lines))
    assert evaluate() == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "data.jsonl, line 3" in line and "group" in line and not Path("played").exists()


def test_verify_plays_an_evaluation_again_and_finds_what_was_changed(capsys) -> None:
    assert evaluate() == 0
    Path("played").unlink()
    assert main(["verify", "run"]) == 0
    out = capsys.readouterr().out
    assert out.count(" ok ") == 3 and "5 turns of 5 episodes" in out
    assert not Path("played").exists(), "the policy was asked again"
    sound = files("run")
    for name, old, new, said in (
        ("samples.jsonl", '"verdict": false', '"verdict": true', "verdict is True"),
        ("stopping-policy-Stops.jsonl", '"reward": 1.0', '"reward": 0.5', "the reward is 1, and"),
        (
            "stopping-policy-Stops.jsonl",
            '"frame_seconds": [',
            '"frame_seconds": [3.5, ',
            "overview",
        ),
        ("results.json", '"accuracy": 0.8', '"accuracy": 0.9', "the measures are not those"),
    ):
        path = next(Path("run").rglob(name))
        path.write_text(sound[name].replace(old, new, 1))
        assert main(["verify", "run"]) == 2
        assert said in capsys.readouterr().out
        path.write_text(sound[name])
    assert main(["verify", "run", "--root", "nowhere"]) == 2
    assert "cannot be played again: VideoError" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [("5", "env_options of the policy"), ("{'nope': 1}", "unexpected keyword argument 'nope'"),
     ("{'max_turns': 'x'}", "max_turns must be a whole number"), ("{'overview_frames': 'x'}", "x")],
)  # fmt: skip
def test_what_a_policy_asks_wrongly_of_the_environment_is_told(options, said, capsys) -> None:
    with Path("stopping_policy.py").open("a") as file:
        file.write(f"\nclass Asks(Stops):\n    env_options = {options}\n")
    for command in (["eval", "--out", "run"], ["play"]):
        more = ["--dataset", "data.jsonl", "--policy", "stopping_policy:Asks"]
        assert main([*command, *more]) == 2
        assert said in capsys.readouterr().err


ODD = [None, b"[1]\n", b'{"id": 3}\n', bytes(range(256))]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_a_damaged_file_of_an_evaluation_is_told_in_one_sentence(odd, capsys) -> None:
    assert evaluate() == 0
    whole = {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file() and p.name != "lock"}
    capsys.readouterr()
    for path in sorted(whole):
        for command in (["verify", "run"], ["report", "run"], None):
            for file, data in whole.items():
                file.write_bytes(data)
            path.unlink() if odd is None else path.write_bytes(odd)
            status = evaluate() if command is None else main(command)
            told = capsys.readouterr().err.count("sage-vqa: ")
            assert (status, told) in ((0, 0), (2, 1)), (path, command)
            # What an evaluation can read and go on with, it makes whole.
            assert command is not None or status == 2 or main(["verify", "run"]) == 0, path


def test_verify_of_an_unfinished_evaluation_says_how_it_is_finished(capsys) -> None:
    Path("then").write_text("quota")
    assert evaluate() == 2 and main(["verify", "run"]) == 2
    assert "holds an unfinished evaluation: run the same" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["algos.runs.append_log.os.write", "atomic"])
def test_a_full_disk_is_told_and_costs_nothing_that_was_played(place, monkeypatch, capsys) -> None:
    assert evaluate(out="whole") == 0
    capsys.readouterr()
    write, calls = os.write, iter(range(100))
    with monkeypatch.context() as patched:
        if place == "atomic":  # at the end, when everything was played
            patched.setattr("algos.runs.run_folder.atomic_write", full_disk)
        else:
            patched.setattr(
                place, lambda *given: write(*given) if next(calls) < 5 else full_disk(*given)
            )
        assert evaluate() == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("sage-vqa: ")]
    assert "No space left on device" in line
    assert evaluate() == 0
    assert files("run")["results.json"] == files("whole")["results.json"]


def full_disk(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")
