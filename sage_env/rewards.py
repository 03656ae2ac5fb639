"""Rewards: functions that give every step named terms, whose sum is the environment's reward."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Protocol

from sage_env.actions import Action, Invalid
from sage_env.datasets import QAItem
from sage_env.errors import RewardError
from sage_env.history import History


class Reward(Protocol):
    """A function called once after every step, before the step returns."""

    def __call__(
        self, item: QAItem, action: Action | Invalid, history: History
    ) -> Mapping[str, float]:
        """Return the named terms of this step's reward: at least one, all finite.

        `history` ends with `action`; `history.ended` says whether the episode did, and
        `history.verdict` whether the answer is right (False when the turns ran out).
        """


def answer(item: QAItem, action: Action | Invalid, history: History) -> Mapping[str, float]:
    """Give 1 for a right answer, else 0. The default."""
    return {"answer": 1.0 if history.ended and history.verdict else 0.0}


def efficient(frames_weight: float = 0.2, turns_weight: float = 0.1) -> Reward:
    """Return the reward `answer`, less a `cost` of looking, charged only when the answer is right.

    The cost is `frames_weight` for the whole budget of frames plus `turns_weight` for the whole
    budget of turns, in proportion. Wrong answers cost nothing more, so there is no gain in giving
    up early; with weights that sum to less than 1, right always beats wrong.
    """

    def reward(item: QAItem, action: Action | Invalid, history: History) -> Mapping[str, float]:
        right = 1.0 if history.ended and history.verdict else 0.0
        frames = history.spent.frames_shown / history.max_frames
        turns = history.spent.turns / history.max_turns
        cost = frames_weight * frames + turns_weight * turns
        return {"answer": right, "cost": -cost if right else 0.0}

    return reward


PRESETS: Mapping[str, Reward] = {"answer": answer, "efficient": efficient()}


def find_reward(reward: str | Reward) -> Reward:
    """Return the preset of that name, or the function itself.

    Raises:
        ValueError: if there is no such preset.
    """
    if not isinstance(reward, str):
        return reward
    if reward not in PRESETS:
        raise ValueError(
            f"reward must be a function or one of {', '.join(PRESETS)}, got {reward!r}"
        )
    return PRESETS[reward]


def checked_terms(terms: object) -> dict[str, float]:
    """Return a copy of what a reward function gave, as floats.

    Raises:
        RewardError: if it is not a non-empty mapping of names to finite numbers.
    """
    law = "a reward must return a non-empty mapping of names to finite numbers"
    if not isinstance(terms, Mapping) or not terms:
        raise RewardError(f"{law}, got {terms!r}: return for instance {{'answer': 0.0}}")
    for name, value in terms.items():
        if not isinstance(name, str) or not isinstance(value, Real) or not math.isfinite(value):
            raise RewardError(f"{law}, got {name!r}: {value!r}")
    return {name: float(value) for name, value in terms.items()}
