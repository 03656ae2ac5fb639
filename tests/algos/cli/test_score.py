"""Laws of `algos.cli.score_command`, `judge_command` and `algos.scoring.score_tables`."""

from __future__ import annotations

import json
import re

import pytest

from algos.cli import main
from tests.helpers.foreign.judge_wires import OpenAIWire, graded
from tests.helpers.loopback import Loopback, Says
from tests.helpers.wiring.row_folders import question, row, write_folder

ITEMS = [question(n) for n in range(6)]
ROWS = [row(one, False, text=f"a {one.id}") for one in ITEMS]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)


def right_of(*texts):
    def say(body):
        answer = json.loads(body["messages"][1]["content"])["answer"]
        return OpenAIWire.says(graded("CORRECT" if answer in texts else "INCORRECT", "by heart"))

    return say


def test_a_run_is_scored_by_two_served_judges(tmp_path, capsys) -> None:
    run = write_folder(tmp_path / "run", ROWS, ITEMS)
    with (
        Loopback(right_of("a q0", "a q1", "a q2"), OpenAIWire.about) as a,
        Loopback(right_of("a q0", "a q1"), Says({"data": [{"id": "j-2"}]})) as b,
    ):
        command = ["score", str(run), "--out", "s"]
        command += ["--judge", f"openai:j-1?base_url={a.url}/v1"]
        command += ["--judge", f"openai:j-2?base_url={b.url}/v1"]
        assert main(command) == 0
        said = capsys.readouterr().out
        assert main(command) == 0 and len(a.asked) == len(b.asked) == 6
    assert "6 of 6 answers were scored; 3 verdicts differ" in said
    assert "1 are not judged" in said and "1 answers are disputed" in said
    assert "openai:j-1  openai:j-2            6  83.3%   0.67" in said
    assert "q2: what is 2? gold: thing 2; answer: 'a q2'; openai:j-1: right (by heart)" in said
    lines = [json.loads(x) for x in (tmp_path / "s" / "samples.jsonl").read_text().splitlines()]
    assert [one["verdict"] for one in lines] == [True, True, None, False, False, False]


def test_an_outage_ends_in_a_sentence_and_can_be_gone_on_with(tmp_path, capsys) -> None:
    run = write_folder(tmp_path / "run", ROWS, ITEMS)
    with Loopback(lambda body: Says({"error": {"message": "down"}}, 400), OpenAIWire.about) as dead:
        name = f"openai:j-1?base_url={dead.url}/v1&attempts=1"
        assert main(["score", str(run), "--judge", name]) == 2
    assert "nothing could be judged" in capsys.readouterr().err
    (folder,) = (run / "scores").iterdir()
    assert (folder / "samples.jsonl").exists()


def test_a_file_is_scored_by_the_rules(tmp_path, capsys) -> None:
    video = tmp_path / "v.mp4"
    video.write_bytes(b"")
    rows = [
        {"id": f"q{n}", "video": "v.mp4", "question": "?", "answer": f"thing {n}"} for n in range(3)
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    (tmp_path / "theirs.jsonl").write_text('{"id": "q1", "prediction": "the thing 1"}\n')
    assert main(["score", "theirs.jsonl", "--dataset", "data.jsonl", "--out", "s"]) == 0
    assert "33.3" in capsys.readouterr().out
    assert main(["score", "theirs.jsonl", "--dataset", "data.jsonl", "--partial"]) == 0
    assert "100.0" in capsys.readouterr().out and (tmp_path / "runs/score/rule").is_dir()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["score", "nowhere"], "nowhere is not there"),
        (["score", "run", "--workers", "0"], "--workers must be at least 1"),
        (["score", "run", "--judge", "nobody"], "--judge: judge must be 'rule'"),
        (["score", "run", "--judge", "rule", "--judge", "rule"], "has a name twice"),
        (["score", "run", "--judge", "openai"], r"named gemini\[:MODEL\] or openai:MODEL"),
        (["score", "theirs.jsonl"], "say with --dataset what it answers"),
        (["judge", "check", "no_such:judge"], "needs a module no_such"),
        (["judge", "pairs", "--category", "x"], "--category takes plain_right"),
    ],
)
def test_bad_input_is_told_in_a_sentence(tmp_path, capsys, command, says) -> None:
    write_folder(tmp_path / "run", ROWS, ITEMS)
    (tmp_path / "theirs.jsonl").write_text("")
    assert main(command) == 2
    said = capsys.readouterr().err
    assert re.search(says, said) and "Traceback" not in said


def test_a_judge_is_checked_and_its_mistakes_are_listed(tmp_path, capsys) -> None:
    with Loopback(lambda body: OpenAIWire.says(graded("CORRECT")), OpenAIWire.about) as server:
        name = f"openai:j-1?base_url={server.url}/v1"
        assert main(["judge", "check", name, "--out", "checked.json", "--shown", "1"]) == 0
    said = capsys.readouterr().out
    data = json.loads((tmp_path / "checked.json").read_text())
    every = data["calibrations"][0]
    assert every["pairs"] == 200 and every["false_rejects"][0] == 0
    mistaken = every["false_accepts"][0]
    assert f"{mistaken} of 200 verdicts are mistaken" in said and f"and {mistaken - 1} more" in said
    assert main(["judge", "check", "rule"]) == 0
    assert "plain_wrong     25" in capsys.readouterr().out
    assert main(["judge", "pairs", "--category", "unit"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 25
