"""Tries of questions, made up or played by a policy that plays differently every time."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from algos.data_pipeline.distilling.episode_facts import EpisodeFacts
from policies.base import Decision
from sage_env import Answer, Sample, UseTool, Zoom, format_action
from sage_env.errors import VideoError
from tests.helpers.wiring.cloning_task import ENV

COLOURS = ("red", "blue")


def episode(item_id: str = "q0", attempt: int = 0, **given: Any) -> EpisodeFacts:
    """Return the facts of a try that no one played."""
    turns = given.pop("turns", 1)
    looks = tuple(Sample(0.0, 100.0 + 7 * attempt + k, 4) for k in range(turns - 1))
    right = given.pop("right", True)
    facts = EpisodeFacts(
        name=f"p {item_id}#{attempt}",
        policy="p",
        item_id=item_id,
        attempt=attempt,
        error=None,
        ended=True,
        right=right,
        turns=turns,
        frames=4 * turns,
        actions=(*looks, Answer("right" if right else f"wrong {attempt}")),
        evidence_seen=True,
        prompt="same",
    )
    return replace(facts, **given)


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
