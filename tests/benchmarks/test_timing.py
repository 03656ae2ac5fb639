"""Laws of `benchmarks.timing`: both clocks count forwards, and ratios are of turns side by side."""

from __future__ import annotations

import statistics
import time

import pytest

from benchmarks.timing import clocks, median_ratio, since


def test_a_sleep_passes_on_the_wall_and_not_on_the_processor() -> None:
    began = clocks()
    time.sleep(0.05)
    spent = since(began)
    assert spent.wall >= 0.05 > spent.cpu >= 0.0


def test_the_median_is_of_ratios_and_not_of_times() -> None:
    assert median_ratio([2.0, 4.0, 4.0], [1.0, 2.0, 1.0]) == 2.0
    assert statistics.median([2.0, 4.0, 4.0]) / statistics.median([1.0, 2.0, 1.0]) == 4.0


def test_turns_without_a_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        median_ratio([1.0, 2.0], [1.0])
    with pytest.raises(statistics.StatisticsError):
        median_ratio([], [])
