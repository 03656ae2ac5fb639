"""Intervals of means over episodes that come in clusters (several questions about one video)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000


def cluster_bootstrap_interval(
    values: Sequence[float], clusters: Sequence[Hashable], *, seed: int = 0
) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval of the mean of `values`, resampling whole clusters.

    `None` with fewer than two clusters: one video says nothing about other videos.
    """
    drawn = cluster_resamples(clusters, seed=seed)
    if drawn is None:
        return None
    which, draws = drawn
    sums = np.bincount(which, weights=np.asarray(values, np.float64))
    low, high = np.percentile((draws @ sums) / (draws @ np.bincount(which)), [2.5, 97.5])
    return float(low), float(high)


def cluster_resamples(
    clusters: Sequence[Hashable], *, seed: int = 0
) -> tuple[NDArray[np.intp], NDArray[np.float64]] | None:
    """Return the number of each episode's cluster, and how often every draw takes each cluster.

    The draws are `(RESAMPLES, clusters)`; `None` with fewer than two clusters.
    """
    names = {name: k for k, name in enumerate(dict.fromkeys(clusters))}
    if len(names) < 2:
        return None
    even = np.full(len(names), 1 / len(names))
    draws = np.random.default_rng(seed).multinomial(len(names), even, size=RESAMPLES)
    return np.array([names[name] for name in clusters]), draws.astype(np.float64)
