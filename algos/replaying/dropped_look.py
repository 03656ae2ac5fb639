"""An environment that keeps one observation back: what would have been decided without it?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np

from policies.base import Observation
from sage_env.actions.action import Action, Invalid
from sage_env.env import VideoQAEnv
from sage_env.history import Look


class DroppedLook(gym.Wrapper[Any, Any, Any, Any]):
    """The environment, with the frames and the text of one turn kept from the agent.

    They were served, and are paid for: budget, cursor and message are as they were. What `info`
    says of frames shown and of evidence is without them; `info["dropped"]` has their times.

    Args:
        env: the environment.
        turn: whose look is dropped: 0 is the overview, k what came of the k-th action.
    """

    def __init__(self, env: VideoQAEnv, turn: int) -> None:
        """Wrap the environment."""
        super().__init__(env)
        self._dropped, self._turn = turn, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the episode, without the overview where that is dropped."""
        self._turn = 0
        observation, info = self.env.reset(seed=seed, options=options)
        return self._without(observation, info)

    def step(self, action: Action | Invalid) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take an action; what comes of it is kept back where it is that turn."""
        self._turn += 1
        observation, reward, terminated, truncated, info = self.env.step(action)
        shown, told = self._without(observation, info)
        return shown, reward, terminated, truncated, told

    def _without(
        self, observation: Observation, info: dict[str, Any]
    ) -> tuple[Observation, dict[str, Any]]:
        info = {**info, **self._evidence(info)}
        if self._turn != self._dropped:
            return observation, info
        blank = {
            "frames": np.zeros_like(observation["frames"]),
            "picture": np.zeros_like(observation["picture"]),
            "seconds": np.full_like(observation["seconds"], -1.0),
            "num_frames": 0,
            "text": "",
        }
        dropped = {"frame_seconds": [], "dropped": list(info["frame_seconds"])}
        return {**observation, **blank}, {**info, **dropped}

    def _evidence(self, info: dict[str, Any]) -> dict[str, Any]:
        """Return what the last step says of the evidence, without what was dropped."""
        if "evidence_recall" not in info:
            return {}
        unwrapped: Any = self.env.unwrapped
        looks = list(unwrapped.history.looks)
        if self._dropped < len(looks):
            looks[self._dropped] = Look()
        seen = replace(unwrapped.history, looks=tuple(looks))
        return {
            "evidence_recall": seen.evidence_recall,
            "evidence_hit_turn": seen.evidence_hit_turn,
        }
