"""Laws of `algos.metrics.latency`: nearest ranks by hand, stages apart, the judge left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from algos.evaluation.row_results import EpisodeResult
from algos.metrics.latency import Latency, latencies_of, quantile


def took(seconds: float | None, error: str | None = None, **stages: float) -> EpisodeResult:
    values = {"duration": 60.0, "group": {}, "frames": 4, "turns": 1, "evidence_seen": None}
    spent = {} if seconds is None else {"seconds": seconds}
    return EpisodeResult(
        "q", "a.mp4", correct=True, error=error, spent=spent, stages=stages, **values
    )


@pytest.mark.parametrize(
    ("count", "median", "slow"), [(1, 1, 1), (2, 1, 2), (3, 2, 3), (20, 10, 19), (100, 50, 95)]
)
def test_a_quantile_is_the_nearest_rank(count, median, slow) -> None:
    values = [float(k) for k in range(count, 0, -1)]
    assert (quantile(values, 0.5), quantile(values, 0.95)) == (median, slow)
    assert quantile(values, 1.0) == count


def test_stages_are_told_apart_and_the_judge_is_nobodys_latency() -> None:
    found = latencies_of(
        [took(4.0, decode=1.0, policy=2.5), took(9.0, decode=2.0, policy=3.0, judge=3.5)]
    )
    assert found == [
        Latency("in all", 2, 4.0, 5.5),
        Latency("decode", 2, 1.0, 2.0),
        Latency("policy", 2, 2.5, 3.0),
        Latency("judge", 1, 3.5, 3.5),
    ]


def test_what_was_not_timed_or_failed_is_in_none() -> None:
    assert latencies_of([took(None), took(9.0, error="VideoError: gone", decode=8.0)]) == []
    one = took(1.0)
    assert latencies_of([one, replace(one, spent={})]) == [Latency("in all", 1, 1.0, 1.0)]
