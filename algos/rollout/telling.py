"""An environment whose `info` also has what the agent was told in words. No torch.

Frames can be shown again from their times; what a tool replied, and why a request was cut, cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym

TOLD = "told"
"""Key of an `info` under which the words stand."""


class Telling(gym.Wrapper[Any, Any, Any, Any]):
    """Adds to every `info` the words and numbers of the observation that came with it.

    `info["told"]` has `message`, `text` (a tool's reply), `cursor`, `duration`, `turns_left` and
    `frames_left`, as the observation has them; with the item's question and choices it is all that
    `sage_env.wrappers.chat_observations.user_text` asks for.
    """

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, {**info, TOLD: _told(observation)}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take an action."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        told = {**info, TOLD: _told(observation)}
        return observation, float(reward), terminated, truncated, told


def _told(observation: Mapping[str, Any]) -> dict[str, Any]:
    words = {name: str(observation[name]) for name in ("message", "text")}
    numbers = {name: round(float(observation[name]), 3) for name in ("cursor", "duration")}
    counts = {name: int(observation[name]) for name in ("turns_left", "frames_left")}
    return {**words, **numbers, **counts}
