"""A figure with its 95 % interval over videos: means, ratios of sums, means over tasks, slopes.

Each is a function of sums per video, so that its variance is a jackknife over videos; how an
interval is made of it was chosen by simulation (`python -m benchmarks.measures` prints what each
covers, `docs/design/statistics.md` says why):

| of | interval |
|---|---|
| a share of questions | `proportion_interval` |
| a mean of numbers in [0, 1], a mean over tasks | beta, at the effective number of questions |
| a mean of numbers in [-1, 1] | `difference_interval` |
| a ratio of positive sums | Student's t, of its logarithm |
| a mean without bounds, a slope | Student's t |
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from algos.evaluation.cluster_intervals import (
    MIN_CLUSTERS,
    Floats,
    Interval,
    cluster_sums,
    difference_interval,
    jackknife_variance,
    proportion_interval,
)
from algos.evaluation.quantiles import beta_quantile, student_t_quantile

_SHARE = 0.975  # below the upper end of an interval of 95 %
# Squares of questions that a mean of numbers in [0, 1] is given more. Simulated: without, intervals
# of a mean of few large numbers among zeros cover 83 to 87 %; with 1 they are a third too wide.
_ADDED = 0.25


@dataclass(frozen=True)
class Estimate:
    """A figure, its interval, and how many questions it is about; `None`: nothing to tell."""

    mean: float | None
    interval: Interval
    questions: int


NOTHING = Estimate(None, None, 0)
"""Of no questions."""


def share_estimate(values: Sequence[bool], videos: Sequence[Hashable]) -> Estimate:
    """Return the share of questions for which something holds.

    Args:
        values: N truth values, one per question.
        videos: N names, of the question's video.
    """
    numbers = [float(value) for value in values]
    return _estimate(numbers, proportion_interval(numbers, videos))


def gap_estimate(values: Sequence[float], videos: Sequence[Hashable]) -> Estimate:
    """Return the mean of numbers in [-1, 1], such as paired differences of verdicts."""
    return _estimate(values, difference_interval(values, videos))


def bounded_estimate(values: Sequence[float], videos: Sequence[Hashable]) -> Estimate:
    """Return the mean of numbers in [0, 1] that lie anywhere in it, such as an IoU or a score."""
    sums, sizes = cluster_sums(values, videos)
    if len(sizes) < MIN_CLUSTERS:
        return _estimate(values, None)
    without = (sums.sum() - sums) / (sizes.sum() - sizes)
    mean = float(sums.sum() / sizes.sum())
    return _estimate(values, bounded_interval(mean, without, len(values)))


def mean_estimate(values: Sequence[float], videos: Sequence[Hashable]) -> Estimate:
    """Return the mean of numbers without an upper bound, such as turns; of none < 0, from 0 on."""
    sums, sizes = cluster_sums(values, videos)
    if len(sizes) < MIN_CLUSTERS:
        return _estimate(values, None)
    without = (sums.sum() - sums) / (sizes.sum() - sizes)
    low, high = _symmetric(float(sums.sum() / sizes.sum()), without)
    return _estimate(values, (max(low, 0.0) if min(values) >= 0 else low, high))


def ratio_estimate(
    over: Sequence[float], under: Sequence[float], videos: Sequence[Hashable]
) -> Estimate:
    """Return the ratio of two sums of numbers >= 0, such as frames per right answer.

    Args:
        over: N numbers, whose sum is divided.
        under: N numbers, whose sum it is divided by; `None` comes back where that is 0.
        videos: N names, of the question's video.
    """
    above, _ = cluster_sums(over, videos)
    below, _ = cluster_sums(under, videos)
    if not below.sum() > 0:
        return Estimate(None, None, len(over))
    ratio = float(above.sum() / below.sum())
    tops, bottoms = above.sum() - above, below.sum() - below
    if len(above) < MIN_CLUSTERS or not (tops > 0).all() or not (bottoms > 0).all():
        return Estimate(ratio, None, len(over))
    ends = _symmetric(float(np.log(ratio)), np.log(tops / bottoms))
    return Estimate(ratio, (float(np.exp(ends[0])), float(np.exp(ends[1]))), len(over))


def task_mean_estimate(
    values: Sequence[float], tasks: Sequence[str], videos: Sequence[Hashable]
) -> Estimate:
    """Return the mean over tasks of each task's mean of numbers in [0, 1] ("macro mean").

    A task counts as much as any other, however many questions it has.
    """
    if not values:
        return NOTHING
    names = {name: k for k, name in enumerate(dict.fromkeys(tasks))}
    clusters = {name: k for k, name in enumerate(dict.fromkeys(videos))}
    cells = np.zeros((2, len(clusters), len(names)))
    for value, task, video in zip(values, tasks, videos, strict=True):
        cells[:, clusters[video], names[task]] += (value, 1)
    sums, sizes = cells
    mean = float(_over_tasks(sums.sum(0), sizes.sum(0)))
    if len(clusters) < MIN_CLUSTERS:
        return Estimate(mean, None, len(values))
    without = _over_tasks(sums.sum(0) - sums, sizes.sum(0) - sizes)
    return Estimate(mean, bounded_interval(mean, without, len(values)), len(values))


def slope_estimate(
    axis: Sequence[float], values: Sequence[float], videos: Sequence[Hashable]
) -> Estimate:
    """Return the slope of the least-squares line of values over an axis.

    Args:
        axis: N numbers.
        values: N numbers.
        videos: N names, of the question's video.
    """
    x, y = np.asarray(axis, np.float64), np.asarray(values, np.float64)
    terms = np.stack([np.ones(len(x)), x, y, x * x, x * y])
    parts = np.stack([cluster_sums(term.tolist(), videos)[0] for term in terms])
    slope = float(_slope(parts.sum(1)))
    if np.isnan(slope):
        return Estimate(None, None, len(values))
    without = _slope(parts.sum(1)[:, None] - parts)
    if parts.shape[1] < MIN_CLUSTERS or np.isnan(without).any():
        return Estimate(slope, None, len(values))
    return Estimate(slope, _symmetric(slope, without), len(values))


def bounded_interval(mean: float, without: Floats, questions: int) -> tuple[float, float]:
    """Return the interval of a figure in [0, 1]: Clopper-Pearson's, at an effective number.

    That is the number of questions, each right or wrong, of which a share would vary as much
    (Korn and Graubard, 1998; unlike a share's, it may be above the number that there are).

    Args:
        mean: the figure.
        without: float64 `(K,)`, the figure without each video in turn.
        questions: how many there are.
    """
    count, effective = len(without), float(len(without))
    if 0 < mean < 1:
        variance = jackknife_variance(without) + _ADDED / questions**2
        shrink = student_t_quantile(_SHARE, max(questions - 1, 1))
        shrink /= student_t_quantile(_SHARE, count - 1)
        effective = mean * (1 - mean) / variance * shrink**2
    right, wrong = mean * effective, (1 - mean) * effective
    low = beta_quantile(1 - _SHARE, right, wrong + 1) if right > 0 else 0.0
    high = beta_quantile(_SHARE, right + 1, wrong) if wrong > 0 else 1.0
    return low, high


def _symmetric(mean: float, without: Floats) -> tuple[float, float]:
    half = student_t_quantile(_SHARE, len(without) - 1) * jackknife_variance(without) ** 0.5
    return mean - half, mean + half


def _estimate(values: Sequence[float], interval: Interval) -> Estimate:
    return Estimate(sum(values) / len(values), interval, len(values)) if values else NOTHING


def _over_tasks(sums: Floats, sizes: Floats) -> Floats:
    """Return the mean over those tasks that have questions; tasks are the last axis."""
    there = sizes > 0
    means = np.divide(sums, sizes, out=np.zeros_like(sums), where=there)
    found: Floats = means.sum(-1) / there.sum(-1)
    return found


def _slope(parts: Floats) -> Floats:
    """Return the slope from sums of 1, x, y, x², xy: float64 `(5, ...)`; NaN where x is one."""
    n, x, y, xx, xy = parts
    spread = n * xx - x * x
    flat = spread <= 1e-9 * np.maximum(n * xx, 1e-300)
    found: Floats = np.where(flat, np.nan, (n * xy - x * y) / np.where(flat, 1.0, spread))
    return found
