"""Cluster bootstrap: intervals of means over episodes that come in clusters (questions of a video).

Questions about one video are not independent: a video that the policy reads badly spoils all of
them. So whole clusters are drawn with replacement, never single episodes (Field and Welsh,
"Bootstrapping clustered data", J. R. Stat. Soc. B 69, 2007), and the interval is the percentile
interval of the draws (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000
"""Draws of an interval. Its ends are the 50th draws from either side, which moves them by a few
tenths of a point from seed to seed; more draws cost time and memory (draws x clusters floats).
Revisit if intervals are published with two decimals."""


def cluster_bootstrap_interval(
    values: Sequence[float], clusters: Sequence[Hashable], *, seed: int = 0
) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of the mean of `values`, resampling whole clusters.

    The mean of a draw is its sum over its number of episodes, which differs from draw to draw.

    Args:
        values: N numbers, one per episode.
        clusters: N names; equal names are one cluster, such as the episode's video.
        seed: of the draws.

    Returns:
        The ends, in the unit of `values`; `None` with fewer than two clusters: one video says
        nothing about other videos.
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
    """Draw clusters with replacement, as many as there are.

    Args:
        clusters: N names, one per episode, of K different ones.
        seed: of the draws.

    Returns:
        The number of each episode's cluster, int64 `(N,)`; and how often every draw takes each
        cluster, float64 `(RESAMPLES, K)`, whose rows sum to K. `None` with fewer than two clusters.
    """
    names = {name: k for k, name in enumerate(dict.fromkeys(clusters))}
    if len(names) < 2:
        return None
    even = np.full(len(names), 1 / len(names))
    draws = np.random.default_rng(seed).multinomial(len(names), even, size=RESAMPLES)
    return np.array([names[name] for name in clusters]), draws.astype(np.float64)
