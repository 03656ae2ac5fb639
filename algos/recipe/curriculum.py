"""Curriculum: short videos first, then all. Duration buckets open one after the other.

With K buckets that have questions and the progress p running from 0 to 1, bucket k has the weight
`clip(1 + p (K - 1) - k, 0, 1)`: at the start the shortest alone, at the end all alike. A weight is
that of each question of the bucket, so that at the end every question is as likely as any other.
With three buckets the weights are `1 0 0` at p = 0, `1 .5 0` at p = .25, `1 1 0` at p = .5 and
`1 1 1` at p = 1.

The draw is a function of the seed and the update's number; there is nothing to be saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from algos.recipe.settings import Recipe
from algos.seeds import subseed
from sage_env.datasets.duration_buckets import BUCKETS, bucket_of


def is_over(recipe: Recipe, update: int) -> bool:
    """Return whether all questions are equally likely in an update (1, 2, ...) and after it."""
    return recipe.curriculum_updates is None or update > recipe.curriculum_updates


def draw_items(
    recipe: Recipe,
    items: Sequence[str],
    durations: Mapping[str, float | None],
    count: int,
    *,
    seed: int,
    update: int,
) -> list[str]:
    """Return the questions of one update while the curriculum runs.

    No question is drawn twice before all questions of positive weight are drawn once.

    Args:
        recipe: for how long the curriculum runs.
        items: ids of all questions.
        durations: seconds of the video of each.
        count: how many to draw.
        seed: of the run.
        update: 1, 2, ...

    Raises:
        ValueError: if the duration of a question is not known.
    """
    unknown = [item for item in items if durations.get(item) is None]
    if unknown:
        raise ValueError(
            f"a curriculum over durations needs all of them, and that of {unknown[0]!r} and "
            f"{len(unknown) - 1} more questions is not known: give `durations` to `train`, or set "
            "recipe.curriculum_updates to None"
        )
    assert recipe.curriculum_updates is not None
    progress = (update - 1) / recipe.curriculum_updates
    weights = item_weights([bucket_of(durations[item]) for item in items], progress)
    random = np.random.default_rng(subseed(seed, "curriculum", update))
    drawn: list[str] = []
    while len(drawn) < count:
        # Sorting by u^(1/w), largest first, draws without replacement in proportion to w
        # (Efraimidis and Spirakis, Inf. Process. Lett. 97, 2006). In logarithms, so that the power
        # of a small weight does not underflow; 1e-300 only keeps a weight of 0 from dividing.
        keys = np.log(random.random(len(items))) / np.maximum(weights, 1e-300)
        order = [int(k) for k in np.argsort(-keys, kind="stable") if weights[k] > 0]
        drawn += [items[k] for k in order[: count - len(drawn)]]
    return drawn


def item_weights(buckets: Sequence[str], progress: float) -> NDArray[np.float64]:
    """Return the weight of each question: float64 `(N,)` in [0, 1].

    Args:
        buckets: the duration bucket of each question, of `BUCKETS`.
        progress: 0 for the shortest bucket alone, 1 for all alike.
    """
    present = [name for name in BUCKETS if name in set(buckets)]
    place = np.array([present.index(name) for name in buckets], np.float64)
    return np.clip(1 + progress * (len(present) - 1) - place, 0.0, 1.0)
