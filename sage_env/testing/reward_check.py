"""`check_reward`: what the environment asks of a reward function."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import gymnasium as gym

from sage_env.actions.action import Action, Invalid
from sage_env.env import VideoQAEnv
from sage_env.history import History
from sage_env.rewards import Reward, is_term
from sage_env.testing.episodes import ITEMS, ways
from sage_env.testing.laws import lawful, require
from sage_env.testing.memory_video import open_memory

_LAW = "a reward must return {name: finite float} for every step"


def check_reward(
    reward: Reward, *, env: gym.Env[Any, Any] | None = None, episodes: int = 4
) -> None:
    """Play episodes that end in every way, and check what `reward` gives for each of their steps.

    Args:
        reward: the function.
        env: a `VideoQAEnv`, wrapped or not, whose questions to play; by default a few questions
            about videos in memory.
        episodes: how many questions to draw.

    Raises:
        AssertionError: with the law that was broken.
    """
    require(callable(reward), "a reward must be a function of (item, action, history)")
    played = _default_env() if env is None else env.unwrapped
    require(isinstance(played, VideoQAEnv), f"env must be a VideoQAEnv, got {played}")
    assert isinstance(played, VideoQAEnv)
    for seed in range(episodes):
        observation, _ = played.reset(seed=seed)
        item, duration = played.history.item, float(observation["duration"])
        for actions in ways(item, duration, played.history.max_turns):
            played.reset(options={"item_id": item.id})
            for step, action in enumerate(actions, 1):
                ended = played.step(action)[2]
                _check_step(reward, played.history, action, f"on step {step}, {action}")
                if ended:
                    break


def _check_step(reward: Reward, history: History, action: Action | Invalid, where: str) -> None:
    before = deepcopy(history)
    terms = _terms(reward, history, action, where)
    require(history == before, f"a reward must leave item and history as they are: {where}")
    again = _terms(reward, history, action, where)
    require(
        terms == again,
        f"a reward must give the same terms for the same step: got {terms}, then {again} {where}",
    )


def _terms(
    reward: Reward, history: History, action: Action | Invalid, where: str
) -> dict[str, float]:
    with lawful(f"{_LAW}, {where}"):
        terms: object = reward(history.item, action, history)
    require(isinstance(terms, Mapping), f"{_LAW}: got {terms!r} {where}")
    assert isinstance(terms, Mapping)
    require(len(terms) > 0, f"{_LAW}, with one term at least: got none {where}")
    for name, value in terms.items():
        require(isinstance(name, str), f"{_LAW}: got the name {name!r} {where}")
        require(is_term(value), f"{_LAW}: got {value!r} for {name!r} {where}")
    values = {str(name): float(value) for name, value in terms.items()}
    require(math.isfinite(sum(values.values())), f"{_LAW}, with a finite sum: got {terms} {where}")
    return values


def _default_env() -> VideoQAEnv:
    return VideoQAEnv(
        dataset=ITEMS, opener=open_memory, frame_size=(8, 8), max_turns=6, max_frames=40
    )
