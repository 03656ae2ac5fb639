"""What was told in words is told again: stored episodes are played again without calling a tool.

A call may cost money, and what it says may be another text by now; what a student learns from is
what the one who played was told. Only episodes that were stored with these words (`Telling`) can be
played so; of others, the tools are called again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from algos.rollout.telling import TOLD
from algos.rollout.trajectory import Trajectory
from policies.base import Observation
from sage_env.actions.action import UseTool
from sage_env.tools.naming import find_tools
from sage_env.tools.tool import Tool, ToolContext

_WORDS = ("message", "text")


class Silent:
    """A tool that is not called: its name and schema, and no word.

    Attributes:
        name: of the tool.
        description: likewise.
        parameters: likewise.
    """

    def __init__(self, tool: Tool) -> None:
        """Take what an agent knows of the tool."""
        self.name, self.description = tool.name, tool.description
        self.parameters = tool.parameters

    def __call__(self, arguments: dict[str, Any], context: ToolContext) -> str:
        """Return nothing."""
        return ""


def with_silent_tools(options: Mapping[str, Any], episodes: Sequence[Trajectory]) -> dict[str, Any]:
    """Return arguments of an environment that calls no tool, if all episodes have their replies.

    Args:
        options: arguments of the environment.
        episodes: that are going to be played again in it.
    """
    named = options.get("tools") or ()
    calls = [
        turn.info
        for episode in episodes
        for turn in episode.turns
        if isinstance(turn.decision.action, UseTool)
    ]
    if not named or not all(TOLD in info for info in calls):
        return dict(options)
    return {**options, "tools": [Silent(tool) for tool in find_tools(named).values()]}


def retold(observation: Observation, episode: Trajectory, turn: int) -> Observation:
    """Return an observation with the words of then, where a stored episode has them.

    Args:
        observation: what the environment shows now.
        episode: the stored one.
        turn: that comes next, from 0.
    """
    info = episode.start_info if turn == 0 else episode.turns[turn - 1].info
    told = info.get(TOLD)
    if not isinstance(told, Mapping):
        return observation
    return {**observation, **{name: told[name] for name in _WORDS}}
