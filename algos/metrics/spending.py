"""What questions cost: the sum, the mean, and how much for one right answer. Unknown is not 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from algos.evaluation.row_results import SPENT, EpisodeResult
from algos.metrics.estimates import Estimate, mean_estimate, ratio_estimate
from algos.metrics.rule_score import judged


@dataclass(frozen=True)
class Spending:
    """One kind of cost.

    Attributes:
        name: of `SPENT`.
        total: over the questions of which it is known, those that failed included.
        known: how many those are.
        each: mean per question that did not fail.
        per_right: total over the judged questions, divided by how many of them are right.
    """

    name: str
    total: float
    known: int
    each: Estimate
    per_right: Estimate


def spending_of(episodes: Sequence[EpisodeResult]) -> list[Spending]:
    """Return each kind of cost that is known of any question, in the order of `SPENT`."""
    found = []
    for name in SPENT:
        told = [e for e in episodes if name in e.spent]
        if not told:
            continue
        played = [e for e in told if e.error is None]
        known = judged(told)
        found.append(
            Spending(
                name,
                sum(e.spent[name] for e in told),
                len(told),
                mean_estimate([e.spent[name] for e in played], [e.video for e in played]),
                ratio_estimate(
                    [e.spent[name] for e in known],
                    [float(bool(e.correct)) for e in known],
                    [e.video for e in known],
                ),
            )
        )
    return found
