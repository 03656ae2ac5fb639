"""The arms of the frontier: what is trained, with which reward, and measured at which budgets.

| arm | trained by | measured at |
|---|---|---|
| `agent`, `agent-0.2`, … | PPO, `efficient` at that price of frames | its whole budget |
| `conditioned` | PPO, `answer`, a budget drawn for every question | six budgets |
| `direct-8` … `direct-128` | PPO, `answer`, one turn of so many frames | as many frames |
| `direct` | nothing: the base as DIRECT | eight numbers of frames |
| `base` | nothing: the base as the agent | its whole budget |
| `random-reward` | PPO, a reward that knows nothing of the answer | its whole budget |
| `clone-clean` | cloning the demonstrator without its bad habits | its whole budget |
| `clone-right` | cloning those of the base's own episodes that are right | its whole budget |

All of them start from the shipped base with an adapter of the same rank. Those that learn see the
same questions in the same order, as many episodes and optimiser steps, and keep the best of as many
validations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from algos.recipe.settings import Recipe
from sage_env.actions.action import Action, Invalid
from sage_env.actions.action_json import action_to_json
from sage_env.datasets.item import QAItem
from sage_env.history import History
from sage_env.rewards import Reward, answer, efficient

WHOLE = 48
"""Frames of the environment that the shipped model asks for: the agent's whole budget."""
OVERVIEW = 12
"""Frames of its overview: the least that an agent can see."""
BUDGETS = (12, 16, 20, 24, 32, 48)
"""Budgets at which the conditioned policy is measured."""
DIRECT = (8, 16, 32, 64, 128)
"""Numbers of frames at which DIRECT is trained."""
PRICES: Mapping[str, tuple[float, float]] = {
    "agent-0.2": (0.2, 0.1),
    "agent-0.5": (0.5, 0.15),
    "agent": (0.8, 0.15),
    "agent-1.1": (1.1, 0.15),
}
"""Weights of frames and turns in `efficient`; `agent` has the default of `sage-vqa train`.

They are spread around the default, and were not chosen by results: the first three are near those
of benchmarks/reports/first_light.md."""

Kind = Literal["agent", "direct"]
Training = Literal["none", "ppo", "clone-clean", "clone-right"]


@dataclass(frozen=True)
class Arm:
    """One way to spend frames.

    Attributes:
        kind: whether it plays turns, or answers at once from even frames.
        training: how it learns.
        points: frames that it is measured at: the agent's budgets, DIRECT's numbers of frames.
        reward: of its training.
        recipe: of its training.
    """

    kind: Kind
    training: Training
    points: tuple[int, ...]
    reward: Reward = answer
    recipe: Recipe = Recipe()  # noqa: RUF009 -- frozen, so that all arms may share it


def random_reward(item: QAItem, action: Action | Invalid, history: History) -> Mapping[str, float]:
    """Give an episode 0 or 1 at its end, by a digest of its question and its actions.

    Equal episodes get equal rewards, so that a run repeats itself; whether an answer is right plays
    no part in it.
    """
    if not history.ended:
        return {"random": 0.0}
    spoken = [x.text if isinstance(x, Invalid) else action_to_json(x) for x in history.actions]
    digest = hashlib.blake2b(repr((item.id, spoken)).encode(), digest_size=1).digest()
    return {"random": float(digest[0] % 2)}


def _arms() -> dict[str, Arm]:
    arms = {
        name: Arm("agent", "ppo", (WHOLE,), efficient(*price)) for name, price in PRICES.items()
    }
    drawn = Recipe(frame_budget=(OVERVIEW, WHOLE), frame_budget_draw="log")
    arms["conditioned"] = Arm("agent", "ppo", BUDGETS, recipe=drawn)
    arms |= {f"direct-{frames}": Arm("direct", "ppo", (frames,)) for frames in DIRECT}
    arms["direct"] = Arm("direct", "none", (8, 12, 16, 24, 32, 48, 64, 128))
    arms["base"] = Arm("agent", "none", (WHOLE,))
    arms["random-reward"] = Arm("agent", "ppo", (WHOLE,), random_reward)
    arms["clone-clean"] = Arm("agent", "clone-clean", (WHOLE,))
    arms["clone-right"] = Arm("agent", "clone-right", (WHOLE,))
    return arms


ARMS: Mapping[str, Arm] = _arms()
"""Every arm by its name."""
