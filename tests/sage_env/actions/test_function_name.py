"""Laws of `sage_env.actions.function_name`: a namespace is no part of a function's name."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env import Answer, Invalid, Skip, UseTool, parse_action
from sage_env.actions.action_json import ACTION_TYPES
from sage_env.actions.function_name import bare_name

PREFIXES = ["functions.", "default_api.", "tools.", "namespace:", "api/v1/", "x. "]
VALUES = {
    "skip": {"to": 3},
    "sample": {"start": 1, "end": 2, "num_frames": 3},
    "zoom": {"start": 1, "end": 2, "num_frames": 3},
    "answer": {"text": "b"},
    "use_tool": {"name": "echo", "arguments": {"a": 1}},
}


def test_names_by_hand() -> None:
    known = {"skip", "zoom", "a.b"}
    for name, bare in {
        "skip": "skip", "functions.skip": "skip", "a.b": "a.b", "x.y.zoom": "zoom",
        "default_api.skip:3": "skip", "functions.skip: 3": "functions.skip: 3", "Skip": "Skip",
        "fly": "fly", "functions.": "functions.", "zoom.fly": "zoom.fly", "zoom.": "zoom.",
        "skip:0": "skip", "skip.zoom": "zoom", "functionsskip": "functionsskip", "": "", ".": ".",
    }.items():  # fmt: skip
        assert bare_name(name, known) == bare


@given(st.text(), st.sets(st.text("ab._-", min_size=1), max_size=4))
def test_a_name_is_itself_or_a_known_one_that_it_ends_with(name, known) -> None:
    found = bare_name(name, known)
    assert found == name or (found in known and found in name)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", ACTION_TYPES)
def test_a_call_in_a_text_means_the_action_with_or_without_a_namespace(name, prefix) -> None:
    def call(written):
        return json.dumps({"name": written, "arguments": VALUES[name]})

    plain = parse_action(call(name))
    assert not isinstance(plain, Invalid)
    for text in (call(prefix + name), f"<tool_call>{call(prefix + name)}</tool_call> so"):
        assert parse_action(text) == plain
    as_text = json.dumps({"name": prefix + name, "arguments": json.dumps(VALUES[name])})
    assert parse_action(as_text) == plain


def test_what_is_no_call_of_an_action_stays_what_it_was() -> None:
    fly = '{"name": "functions.fly", "arguments": {"to": 1}}'
    assert parse_action(fly) == UseTool("functions.fly", {"to": 1})
    behind = '{"name": "answer.draft", "arguments": {"text": "a"}}'
    assert parse_action(behind) == UseTool("answer.draft", {"text": "a"})
    assert isinstance(parse_action('{"action": "functions.skip", "to": 1}'), Invalid)
    inside = '{"name": "functions.skip", "arguments": {"to": 1, "thought": "so"}}'
    assert parse_action(inside) == Skip(1)
    wrong = parse_action('{"name": "functions.zoom", "arguments": {"start": 1}}')
    assert isinstance(wrong, Invalid) and '"zoom" needs' in wrong.reason
    first = '{"name": "tools.answer", "arguments": {"text": "a"}} {"action": "skip", "to": 1}'
    assert parse_action(first) == Answer("a")
