"""Intervals of means over episodes that come in clusters (several questions about one video)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

RESAMPLES = 2_000


def clustered_interval(
    values: Sequence[float], clusters: Sequence[Hashable], *, seed: int = 0
) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval of the mean of `values`, resampling whole clusters.

    `None` with fewer than two clusters: one video says nothing about other videos.
    """
    names = {name: k for k, name in enumerate(dict.fromkeys(clusters))}
    if len(names) < 2:
        return None
    which = np.array([names[name] for name in clusters])
    sums = np.bincount(which, weights=np.asarray(values, np.float64))
    sizes = np.bincount(which).astype(np.float64)
    rng = np.random.default_rng(seed)
    even = np.full(len(names), 1 / len(names))
    draws = rng.multinomial(len(names), even, size=RESAMPLES).astype(np.float64)
    low, high = np.percentile((draws @ sums) / (draws @ sizes), [2.5, 97.5])
    return float(low), float(high)
