"""Policies that play a question differently every time, for tests of distillations."""

from __future__ import annotations

import random
from typing import Any

from policies.base import Decision
from sage_env import Answer, UseTool, Zoom, format_action
from sage_env.errors import VideoError
from tests.helpers.wiring.cloning_task import ENV

COLOURS = ("red", "blue")


class Wanders:
    """Draws from its seed: answers at once, or looks once or twice before, or asks its tool."""

    env_options: dict[str, Any] = ENV

    def __init__(self, tools: bool = False, fails: str = "") -> None:
        self.tools, self.fails = tools, fails
        self.played = 0

    def reset(self, *, seed: int | None = None) -> None:
        self.random = random.Random(seed)
        self.looks = self.random.randrange(3)
        self.played += 1

    def act(self, observation: Any) -> Decision:
        if self.fails and self.fails in str(observation["question"]):
            raise VideoError("no such picture")
        action: Any = Answer(self.random.choice(COLOURS))
        if self.looks and self.tools:
            action = UseTool("echo", {"text": f"look {self.looks}"})
        elif self.looks:
            action = Zoom(2.0, 9.0 + 2 * self.looks, 3)
        self.looks -= 1
        return Decision(action, format_action(action, "look for the star"))
