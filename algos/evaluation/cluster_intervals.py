"""95 % intervals of means over episodes that come in clusters: the questions of a video.

Questions about one video are not independent: a video that the policy reads badly spoils all of
them. The variance is therefore a jackknife over whole clusters, and the quantile that of Student's
t with as many degrees of freedom as clusters, less one. A percentile bootstrap over 6 videos covers
80 % where 95 % is said; `tests/algos/evaluation/test_cluster_intervals.py` simulates what these
intervals cover, for 5 to 42 videos.

| of | interval | when nothing varies |
|---|---|---|
| an accuracy | Clopper-Pearson at the effective number of episodes | as if each cluster were one |
| a difference | Student-t, with the squares of 4 more questions that disagree | ± these |
| a mean over seeds | the same, over seeds and clusters | the same |

Sources: Korn and Graubard, "Confidence intervals for proportions with small expected number of
positive counts estimated from survey data", Survey Methodology 24, 1998; the jackknife of a ratio,
Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11; added observations for
paired proportions, Agresti and Min, Statistics in Medicine 24, 2005; two ways of clustering,
Cameron, Gelbach and Miller, J. Business and Economic Statistics 29, 2011.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from algos.evaluation.quantiles import beta_quantile, incomplete_beta, student_t_quantile

Interval: TypeAlias = tuple[float, float] | None
"""The ends, in the unit of the values; `None` where there are too few clusters to tell."""
Floats: TypeAlias = NDArray[np.float64]

MIN_CLUSTERS = 5
"""Fewer clusters have no interval. With 4 the simulated intervals still cover 95 %, but are wider
than 70 points of 100 where videos differ: they would say nothing."""
MIN_SEEDS = 3
"""Fewer seeds have no interval over seeds: with 2, simulated ones cover 89 % where seeds differ."""
_SHARE = 0.975  # below the upper end of an interval of 95 %
# Squares of two questions more that were won and two that were lost. Simulated: without them an
# interval over 18 videos, of a difference of 1 point, covers 40 %; with 2 instead of 4, 83 % over
# 42 videos.
_ADDED = 4.0


def proportion_interval(values: Sequence[float], clusters: Sequence[Hashable]) -> Interval:
    """Return the interval of a share, such as an accuracy: inside [0, 1], and never without width.

    Args:
        values: N numbers, 0 or 1, one per episode.
        clusters: N names; equal names are one cluster, such as the episode's video.

    Returns:
        The ends; `None` with fewer than `MIN_CLUSTERS` clusters.
    """
    return interval_of_sums(*cluster_sums(values, clusters))


def interval_of_sums(sums: Floats, sizes: Floats) -> Interval:
    """Return `proportion_interval` from what `cluster_sums` returns: float64 `(K,)` each."""
    count, number = len(sizes), float(sizes.sum())
    if count < MIN_CLUSTERS:
        return None
    mean, variance = float(sums.sum()) / number, jackknife_variance(_ratios(sums, sizes))
    effective = float(count)
    if variance > 0 and 0 < mean < 1:
        shrink = student_t_quantile(_SHARE, number - 1) / student_t_quantile(_SHARE, count - 1)
        effective = min(number, mean * (1 - mean) / variance) * shrink**2
    right, wrong = mean * effective, (1 - mean) * effective
    low = beta_quantile(1 - _SHARE, right, wrong + 1) if right > 0 else 0.0
    high = beta_quantile(_SHARE, right + 1, wrong) if wrong > 0 else 1.0
    return low, high


def difference_interval(values: Sequence[float], clusters: Sequence[Hashable]) -> Interval:
    """Return the interval of the mean of paired differences.

    Args:
        values: N numbers in [-1, 1], one per question.
        clusters: N names; equal names are one cluster, such as the question's video.

    Returns:
        The ends; `None` with fewer than `MIN_CLUSTERS` clusters.
    """
    sums, sizes = cluster_sums(values, clusters)
    if len(sizes) < MIN_CLUSTERS:
        return None
    return interval_of_parts(float(sums.sum() / sizes.sum()), _ratios(sums, sizes), len(values))


def difference_p_value(values: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """Return the two-sided p-value of a mean of paired differences that is 0 in truth.

    It is below 0.05 just where `difference_interval`, of whose variance it is made, leaves out 0.

    Args:
        values: N numbers in [-1, 1], one per question.
        clusters: N names; equal names are one cluster, such as the question's video.

    Returns:
        `None` with fewer than `MIN_CLUSTERS` clusters.
    """
    sums, sizes = cluster_sums(values, clusters)
    freedom = len(sizes) - 1
    if len(sizes) < MIN_CLUSTERS:
        return None
    mean, error = float(sums.sum() / sizes.sum()), _error(_ratios(sums, sizes), len(values))
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + (mean / error) ** 2))


def interval_of_parts(mean: float, without: Floats, questions: int) -> tuple[float, float]:
    """Return the interval of a statistic in [-1, 1] from its values without each cluster in turn.

    Args:
        mean: the statistic of all.
        without: float64 `(K,)`, the statistic of all clusters but one.
        questions: how many there are.
    """
    half = student_t_quantile(_SHARE, len(without) - 1) * _error(without, questions)
    return _around(mean, half)


def _error(without: Floats, questions: int) -> float:
    """Return the standard error of a statistic in [-1, 1]; see `interval_of_parts`."""
    return float(np.sqrt(jackknife_variance(without) + _ADDED / questions**2))


def seeds_interval(
    values: Sequence[float], clusters: Sequence[Hashable], seeds: Sequence[Hashable]
) -> Interval:
    """Return the interval of the mean of several runs: over other seeds, and other videos.

    The variances over clusters, over seeds, and over the cells of both are combined as for two
    ways of clustering; the degrees of freedom are Satterthwaite's.

    Args:
        values: N numbers in [-1, 1], one per question and seed.
        clusters: N names, of the question's video.
        seeds: N names, of the run.

    Returns:
        The ends; `None` with fewer than `MIN_CLUSTERS` clusters or `MIN_SEEDS` seeds.
    """
    videos, runs = len(set(clusters)), len(set(seeds))
    if videos < MIN_CLUSTERS or runs < MIN_SEEDS:
        return None
    cells = list(zip(clusters, seeds, strict=True))
    of_videos, of_seeds, of_cells = (
        jackknife_variance(_ratios(*cluster_sums(values, names)))
        for names in (clusters, seeds, cells)
    )
    variance = max(of_videos, of_seeds, of_videos + of_seeds - of_cells)
    freedom = float(min(videos, runs) - 1)
    if of_videos + of_seeds > 0:
        parts = of_videos**2 / (videos - 1) + of_seeds**2 / (runs - 1)
        freedom = (of_videos + of_seeds) ** 2 / parts
    per_run = len(values) / runs
    half = student_t_quantile(_SHARE, freedom) * float(np.sqrt(variance + _ADDED / per_run**2))
    return _around(float(np.mean(values)), half)


def _around(mean: float, half: float) -> tuple[float, float]:
    """Return the ends of an interval of a difference of shares, which lies in [-1, 1]."""
    return max(-1.0, mean - half), min(1.0, mean + half)


def cluster_sums(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[Floats, Floats]:
    """Return the sum and the number of the values of each cluster: float64 `(K,)` each."""
    names = {name: k for k, name in enumerate(dict.fromkeys(clusters))}
    which = np.array([names[name] for name in clusters], np.intp)
    sums = np.bincount(which, weights=np.asarray(values, np.float64), minlength=len(names))
    sizes: Floats = np.bincount(which, minlength=len(names)).astype(np.float64)
    return sums.astype(np.float64), sizes


def jackknife_variance(without: Floats) -> float:
    """Return the variance of a statistic from its values without each of K clusters.

    Source: Efron and Tibshirani, 1993, equation 11.5.

    Args:
        without: float64 `(K,)`.
    """
    count = len(without)
    return float((count - 1) / count * ((without - without.mean()) ** 2).sum())


def _ratios(sums: Floats, sizes: Floats) -> Floats:
    """Return the mean of all episodes but those of each cluster in turn, float64 `(K,)`."""
    ratios: Floats = (sums.sum() - sums) / (sizes.sum() - sizes)
    return ratios
