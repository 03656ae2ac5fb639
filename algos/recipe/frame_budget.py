"""A random budget of frames for every question, so that the policy has to read its budget.

Under one fixed budget a policy can learn one number of looks by heart, most easily none. Where the
budget differs from question to question, what is left has to be read and looks have to be weighed.
All episodes of a question get the same budget, so that they are compared under equal conditions,
and the price of a frame does not depend on it (`History.env_frames`). Evaluation never draws.

The draw `log` is for ranges that begin at the overview alone. There the right action, an answer at
once, differs from that of every larger budget, and a uniform draw from 12 to 48 asks for it in one
question of 37: with so few the policy goes on asking for looks that it cannot pay for. With n
budgets in the range, the k-th is drawn with the probability log((k + 1) / k) / log(n + 1): of 37
the first in 19 % of the questions, and the upper half in 18 %.
"""

from __future__ import annotations

import numpy as np

from algos.recipe.settings import Recipe
from algos.seeds import subseed


def frame_budget(recipe: Recipe, seed: int, place: int) -> int | None:
    """Return how many frames the episodes of one drawn question may see.

    Args:
        recipe: its `frame_budget` is the range, both ends included, and its `frame_budget_draw`
            says how to draw from it.
        seed: of the run.
        place: the number of the question in the run: 0, 1, ...

    Returns:
        The budget; `None` for the environment's own.
    """
    if recipe.frame_budget is None:
        return None
    least, most = recipe.frame_budget
    random = np.random.default_rng(subseed(seed, "frame budget", place))
    if recipe.frame_budget_draw == "uniform":
        return int(random.integers(least, most, endpoint=True))
    count = most - least + 1
    # floor(exp(U)) of a U uniform in [0, log(n + 1)) is k with the probability in the docstring;
    # `min` is for a U whose exponential rounds up to n + 1.
    return least + min(int(np.exp(random.random() * np.log(count + 1))), count) - 1
