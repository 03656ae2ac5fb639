"""Laws of `sage_env.tools.paid_text`: what a tool's reply took is on record, and nowhere else."""

from __future__ import annotations

import json
import pickle

import pytest

from sage_env.actions.action import Skip, UseTool
from sage_env.env import VideoQAEnv
from sage_env.testing import open_memory
from sage_env.testing.episodes import ITEMS
from sage_env.tools.paid_text import PaidText, usage_of
from tests.helpers.plug_ins.paying import USAGE, Paying
from tests.helpers.tools_to_try import Echo


def start(*tools):
    env = VideoQAEnv(dataset=ITEMS, opener=open_memory, frame_size=(6, 8), tools=tools)
    env.reset(options={"item_id": "which"})
    return env


def test_it_travels_with_its_text() -> None:
    text = pickle.loads(pickle.dumps(PaidText("a", USAGE)))
    assert text == "a" and usage_of(text) == USAGE
    assert usage_of("a") is None and usage_of(PaidText("a")) is None


@pytest.mark.parametrize("tool", [Paying(), "tests.helpers.plug_ins.paying:Paying"])
@pytest.mark.parametrize("word", ["a", "a long one", ""])
def test_a_turn_says_what_its_tool_took(tool, word) -> None:
    env = start(tool, Echo())
    observation, *_, info = env.step(UseTool("paying", {"word": word}))
    assert info["tool_usage"] == USAGE and json.dumps(info["tool_usage"])
    assert type(observation["text"]) is str and observation["text"] == word[:3]
    for action in (UseTool("echo", {"text": "b"}), UseTool("paying", {"wd": 1}), Skip(9.0)):
        assert "tool_usage" not in env.step(action)[4]
    assert [look.usage for look in env.history.looks] == [None, USAGE, None, None, None]
    other = start(Paying(), Echo())
    other.set_state(json.loads(json.dumps(env.get_state())))
    assert other.history == env.history
    env.close()
