"""Laws of `page/scripts/what_if.js`, `algos.viewer.reading.replay_commands`: words of a shell."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.viewer.reading.replay_commands import what_if_commands
from tests.helpers.viewer.scripts import scripts

FILL = "([command, values]) => WhatIf.fill(command, values)"
HARD = [
    "a b",
    "it's",
    'say "hi"',
    "-q",
    "--turn",
    "$HOME `ls` $(ls)",
    "two\nlines",
    "back\\slash",
    "{turn}",
    "{{turn}}",
    "a{b}c}{",
    "*?[x]~",
    "#no",
    "!!",
    "=ls",
    "é 你好 \u202e",
    "''",
    "a;b&c|d",
]
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), min_size=1)
HARD_TEXTS = st.lists(st.sampled_from("'\"\\$`!{} -\n=~#turn"), min_size=1).map("".join)


@pytest.fixture(scope="module")
def page():
    with scripts(["what_if.js"], ["WhatIf"]) as found:
        yield found


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TEXTS | HARD_TEXTS, min_size=1, max_size=12))
def test_a_quoted_text_is_one_word(page, texts) -> None:
    quoted = page.evaluate("(texts) => texts.map(WhatIf.quote)", texts)
    assert shlex.split(" ".join(quoted)) == texts


@settings(max_examples=60, deadline=None)
@given(
    folder=TEXTS | HARD_TEXTS,
    entry=TEXTS | HARD_TEXTS,
    question=TEXTS | HARD_TEXTS,
    policy=TEXTS | HARD_TEXTS,
)
def test_every_command_says_what_was_meant(page, folder, entry, question, policy) -> None:
    commands = what_if_commands([folder, "--entry", entry], question)
    values = {
        "turn": 3,
        "drop": 0,
        "frames": 8,
        "turns": 2,
        "policy": policy,
        "temperature": 0.5,
        "seed": 1,
    }
    for _, command in commands:
        words = shlex.split(page.evaluate(FILL, [command, values]))
        named = f"./{folder}" if folder.startswith("-") else folder
        assert words[:5] == [
            "sage-vqa",
            "replay",
            named,
            f"--entry={entry}",
            f"--question={question}",
        ]
        assert f"--policy={policy}" in words or "--policy" not in command


@pytest.mark.parametrize("text", HARD)
def test_a_place_in_an_id_is_no_place(page, text) -> None:
    for _, command in what_if_commands(["runs/a"], text):
        values = {"turn": 3, "drop": 0, "frames": 8, "turns": 2, "policy": text}
        filled = page.evaluate(FILL, [command, values | {"temperature": 0.5, "seed": 1}])
        assert shlex.split(filled)[3] == f"--question={text}"


@pytest.mark.parametrize("text", HARD)
def test_a_shell_reads_the_same(page, text) -> None:
    shell = shutil.which("sh")
    if shell is None:
        pytest.skip("needs a shell")
    command = f"printf '%s\\n' {page.evaluate('WhatIf.quote', text)}"
    assert (
        subprocess.run([shell, "-c", command], capture_output=True).stdout.decode() == f"{text}\n"
    )


@pytest.mark.parametrize("text", ["\x1b[201~rm", "a\rb", "\x00", "\x7f", "\x9b31m", "a\x03"])
def test_keys_of_a_terminal_are_in_no_command(page, text) -> None:
    assert what_if_commands(["runs/a"], text) == [] == what_if_commands([text], "q")
    assert page.evaluate(FILL, ["x --policy={policy}", {"policy": text}]) is None
    assert page.evaluate(FILL, [f"x {text} --turn {{turn}}", {"turn": 1}]) is None


def test_a_place_without_a_value_leaves_no_command(page) -> None:
    command = "x --turn {turn} --max-frames {frames}"
    assert page.evaluate(FILL, [command, {"turn": 2, "frames": 8}]) == "x --turn 2 --max-frames 8"
    for values in ({"turn": 2}, {"turn": 2, "frames": ""}, {"turn": 2, "frames": None}):
        assert page.evaluate(FILL, [command, values]) is None
    assert page.evaluate(FILL, ["x {{turn}} {turn}", {"turn": 0}]) == "x {turn} 0"


def test_a_run_that_cannot_be_replayed_has_no_command() -> None:
    assert what_if_commands([], "q0") == []
    labels, commands = zip(*what_if_commands(["runs/a"], "q0"), strict=True)
    assert len(set(labels)) == len(labels) == len(set(commands))
    assert all(command.startswith("sage-vqa replay runs/a --question=q0 ") for command in commands)
    places = set(re.findall(r"\{(\w+)\}", json.dumps(commands)))
    assert places == {"turn", "drop", "frames", "turns", "policy", "temperature", "seed"}
