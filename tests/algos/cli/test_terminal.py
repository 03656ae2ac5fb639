"""Laws of `algos.cli.terminal`, `usage`, `policies.terminal_text`: what reaches the terminal."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.cli.entry import main
from algos.cli.terminal import plain_messages, say
from algos.cli.usage import value_sentence
from policies.baselines.human import Human
from policies.terminal_text import visible
from tests.helpers.clips import write_clip

EVIL = "a\x1b[31mb\x1b]52;c;eA==\x07c\x9b2Jd\u202ee\u2066f\rg\x7fh\x00i\ud800j"
POLICY = """
from sage_env import Answer
class Shouts:
    def reset(self, *, seed=None):
        pass
    def act(self, observation):
        return Answer("yes \\x1b[2J")
class Fails(Shouts):
    def act(self, observation):
        raise RuntimeError("the server said \\x1b]0;title\\x07 \\u202e")
class Cannot(Shouts):
    def __init__(self):
        raise RuntimeError("no \\x1b[2J")
"""


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "shouting", raising=False)
    Path("shouting.py").write_text(POLICY)


def harmless(text: str) -> bool:
    """Return whether a terminal would carry nothing out; the bar returns to its own line."""
    return visible(text.replace("\r", "").replace("\x1b[A", "")) == text.replace("\r", "")


def test_controls_are_shown_and_the_rest_is_left_alone() -> None:
    assert visible(EVIL) == (
        r"a\x1b[31mb\x1b]52;c;eA==\x07c\x9b2Jd\u202ee\u2066f\rg\x7fh\x00i\ud800j"
    )
    plain = "Größe 漢字 👩\u200d🚀 עברית\n\tx"
    assert visible(plain) == plain


@given(st.text())
def test_what_is_visible_stays_so(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown and shown.encode().decode() == shown
    assert all(c in "\n\t" or ord(c) >= 32 for c in shown)


def test_a_terminal_that_lacks_a_character_gets_its_number(monkeypatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    say("ü\x1b")
    assert raw.getvalue() == b"\\xfc\\x1b\n"


@pytest.mark.parametrize("command", ["play", "eval"])
@pytest.mark.parametrize("policy", ["Shouts", "Fails", "Cannot"])
def test_no_command_prints_what_others_wrote_raw(command, policy, capsys) -> None:
    write_clip(Path("a.mp4"), [25 * i for i in range(20)])
    text = EVIL.replace("\ud800", "").replace("\r", "").replace("\x00", "")
    row = {
        "id": text,
        "video": "a.mp4",
        "question": text,
        "answer": "yes",
        "group": {"family": text},
    }
    Path("d.jsonl").write_text(json.dumps(row))
    given = [command, "--dataset", "d.jsonl", "--policy", f"shouting:{policy}"]
    assert main(given) == (0 if policy == "Shouts" else 2)
    said = capsys.readouterr()
    assert harmless(said.out) and harmless(said.err) and (said.out or said.err)


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", EVIL[:-2], "?"],
        ["ask", "a.mp4", "?", "--policy", EVIL],
        ["eval", "--dataset", EVIL, "--policy", "random"],
        ["eval", "--split", EVIL, "--policy", "random"],
        ["eval", f"--{EVIL}"],
        ["eval", "--limit", EVIL],
        ["train", "--preset", EVIL],
        ["train", "--ppo.updates", EVIL],
        [EVIL],
        ["report", EVIL[:20]],
        ["data", "check", EVIL[:20]],
    ],
)
def test_no_error_prints_an_argument_raw(arguments, capsys) -> None:
    try:
        assert main(arguments) == 2
    except SystemExit as stopped:
        assert stopped.code == 2
    said = capsys.readouterr()
    assert harmless(said.err) and said.err and "Traceback" not in said.err


def test_a_broken_file_with_a_name_of_escape_codes_is_told(capsys) -> None:
    Path("x\x1b[31m.mp4").write_text("no video")
    assert main(["data", "check", "."]) == 2
    said = capsys.readouterr()
    assert harmless(said.out) and r"x\x1b[31m.mp4" in said.out


def test_warnings_and_logs_are_made_visible_and_given_back(capsys) -> None:
    before = warnings.formatwarning, logging.lastResort
    with plain_messages():
        assert warnings.formatwarning("a\x1b", UserWarning, "f", 1).count("\\x1b") == 1
        assert logging.lastResort is not None
        logging.lastResort.handle(logging.makeLogRecord({"msg": "b\x1b", "levelno": 30}))
    assert capsys.readouterr().err == "b\\x1b\n"
    assert (warnings.formatwarning, logging.lastResort) == before


def test_the_traceback_of_a_bug_is_made_visible(monkeypatch) -> None:
    def broken(_: list[str]) -> None:
        raise ValueError("a bug \x1b[2J")

    monkeypatch.setattr("algos.cli.entry._run", broken)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(ValueError) as raised:
        main([])
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    sys.excepthook(raised.type, raised.value, raised.tb)
    assert r"ValueError: a bug \x1b[2J" in err.getvalue() and harmless(err.getvalue())


def test_a_person_is_not_shown_escape_codes() -> None:
    out = io.StringIO()
    human = Human(stdin=io.StringIO("answer x\n"), stdout=out)
    seen = {"question": EVIL, "choices": EVIL, "message": EVIL, "text": EVIL, "duration": 1.0,
            "num_frames": 0, "turns_left": 1, "frames_left": 1, "cursor": 0.0}  # fmt: skip
    human.act(seen)
    assert visible(out.getvalue()) == out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["eval", "--limit", "abc"], "--limit takes a whole number (how many questions to play,"),
        (["eval", "--limit", "1.5"], "by default all), got '1.5'"),
        (["eval", "--seed", "x"], "(seeds the policy and the environment), got 'x'"),
        (
            ["ask", "a.mp4", "?", "--frame-size", "60"],
            "--frame-size takes two whole numbers (height",
        ),
        (["ask", "a.mp4", "?", "--frame-size", "64", "x"], "multiples of 32), got '64', 'x'"),
        (["train", "--ppo.updates", "x"], "--ppo.updates takes a whole number (updates in the"),
        (["data", "check", ".", "--timeout", "x"], "--timeout takes a number (seconds for each"),
    ],
)
def test_a_value_of_the_wrong_form_is_told_in_one_sentence(arguments, said, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    (line,) = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2 and said in line and line.startswith("sage-vqa: --")


def test_any_other_error_of_the_parser_is_left_as_it_is() -> None:
    for page in ("", "Unrecognized options: --x", "Error parsing --x: odd"):
        assert value_sentence(page) == ""


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_closed_output_is_written_nowhere(name, monkeypatch) -> None:
    monkeypatch.setattr(sys, name, None)  # as Python has it behind `>&-`
    assert main(["verify", "nowhere"]) == 2
    assert main(["--version"]) == 0
    assert getattr(sys, name) is None
