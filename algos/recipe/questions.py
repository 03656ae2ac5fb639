"""Which episodes an update plays: the walk through the questions, with the recipe's changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from algos.recipe.curriculum import draw_items, is_over
from algos.recipe.frame_budget import frame_budget
from algos.recipe.settings import Recipe
from algos.recipe.turn_cap import turn_cap
from algos.rollout.playing import EpisodeSpec
from algos.seeds import subseed


def draw_questions(
    recipe: Recipe,
    items: Sequence[str],
    durations: Mapping[str, float | None],
    count: int,
    *,
    seed: int,
    update: int,
) -> list[EpisodeSpec]:
    """Return one episode spec for each question of an update (1, 2, ...).

    Questions come from a walk through all items in an order that is shuffled anew on every lap;
    while a curriculum runs, from its draw instead.

    Args:
        recipe: of the run.
        items: ids of all questions.
        durations: seconds of the video of each; read by a curriculum only.
        count: questions per update.
        seed: of the run.
        update: 1, 2, ...
    """
    places = range((update - 1) * count, update * count)
    if is_over(recipe, update):
        asked = [_walk(items, seed, place) for place in places]
    else:
        asked = draw_items(recipe, items, durations, count, seed=seed, update=update)
    return [
        EpisodeSpec(
            item,
            subseed(seed, "environment", place),
            turn_cap(recipe, update),
            frame_budget(recipe, seed, place),
        )
        for item, place in zip(asked, places, strict=True)
    ]


def _walk(items: Sequence[str], seed: int, place: int) -> str:
    lap, position = divmod(place, len(items))
    order = np.random.default_rng(subseed(seed, "lap", lap)).permutation(len(items))
    return items[int(order[position])]
