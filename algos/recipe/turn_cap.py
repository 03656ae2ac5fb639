"""Few turns at first, then all: SAGE's schedule, said to be necessary for stable training.

SAGE allows 6 turns in the first 100 of its 480 updates and 11 after them, the answer included. The
agent reads the budget in every observation, so that an episode under the cap is a whole episode
with fewer turns, not a long one cut off: running out is its end, and nothing is bootstrapped.
"""

from __future__ import annotations

from algos.recipe.settings import Recipe


def turn_cap(recipe: Recipe, update: int) -> int | None:
    """Return the budget of turns in an update (1, 2, ...); `None` for the environment's own."""
    return recipe.first_turns if update <= recipe.first_turns_updates else None
