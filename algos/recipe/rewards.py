"""The recipe in an update of PPO: the rewards that it adds, and the metrics that it logs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from algos.recipe.frame_target import charged
from algos.recipe.settings import Recipe
from algos.recipe.step_credit import mean_credit, paid, with_credit
from algos.rollout.playing import EpisodeSpec
from algos.rollout.trajectory import Trajectory
from algos.runs.metrics import MetricsRow
from policies.base import TrainablePolicy


def with_recipe(
    recipe: Recipe,
    policy: TrainablePolicy,
    episodes: Sequence[Trajectory],
    price: float,
    *,
    micro_batch: int,
    temperature: float,
) -> list[Trajectory]:
    """Return the episodes with the recipe's rewards added to their turns'.

    Args:
        recipe: the settings.
        policy: who sampled the episodes, its weights unmoved since.
        episodes: none of them failed.
        price: of one frame.
        micro_batch: episodes per forward pass, where looks are scored.
        temperature: that the episodes were sampled at.
    """
    found = charged(episodes, price)
    if recipe.step_credit > 0:
        scored = with_credit(policy, found, micro_batch=micro_batch, temperature=temperature)
        found = paid(scored, recipe)
    return found


def group_of(spec: EpisodeSpec) -> Hashable:
    """Return what episodes must share to be compared: the question, and its budget."""
    return spec.item_id, spec.max_turns, spec.max_frames


def recipe_row(
    recipe: Recipe, specs: Sequence[EpisodeSpec], episodes: Sequence[Trajectory], multiplier: float
) -> MetricsRow:
    """Return the metrics of what is switched on.

    Args:
        recipe: the settings.
        specs: the episodes of the update, as they were asked for.
        episodes: those that did not fail, with the recipe's rewards.
        multiplier: that the episodes were charged with.
    """
    row: MetricsRow = {}
    if recipe.first_turns is not None:
        row["recipe/turn_cap"] = specs[0].max_turns
    if recipe.frame_budget is not None:
        row["recipe/frame_budget"] = sum(spec.max_frames or 0 for spec in specs) / len(specs)
    if recipe.target_frames is not None:
        row["recipe/multiplier"] = multiplier
    if recipe.step_credit > 0:
        row["recipe/step_credit"] = mean_credit(episodes)
    if row:  # the reward that was learned from, beside the environment's own
        row["recipe/return"] = sum(t.ret for t in episodes) / len(episodes)
    return row
