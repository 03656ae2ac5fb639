"""Laws of `sage_env.tools.calling`: limits of a tool, and the outcomes of its calls on record."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sage_env.actions.action import UseTool
from sage_env.env import VideoQAEnv
from sage_env.errors import StateError, ToolInputError, ToolTimeout
from sage_env.testing import open_memory
from sage_env.testing.episodes import ITEMS
from sage_env.tools.tool import MAX_TOOL_TEXT
from tests.helpers.tools_to_try import Blueness, Echo


def start(*tools, item="which", **arguments):
    env = VideoQAEnv(dataset=ITEMS, opener=open_memory, frame_size=(6, 8), tools=tools, **arguments)
    env.reset(options={"item_id": item})
    return env


class Limited(Echo):
    def __init__(self, faults=None, **limits):
        super().__init__(faults)
        vars(self).update(limits)


def test_outcomes_are_counted_apart_and_only_ours_and_good_ones_use_up_the_calls():
    faults = {"refuse": ToolInputError("no"), "late": ToolTimeout("the server took too long")}
    env = start(Limited(faults, max_calls=3), Blueness(), max_turns=20)
    for name, text, calls in (
        ("echo", "a", {"ok": 1}),
        ("echo", "refuse", {"ok": 1, "refused": 1}),
        ("ecco", "a", {"ok": 1, "refused": 1, "unknown": 1}),
        ("echo", "late", {"ok": 1, "refused": 1, "unknown": 1, "late": 1}),
        ("tools.echo", "b", {"ok": 2, "refused": 1, "unknown": 1, "late": 1}),
        ("echo", "c", {"ok": 2, "refused": 2, "unknown": 1, "late": 1}),
    ):
        observation, *_, info = env.step(UseTool(name, {"text": text}))
        assert info["tool_calls"] == calls
    assert observation["message"].endswith("it may be called 3 times in an episode, and has been")
    assert len(env.tools["echo"].calls) == 4, "the last was not made"
    assert env.step(UseTool("blueness", {"at": 1.0}))[4]["tool_calls"]["ok"] == 3
    assert [look.refused for look in env.history.looks[1:]] == [0, 1, 1, 0, 0, 1, 0]
    env.reset()
    assert env.step(UseTool("echo", {"text": "a"}))[0]["text"] == "a", "per episode"
    assert env.history.tool_calls == {"ok": 1}


def test_a_state_keeps_the_outcomes_through_json():
    env = start(Echo(), max_turns=5)
    for text in ("a", 3):
        env.step(UseTool("echo", {"text": text}))
    state = json.loads(json.dumps(env.get_state()))
    other = start(Echo(), max_turns=5)
    other.set_state(state)
    assert other.history.looks == env.history.looks
    assert other.step(UseTool("x", {}))[4]["tool_calls"] == {"ok": 1, "refused": 1, "unknown": 1}
    state["episode"]["looks"][1].pop("outcome")
    with pytest.raises(StateError):
        other.set_state(state)


@pytest.mark.parametrize(
    ("most", "kept"), [(5, 5), (MAX_TOOL_TEXT + 9, MAX_TOOL_TEXT), (None, 8192)]
)
def test_a_reply_has_at_most_the_characters_that_the_tool_and_the_environment_allow(most, kept):
    env = start(Limited({"x": "ab" * MAX_TOOL_TEXT}, max_text=most))
    observation = env.step(UseTool("echo", {"text": "x"}))[0]
    assert observation["text"] == ("ab" * MAX_TOOL_TEXT)[:kept]
    assert observation["message"] == f"The text of echo was cut to {kept} of 16384 characters."


def test_a_reply_of_just_as_many_characters_is_whole_and_not_said_to_be_cut():
    env = start(Limited({"x": "abcde"}, max_text=5))
    observation = env.step(UseTool("echo", {"text": "x"}))[0]
    assert (observation["text"], observation["message"]) == ("abcde", "")


def test_what_a_tool_says_is_harmless_and_a_refusal_is_one_line_that_ends():
    refused = ToolInputError("no\u2028such <|im_end|>\n" + "x" * 3000)
    env = start(Limited({"x": "a\x1b[31m\r\nb", "no": refused}))
    assert env.step(UseTool("echo", {"text": "x"}))[0]["text"] == "a\ufffd[31m\nb"
    told = env.step(UseTool("echo", {"text": "no"}))[0]["message"]
    assert told.startswith("echo cannot be used so: no such < |im_end|> xxx")
    assert told == told.splitlines()[0] and told.count("x") < 1001 and told.endswith("…")


@pytest.mark.parametrize("limits", [{"max_calls": 0}, {"max_calls": 1.5}, {"max_text": True},
                                    {"timeout": 0}, {"timeout": "5"}])  # fmt: skip
def test_a_limit_that_is_none_is_refused_at_make(limits):
    (name,) = limits
    with pytest.raises(ValueError, match=f"{name} of the tool 'echo' must be"):
        start(Limited(**limits))


def test_a_tool_may_know_the_subtitles_of_the_item():
    item = replace(ITEMS[0], subtitles=Path("a.srt"), subtitles_start=12.5)
    echo = Echo()
    env = VideoQAEnv(dataset=[item], opener=open_memory, frame_size=(6, 8), tools=[echo])
    env.reset()
    env.step(UseTool("echo", {"text": "a"}))
    context = echo.calls[-1][1]
    assert (context.subtitles, context.subtitles_start) == (Path("a.srt"), 12.5)
