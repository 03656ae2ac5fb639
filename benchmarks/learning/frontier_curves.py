"""Accuracy against frames: curves of measured points, areas under them, and gaps between them.

A curve is straight between its points over log2(frames) (`algos.metrics.budget_curves`). Every
figure of it is then a weighted sum of the points' accuracies, that is, a mean over questions of a
number per question, seed and curve: its interval is one over seeds and videos, as for any accuracy
(`algos.evaluation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algos.evaluation.cluster_intervals import (
    MIN_SEEDS,
    Interval,
    difference_interval,
    seeds_interval,
)
from algos.evaluation.measures import LONG, length_of
from sage_env.datasets.item import QAItem

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Point:
    """One policy at one budget: N fresh questions, and a row for each seed.

    Attributes:
        arm: its name.
        budget: frames that it may see.
        seeds: of the training, S of them.
        correct: float64 `(S, N)`, 1 for a right answer, 0 for a wrong one, NaN for a failure.
        frames: mean frames per question.
        turns: mean turns per question.
        missing: episodes without an answer, of all seeds.
    """

    arm: str
    budget: int
    seeds: tuple[int, ...]
    correct: Floats
    frames: float
    turns: float
    missing: int

    def of(self, seeds: Sequence[int]) -> Floats:
        """Return the rows of some seeds, `(len(seeds), N)`; one that learned nothing is all's."""
        if len(self.seeds) == 1 and len(seeds) != 1:
            return np.repeat(self.correct, len(seeds), 0)
        return self.correct[[self.seeds.index(seed) for seed in seeds]]


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval; None where there is too little to tell."""

    mean: float
    interval: Interval


def points_of(rows: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Return the points of all rows of `frontier.jsonl`, by arm and budget, in their order."""
    found: dict[tuple[str, int], list[tuple[int, Mapping[str, Any]]]] = {}
    for row in rows:
        for point in row["points"]:
            found.setdefault((row["arm"], point["budget"]), []).append((row["seed"], point))
    return [
        _point(arm, budget, sorted(runs, key=lambda r: r[0]))
        for (arm, budget), runs in found.items()
    ]


def _point(arm: str, budget: int, runs: Sequence[tuple[int, Mapping[str, Any]]]) -> Point:
    verdicts = {"1": 1.0, "0": 0.0, "-": np.nan}
    return Point(
        arm,
        budget,
        tuple(seed for seed, _ in runs),
        np.array([[verdicts[mark] for mark in run["correct"]] for _, run in runs]),
        float(np.mean([run["frames"] for _, run in runs])),
        float(np.mean([run["turns"] for _, run in runs])),
        sum(int(run["missing"]) for _, run in runs),
    )


def estimate(values: Floats, items: Sequence[QAItem], *, long: bool = False) -> Estimate:
    """Return the mean of a number per seed and question, over seeds and videos.

    Args:
        values: float64 `(S, N)` in [-1, 1]; NaN is left out.
        items: the N questions.
        long: count the videos of more than ten minutes alone.
    """
    kept = np.isfinite(values)
    if long:
        kept &= np.array([length_of(item.duration) == LONG for item in items])[None]
    seeds, questions = np.nonzero(kept)
    numbers = values[kept].tolist()
    videos = [str(items[int(k)].video) for k in questions]
    if not numbers:
        return Estimate(float("nan"), None)
    if len(values) >= MIN_SEEDS:
        interval = seeds_interval(numbers, videos, seeds.tolist())
    else:  # over videos alone
        interval = difference_interval(numbers, videos)
    return Estimate(float(np.mean(numbers)), interval)


def heights(curve: Sequence[Point], weights: Floats, seeds: Sequence[int]) -> Floats:
    """Return the weighted sum of a curve's points per seed and question: float64 `(S, N)`."""
    stacked = np.stack([point.of(seeds) for point in curve])
    found: Floats = np.tensordot(weights, stacked, 1)
    return found


def common_seeds(*curves: Sequence[Point]) -> list[int]:
    """Return the seeds that all points of all curves have; those that did not learn have any."""
    learned = [set(p.seeds) for curve in curves for p in curve if len(p.seeds) > 1]
    if not learned:
        return [min(curves[0][0].seeds)]
    return sorted(set.intersection(*learned))


def ascending(points: Sequence[Point]) -> list[Point]:
    """Return the points of a curve by their frames."""
    return sorted(points, key=lambda point: point.frames)
