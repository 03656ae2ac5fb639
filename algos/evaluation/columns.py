"""The results of many questions as columns of numbers, of which groups are measured quickly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algos.evaluation.cluster_intervals import Floats, Interval, interval_of_sums
from algos.evaluation.row_results import EpisodeResult

Places = NDArray[np.intp]
"""Numbers of questions, from 0, in any order."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Some questions as arrays of N; NaN stands for what is not known.

    Attributes:
        failed: bool, whether our side failed it.
        verdict: float64, 1 or 0; NaN where it was not judged.
        missing: bool, whether it ended without an answer.
        frames: float64, frames shown.
        turns: float64.
        seen: float64, 1 where a frame of the evidence was shown, 0 where none was.
        chance: float64, expected accuracy of a random choice.
        video: int, number of the question's video.
    """

    failed: NDArray[np.bool_]
    verdict: Floats
    missing: NDArray[np.bool_]
    frames: Floats
    turns: Floats
    seen: Floats
    chance: Floats
    video: Places

    def share(self, places: Places, values: Floats) -> Interval:
        """Return the interval over videos of a share.

        Args:
            places: of n questions.
            values: float64 `(n,)`, 0 or 1.
        """
        videos = self.video[places]
        sizes = np.bincount(videos).astype(np.float64)
        there = sizes > 0
        sums = np.bincount(videos, weights=values).astype(np.float64)
        return interval_of_sums(sums[there], sizes[there])


def columns_of(episodes: Sequence[EpisodeResult]) -> Columns:
    """Return the columns of some results."""
    names: dict[str, int] = {}
    count = len(episodes)
    numbers = np.full((5, count), np.nan)
    video = np.empty(count, np.intp)
    for k, e in enumerate(episodes):
        video[k] = names.setdefault(e.video, len(names))
        known = (e.correct, e.frames, e.turns, e.evidence_seen, e.chance)
        for row, value in enumerate(known):
            if value is not None:
                numbers[row, k] = value
    verdict, frames, turns, seen, chance = numbers
    failed = np.array([e.error is not None for e in episodes], np.bool_)
    missing = np.array([e.missing for e in episodes], np.bool_)
    return Columns(failed, verdict, missing, frames, turns, seen, chance, video)


def mean_of(values: Floats) -> float | None:
    """Return the mean of the values that are known; `None` without any."""
    known = values[~np.isnan(values)]
    return float(known.sum() / len(known)) if len(known) else None
