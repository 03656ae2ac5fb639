"""`check_tool`: what the environment asks of a tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from sage_env.actions.action import UseTool
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.openers import Opener
from sage_env.testing.episodes import ITEMS
from sage_env.testing.laws import lawful, require
from sage_env.testing.memory_video import open_memory
from sage_env.tools.calling import LATE
from sage_env.tools.json_schema import sample_arguments
from sage_env.tools.naming import find_tools
from sage_env.tools.tool import Tool, tool_context

_CALLS = 8  # of each question
# Draws until arguments are accepted. A tool that wants start < end refuses half of them, one with
# three such laws 7 of 8: all of 64 draws are refused with a chance of 0.02 %.
_TRIES = 64
_LAW = "a tool must return a string, or raise ToolInputError for arguments that do not suit it"


def check_tool(
    tool: Tool,
    *,
    arguments: Sequence[Mapping[str, Any]] = (),
    items: Sequence[QAItem] = ITEMS,
    opener: Opener | None = None,
    deterministic: bool = True,
) -> None:
    """Call `tool` as the environment does, and check what it does.

    Args:
        tool: the tool.
        arguments: with which it must give a reply; by default some that fit its `parameters` are
            drawn, with times that may be beyond the end of the video, and one must be accepted.
        items: questions to call it for, of which the first four are used; by default some about
            videos in memory, without speech or events.
        opener: opens the items' videos; by default `open_memory` for the default items, else
            `sage_env.video.open_video`.
        deterministic: whether the same call must give the same reply.

    Raises:
        AssertionError: with the law that was broken.
    """
    with lawful("a tool must have name, description, parameters and be callable"):
        find_tools([tool])
    opener = open_memory if opener is None and items is ITEMS else opener
    env = VideoQAEnv(dataset=items, opener=opener, frame_size=(8, 8), tools=[tool], max_turns=3)
    for index in range(min(len(items), 4)):
        longest = float(env.reset(options={"index": index})[0]["duration"]) * 1.5
        random, messages, accepted = np.random.default_rng(index), [], 0
        drawn = (sample_arguments(tool.parameters, random, longest) for _ in range(_TRIES))
        for given in arguments or drawn:
            text, message, refused = _call(env, index, tool, given, deterministic)
            require(
                not (refused and arguments),
                f"a tool must accept the arguments that suit it: of {given} it said {message!r}",
            )
            accepted += not refused
            messages.append(message)
            if accepted and not arguments and len(messages) >= _CALLS:
                break
        require(
            accepted > 0,
            "a tool must accept some of the arguments that fit its parameters: of all that were "
            f"drawn it said, as of the last, {messages[-1]!r}; narrow them, or pass arguments=[…]",
        )
    env.close()


def _call(
    env: VideoQAEnv, index: int, tool: Tool, given: Mapping[str, Any], deterministic: bool
) -> tuple[str, str, bool]:
    """Call the tool in two episodes; return its text, the message, and whether it refused."""
    action = UseTool(tool.name, given)
    before = deepcopy(action)
    replies = []
    for _ in range(2):
        env.reset(options={"index": index})
        with lawful(f"{_LAW}, after {dict(given)}"):
            observation = env.step(action)[0]
        replies.append((observation["text"], observation["message"]))
        late = env.history.looks[-1].outcome == LATE
        require(not late, f"a tool must reply in time: it was late after {dict(given)}")
    require(action == before, f"a tool must leave the action as it is: {before} became {action}")
    require(
        replies[0] == replies[1] or not deterministic,
        "a tool must give the same reply to the same call (or pass deterministic=False): got "
        f"{replies[0]}, then {replies[1]}, after {dict(given)}",
    )
    refused = env.history.looks[-1].refused
    if not refused:
        _check_cache_key(env, tool, given)
    return *replies[0], refused


def _check_cache_key(env: VideoQAEnv, tool: Tool, given: Mapping[str, Any]) -> None:
    """Check what a tool says of what its reply depends on, if it says that."""
    ask = getattr(tool, "cache_key", None)
    if ask is None:
        return
    law = "cache_key must return a text, or None, and the same for the same call"
    with lawful(f"{law}, after {dict(given)}"):
        context = tool_context(env.history, env._viewer.view(), 0.0)
        keys = [ask(dict(given), context) for _ in range(2)]
    require(isinstance(keys[0], str | None) and keys[0] == keys[1], f"{law}: got {keys}")
