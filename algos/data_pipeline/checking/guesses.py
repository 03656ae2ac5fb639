"""What a guess can do: how many right tries are more than that. Worked by hand, exactly.

A question with n choices is guessed right with probability 1/n in each try, since every try has its
choices in an order of its own. Who guesses by the *text* of the choices, always the same one, is
right in all tries of 1/n of the questions: no number of tries tells that from knowing, only other
answerers do, and the share over all questions beside 1/n. To open questions, chance is taken as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, comb, log


def chance_of(choices: Sequence[str]) -> float:
    """Return the probability of a right guess: 1/n, and 0 for an open question."""
    return 1 / len(choices) if choices else 0.0


def right_by_chance(right: int, tries: int, chance: float) -> float:
    """Return the probability of that many right guesses or more, a binomial tail.

    >>> right_by_chance(3, 4, 0.25) == 13 / 256
    True
    """
    terms = (
        comb(tries, k) * chance**k * (1 - chance) ** (tries - k) for k in range(right, tries + 1)
    )
    return min(1.0, sum(terms))


def tries_needed(tries: int, chance: float, level: float) -> int:
    """Return how many tries can tell an answer from guesses: `tries`, or more for few choices.

    >>> [tries_needed(3, chance, 0.05) for chance in (0.0, 0.25, 0.5)]
    [3, 3, 5]

    Args:
        tries: at least.
        chance: of one guess, below 1.
        level: most probability of so many right guesses in a row.
    """
    if chance <= 0:
        return tries
    needed = ceil(log(level) / log(chance) - 1e-9)
    return max(tries, needed)


def least_right(tries: int, chance: float, level: float, share: float) -> int:
    """Return the fewest right tries that count as an answer: unlikely by chance, and not too few.

    >>> least_right(3, 0.25, 0.05, 0.5), least_right(8, 0.25, 0.05, 0.5)
    (3, 5)

    Args:
        tries: of `tries_needed`.
        chance: of one guess.
        level: most probability of that many by chance.
        share: least share of the tries.
    """
    fewest = max(1, ceil(share * tries - 1e-9))
    within = (k for k in range(fewest, tries) if right_by_chance(k, tries, chance) <= level)
    return next(within, tries)


def answered(right: int, wrong: int, tries: int, least: int) -> bool | None:
    """Return whether right tries count as an answer; `None` while others can still decide it.

    Args:
        right: how many tries were right.
        wrong: how many were not.
        tries: how many there are in all.
        least: how many must be right.

    >>> answered(3, 0, 3, 3), answered(0, 1, 3, 3), answered(2, 0, 3, 3)
    (True, False, None)
    """
    if right >= least:
        return True
    return False if tries - wrong < least else None
