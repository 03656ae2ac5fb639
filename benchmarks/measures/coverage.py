"""How often intervals hold the truth: by figure, number of videos and share of right answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from algos.evaluation.tables import Cells, format_table
from algos.seeds import subseed
from benchmarks.measures.populations import FIGURES

VIDEOS = (5, 8, 18, 42, 100)
RIGHT = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Coverage:
    """What was found of one case.

    Attributes:
        held: share of the draws whose interval held the truth.
        width: mean width of the intervals.
        none: share of the draws without an interval.
    """

    held: float
    width: float
    none: float


def coverage(figure: str, videos: int, right: float, draws: int, seed: int = 0) -> Coverage:
    """Return how often the interval of a figure holds its truth.

    Args:
        figure: of `FIGURES`.
        videos: in each draw.
        right: share of right answers of the population.
        draws: how many.
        seed: of the draws.
    """
    draw, truth_of = FIGURES[figure]
    truth = truth_of(right)
    rng = np.random.default_rng(subseed(seed, figure, f"{videos} {right}"))
    held, widths = 0, []
    for _ in range(draws):
        interval = draw(rng, videos, right).interval
        if interval is None:
            continue
        widths.append(interval[1] - interval[0])
        held += interval[0] - 1e-12 <= truth <= interval[1] + 1e-12
    count = len(widths)
    return Coverage(
        held / count if count else float("nan"),
        sum(widths) / count if count else float("nan"),
        1 - count / draws,
    )


def table(draws: int) -> str:
    """Return what 95 % intervals cover, in percent, as a table: a row per figure and share."""
    header: Cells = ("figure", "right", *(f"{n} videos" for n in VIDEOS))
    lines = [
        (name, f"{right:g}", *(_cell(coverage(name, n, right, draws)) for n in VIDEOS))
        for name in FIGURES
        for right in RIGHT
    ]
    return format_table(header, lines)


def _cell(found: Coverage) -> str:
    if np.isnan(found.held):
        return "-"
    return f"{100 * found.held:.1f}" + (f" ({100 * found.none:.0f} % none)" if found.none else "")
