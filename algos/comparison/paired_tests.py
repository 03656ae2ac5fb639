"""Tests of paired verdicts: McNemar's, exact, and Holm's correction for many groups.

McNemar's test takes questions as independent. Several questions about one video are not, and then
it calls too much significant: of runs that are equally good, with eight questions a video that are
won or lost together, it calls 46 of 100 different at 5 % (`tests/algos/comparison`, simulated).
`difference_p_value`, clustered by video, keeps to 5 % there; it is what the comparison goes by, and
McNemar's stands beside it, as it is expected.

Sources: McNemar, Psychometrika 12, 1947 (exact: the binomial of the questions that changed); Holm,
Scandinavian Journal of Statistics 6, 1979.
"""

from __future__ import annotations

from collections.abc import Sequence

from algos.evaluation.quantiles import incomplete_beta


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the two-sided p-value that a question is as likely won as lost.

    Of n questions that only one run has right, the smaller side has k: twice the probability of k
    or fewer heads in n throws, at most 1. For 1 and 7: 2 * (1 + 8) / 256 = 0.0703.

    Args:
        only_a: questions that only the first run has right.
        only_b: that only the second has right.
    """
    few, number = min(only_a, only_b), only_a + only_b
    if number == 2 * few:  # both sides alike, or nothing changed
        return 1.0
    return min(1.0, 2 * incomplete_beta(number - few, few + 1, 0.5))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for their number; those that are `None` are not of the family.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none is less than one before
    it: 0.01, 0.04, 0.03 become 0.03, 0.06, 0.06. What is below 0.05 then holds for all together.
    """
    order = sorted((p, k) for k, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for before, (p, k) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - before)))
        corrected[k] = highest
    return corrected
