"""A random budget of frames for every question, so that the policy has to read its budget.

Under one fixed budget a policy can learn one number of looks by heart, most easily none. Where the
budget differs from question to question, what is left has to be read and looks have to be weighed.
All episodes of a question get the same budget, so that they are compared under equal conditions,
and the price of a frame does not depend on it (`History.env_frames`). Evaluation never draws.
"""

from __future__ import annotations

import numpy as np

from algos.recipe.settings import Recipe
from algos.seeds import subseed


def frame_budget(recipe: Recipe, seed: int, place: int) -> int | None:
    """Return how many frames the episodes of one drawn question may see.

    Args:
        recipe: its `frame_budget` is the range, both ends included.
        seed: of the run.
        place: the number of the question in the run: 0, 1, ...

    Returns:
        The budget; `None` for the environment's own.
    """
    if recipe.frame_budget is None:
        return None
    least, most = recipe.frame_budget
    random = np.random.default_rng(subseed(seed, "frame budget", place))
    return int(random.integers(least, most, endpoint=True))
