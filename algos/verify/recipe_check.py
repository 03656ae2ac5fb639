"""The recipe's part of stored rewards, computed again from the environment's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from algos.exactness.check_result import CheckResult
from algos.recipe import frame_target, step_credit
from algos.recipe.rewards import with_recipe
from algos.recipe.settings import Recipe
from algos.rollout.conditions import Conditions
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import TrainablePolicy

NAME = "rewards of the recipe"
ROUNDING = 1e-6
"""Largest gap of a reward that is computed from the same numbers in the same way."""


def check_recipe(
    recipe: Recipe,
    policy: TrainablePolicy,
    trajectories: Sequence[Trajectory],
    tensors: dict[str, Tensor],
    *,
    micro_batch: int,
    temperature: float,
    tolerance: float,
) -> CheckResult:
    """Add the recipe's rewards again, and compare with what was learned from.

    The price of a frame is that of the checkpoint; the credit of a look is scored anew.

    Args:
        recipe: of the run.
        policy: with the weights that sampled; it has the features of the episodes' frames.
        trajectories: stored episodes.
        tensors: of the checkpoint, any `(...)`, by name.
        micro_batch: episodes per forward pass, where looks are scored.
        temperature: that the episodes were sampled at.
        tolerance: largest gap allowed on the log-prob of a token, in nats.
    """
    known = [t for t in trajectories if t.conditions != Conditions()]  # else of an older version
    if not known:
        return CheckResult(NAME)
    price = frame_target.FramePrice(recipe)
    price.load_tensors(tensors)
    again = with_recipe(
        recipe,
        policy,
        [_as_played(trajectory) for trajectory in known],
        price.per_frame,
        micro_batch=micro_batch,
        temperature=temperature,
    )
    worst, problem = 0.0, ""
    for stored, now in zip(known, again, strict=True):
        allowed = ROUNDING + recipe.step_credit * tolerance * _tokens_of_answer(stored)
        for k, (was, found) in enumerate(zip(stored.turns, now.turns, strict=True)):
            gap = abs(was.reward - found.reward)
            worst = max(worst, gap)
            if not gap <= allowed and not problem:  # a nan is an offence too
                problem = (
                    f"item {stored.item_id!r}, turn {k}: the environment paid "
                    f"{was.env_reward:g}, which the recipe makes {found.reward:g}, and "
                    f"{was.reward:g} was stored"
                )
    turns = f"{sum(t.num_turns for t in known)} turns"
    if recipe.target_frames is None and recipe.step_credit == 0:
        return CheckResult(NAME, f"{turns}, to which nothing was added", problem)
    return CheckResult(NAME, f"{turns}, added again, off by at most {worst:.1e}", problem)


def _as_played(trajectory: Trajectory) -> Trajectory:
    return replace(trajectory, turns=[_turn_as_played(turn) for turn in trajectory.turns])


def _turn_as_played(turn: Turn) -> Turn:
    added = (frame_target.TERM, step_credit.TERM)
    terms = turn.info.get("reward_terms") or {}
    info = {name: value for name, value in turn.info.items() if name != step_credit.KEY}
    info["reward_terms"] = {name: value for name, value in terms.items() if name not in added}
    return replace(turn, reward=turn.env_reward, info=info)


def _tokens_of_answer(trajectory: Trajectory) -> int:
    tokens = trajectory.turns[-1].decision.tokens if trajectory.turns else None
    return 0 if tokens is None else len(tokens.completion)
