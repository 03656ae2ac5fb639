"""Laws of `policies.registry`: one table is the loader, the help and the error."""

from __future__ import annotations

from pathlib import Path

import pytest

from algos.cli import main
from policies.registry import NAMES, POLICIES, UnknownPolicy, load_policy


def help_of(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the help of a command as one line of words, without its frame."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.parametrize("command", ["play", "ask", "eval"])
def test_the_help_of_every_command_that_plays_has_the_whole_table(command, capsys) -> None:
    said = help_of(command, capsys)
    for usage, about in NAMES.items():
        assert f"{usage}: {about}." in said
    several = command == "eval"  # which plays all that are named
    assert ("sage-mm-tiny by default" if several else "(default: sage-mm-tiny)") in said


def test_every_entry_is_a_name_with_one_line_of_help() -> None:
    assert {"random", "gemini[:MODEL]", "openai:MODEL", "sb3:PATH"} < set(NAMES)
    assert list(NAMES)[:-1] == [f"{kind}{entry.argument}" for kind, entry in POLICIES.items()]
    for usage, about in NAMES.items():
        assert about and "\n" not in about and not about.endswith("."), usage


def test_an_unknown_name_is_answered_with_the_whole_table() -> None:
    with pytest.raises(UnknownPolicy) as refused:
        load_policy("nobody")
    assert "there is no policy 'nobody'" in str(refused.value)
    for usage, about in NAMES.items():
        assert f"{usage} ({about})" in str(refused.value)


@pytest.mark.parametrize("kind", [k for k, e in POLICIES.items() if e.argument.startswith(":")])
def test_a_name_that_lacks_its_part_says_which(kind: str) -> None:
    for name in (kind, f"{kind}:"):
        with pytest.raises(UnknownPolicy, match=f"lacks a part: {kind}{POLICIES[kind].argument}"):
            load_policy(name)


@pytest.mark.parametrize("kind", [k for k, e in POLICIES.items() if not e.argument])
def test_a_module_may_be_named_like_a_policy(kind: str) -> None:
    with pytest.raises(UnknownPolicy, match=r"module|has no 'Mine'"):
        load_policy(f"{kind}:Mine")


@pytest.mark.parametrize(
    "name",
    ["scripted", "gemini", "openai:m", "human", "sb3:x", "oracle", "uniform:4:random", "a:B"],
)
def test_an_adapter_that_would_do_nothing_is_refused(name: str) -> None:
    with pytest.raises(UnknownPolicy, match="only the sage-mm policies take an adapter"):
        load_policy(name, adapter=Path("x"))
