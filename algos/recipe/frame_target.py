"""Accuracy at an average budget of frames: a price of frames, set by dual ascent.

The problem is to be right as often as possible with a mean of at most `target_frames` frames. Its
Lagrangian is `correct - m (frames / target - 1)`; the multiplier m is the price of as many frames
as the target, in units of reward. The policy climbs it, and after every update m goes up where the
episodes took more frames than the target, and down, not below 0, where they took fewer. This is
dual ascent, as in "Reward Constrained Policy Optimization", Tessler et al., arXiv 1805.11074.

Frames are charged in *every* episode, right or wrong. What the constraint counts are the frames of
all episodes, so that is what has to be priced: charged only when right, frames on hopeless
questions would stay free, and m would have to overcharge the questions on which looking helps. A
fixed price (`sage_env.rewards.efficient`) spares wrong answers, because else a policy that is
mostly wrong learns to give up at once; this price goes to 0 when frames fall below the target, so
that giving up pays no longer than the target asks for. Most of what the paper's RL gained is such
routing: not to look where looking does not help.

Each turn is charged for the frames that it brought, on its last sampled token. The overview counts
towards the mean and is not charged: it is not chosen, and a constant charge prefers no action.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from algos.recipe.settings import Recipe
from algos.rollout.trajectory import Trajectory, Turn

TERM = "frame_price"
"""Name of the charge among a turn's `reward_terms`."""


def charged(trajectories: Sequence[Trajectory], price: float) -> list[Trajectory]:
    """Return the episodes with every turn charged `price` for each frame that it brought."""
    return [replace(t, turns=[_charged(turn, price) for turn in t.turns]) for t in trajectories]


def _charged(turn: Turn, price: float) -> Turn:
    frames = len(turn.info.get("frame_seconds") or ())
    if not frames or not price:
        return turn
    return add_term(turn, TERM, -price * frames)


def add_term(turn: Turn, name: str, value: float) -> Turn:
    """Return the turn with one more term in its reward."""
    terms = {**(turn.info.get("reward_terms") or {}), name: value}
    return replace(turn, reward=turn.reward + value, info={**turn.info, "reward_terms": terms})


def next_multiplier(recipe: Recipe, multiplier: float, frames: float) -> float:
    """Return the multiplier after an update in which episodes took `frames` frames in the mean."""
    assert recipe.target_frames is not None
    moved = multiplier + recipe.multiplier_lr * (frames / recipe.target_frames - 1)
    return min(max(moved, 0.0), recipe.multiplier_max)


class FramePrice:
    """The one state of the recipe: the multiplier, kept in every checkpoint to the last bit."""

    def __init__(self, recipe: Recipe) -> None:
        """Start at the price that the settings name."""
        self.recipe = recipe
        self.multiplier = recipe.multiplier_start

    @property
    def per_frame(self) -> float:
        """Return the price of one frame, in units of reward."""
        target = self.recipe.target_frames
        return 0.0 if target is None else self.multiplier / target

    def update(self, frames: float | None) -> None:
        """Move the price after an update; `frames` is the mean per episode, `None` for unknown."""
        if self.recipe.target_frames is not None and frames is not None:
            self.multiplier = next_multiplier(self.recipe, self.multiplier, frames)

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint needs, float64 `()`; nothing where there is no target."""
        if self.recipe.target_frames is None:
            return {}
        return {"recipe/multiplier": torch.tensor(self.multiplier, dtype=torch.float64)}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` returned, float64 `()`."""
        if self.recipe.target_frames is not None:
            self.multiplier = float(tensors["recipe/multiplier"])


def budgeted(score: float, frames: float, recipe: Recipe) -> float:
    """Return a validation score, less a penalty for frames beyond the target.

    The penalty is `frames / target - 1`: 10 % more frames than the target cost 10 points, so that
    the best update is not the one that looked most. Without a target there is no penalty.
    """
    if recipe.target_frames is None:
        return score
    return score - max(0.0, frames / recipe.target_frames - 1)
