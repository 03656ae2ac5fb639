"""Where the recipe meets an update: the rewards that it adds, and the numbers that it leaves."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from algos.metrics import Row
from algos.ppo_config import PPOConfig
from algos.recipe.frame_target import charged
from algos.recipe.settings import Recipe
from algos.recipe.step_credit import mean_credit, paid, with_credit
from algos.rollout import Job
from algos.trajectory import Trajectory
from policies.base import TrainablePolicy


def with_recipe(
    config: PPOConfig,
    policy: TrainablePolicy,
    episodes: Sequence[Trajectory],
    price: float,
) -> list[Trajectory]:
    """Return the episodes with the recipe's rewards added to their turns'.

    Args:
        config: the settings.
        policy: who sampled the episodes, its weights unmoved since.
        episodes: none of them failed.
        price: of one frame.
    """
    found = charged(episodes, price)
    if config.recipe.step_credit > 0:
        scored = with_credit(
            policy, found, micro_batch=config.micro_batch, temperature=config.temperature
        )
        found = paid(scored, config.recipe)
    return found


def group_of(job: Job) -> Hashable:
    """Return what episodes must share to be compared: the question, and its budget."""
    return job.item_id, job.max_turns, job.max_frames


def recipe_row(
    recipe: Recipe, jobs: Sequence[Job], episodes: Sequence[Trajectory], multiplier: float
) -> Row:
    """Return the numbers of what is switched on; `multiplier` is the one that was charged."""
    row: Row = {}
    if recipe.first_turns is not None:
        row["recipe/turn_cap"] = jobs[0].max_turns
    if recipe.frame_budget is not None:
        row["recipe/frame_budget"] = sum(job.max_frames or 0 for job in jobs) / len(jobs)
    if recipe.target_frames is not None:
        row["recipe/multiplier"] = multiplier
    if recipe.step_credit > 0:
        row["recipe/step_credit"] = mean_credit(episodes)
    if row:  # the reward that was learned from, beside the environment's own
        row["recipe/return"] = sum(t.ret for t in episodes) / len(episodes)
    return row
