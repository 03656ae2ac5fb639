"""Laws of `algos.metrics.estimates`: figures by hand, and intervals over videos that hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.evaluation.cluster_intervals import MIN_CLUSTERS
from algos.evaluation.quantiles import student_t_quantile
from algos.metrics.estimates import (
    NOTHING,
    bounded_estimate,
    bounded_interval,
    gap_estimate,
    mean_estimate,
    ratio_estimate,
    share_estimate,
    slope_estimate,
    task_mean_estimate,
)
from benchmarks.measures.coverage import coverage
from benchmarks.measures.populations import FIGURES

VIDEOS = list(range(MIN_CLUSTERS))
MEANS = (share_estimate, gap_estimate, bounded_estimate, mean_estimate)


@pytest.mark.parametrize("estimate", MEANS)
def test_a_mean_is_one_and_few_videos_have_no_interval(estimate) -> None:
    found = estimate([1, 0, 0, 1, 1], VIDEOS)
    assert (found.mean, found.questions) == (0.6, 5) and found.interval is not None
    low, high = found.interval
    assert low < 0.6 < high
    assert estimate([1, 0, 0, 1, 1], [0, 1, 2, 3, 3]).interval is None
    assert estimate([], []) == NOTHING


def test_a_mean_without_bounds_by_hand() -> None:
    """Values 1 to 5 of five videos: deviation of the mean .7071, t of 4 degrees 2.7764."""
    found = mean_estimate([1.0, 2.0, 3.0, 4.0, 5.0], VIDEOS)
    assert found.interval == pytest.approx((3 - 2.7764451 * 0.5**0.5, 3 + 2.7764451 * 0.5**0.5))
    # Six of video 0 beside these: without a video the mean is of the questions that are left.
    uneven = mean_estimate([1.0] * 6 + [2.0, 3.0, 4.0, 5.0], [0] * 6 + [1, 2, 3, 4])
    without = np.array([14 / 4, 18 / 9, 17 / 9, 16 / 9, 15 / 9])
    half = 2.7764451 * (4 / 5 * ((without - without.mean()) ** 2).sum()) ** 0.5
    assert uneven.interval == pytest.approx((max(0.0, 2 - half), 2 + half))
    assert mean_estimate([0.0, 0.0, 0.0, 0.0, 1.0], VIDEOS).interval[0] == 0.0, "no turns below 0"
    assert mean_estimate([0.0, 0.0, 0.0, -0.1, 1.0], VIDEOS).interval[0] < 0.0


def test_a_bounded_mean_without_a_video_is_of_the_questions_that_are_left() -> None:
    """Ten questions of five videos, six of them of one."""
    values, videos = [0.1] * 6 + [0.2, 0.3, 0.4, 0.5], [0] * 6 + [1, 2, 3, 4]
    without = np.array([1.4 / 4, 1.8 / 9, 1.7 / 9, 1.6 / 9, 1.5 / 9])
    found = bounded_estimate(values, videos)
    assert found.interval == pytest.approx(bounded_interval(0.2, without, 10))


def test_a_ratio_is_of_sums_and_its_interval_of_its_logarithm() -> None:
    over, under = [10.0, 20.0, 30.0, 20.0, 20.0], [1.0, 0.0, 1.0, 1.0, 1.0]
    found = ratio_estimate(over, under, VIDEOS)
    assert found.mean == 25.0
    logs = np.log([(100 - a) / (4 - b) for a, b in zip(over, under, strict=True)])
    half = student_t_quantile(0.975, 4) * (4 / 5 * ((logs - logs.mean()) ** 2).sum()) ** 0.5
    assert found.interval == pytest.approx((25 * np.exp(-half), 25 * np.exp(half)))
    assert ratio_estimate([1.0] * 5, [0.0] * 5, VIDEOS).mean is None, "nothing was right"
    alone = ratio_estimate([1.0] * 5, [1.0, 0, 0, 0, 0], VIDEOS)
    assert (alone.mean, alone.interval) == (5.0, None), "without one video it has no ratio"
    assert ratio_estimate([0.0] * 5, [1.0] * 5, VIDEOS).mean == 0.0


def test_a_mean_over_tasks_by_hand() -> None:
    """Task a has 2 of 3, task b 0 of 1: (2/3 + 0) / 2."""
    found = task_mean_estimate([1, 1, 0, 0], ["a", "a", "a", "b"], [0, 1, 2, 3])
    assert (found.mean, found.interval) == (pytest.approx(1 / 3), None)
    assert task_mean_estimate([], [], []) == NOTHING


def test_without_a_video_a_task_of_it_alone_is_none() -> None:
    """Task b is of video 0 alone: without it the mean is that of task a, 3/4 and not 3/8."""
    found = task_mean_estimate([0, 1, 1, 1, 0], ["b", "a", "a", "a", "a"], VIDEOS)
    without = np.array([3 / 4, 1 / 3, 1 / 3, 1 / 3, 1 / 2])
    assert found.mean == 3 / 8
    assert found.interval == pytest.approx(bounded_interval(3 / 8, without, 5))


def test_a_slope_by_hand() -> None:
    found = slope_estimate([0, 1, 2, 3, 4, 5], [1, 3, 5, 7, 9, 11], range(6))
    assert found.mean == pytest.approx(2.0) and found.interval == pytest.approx((2.0, 2.0))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=30), rng.normal(size=30)
    found = slope_estimate(x.tolist(), y.tolist(), [k // 3 for k in range(30)])
    assert found.mean == pytest.approx(np.polyfit(x, y, 1)[0])
    kept = [np.arange(30) // 3 != k for k in range(10)]
    without = np.array([np.polyfit(x[k], y[k], 1)[0] for k in kept])
    half = student_t_quantile(0.975, 9) * (0.9 * ((without - without.mean()) ** 2).sum()) ** 0.5
    assert found.interval == pytest.approx((found.mean - half, found.mean + half))
    assert slope_estimate([2, 2, 2], [1, 2, 3], range(3)).mean is None
    assert slope_estimate([], [], []).mean is None


@given(st.floats(0, 1), st.lists(st.floats(0, 1), min_size=5, max_size=30), st.integers(5, 1000))
def test_an_interval_of_a_bounded_figure_holds_it_and_has_width(mean, without, questions) -> None:
    low, high = bounded_interval(mean, np.array(without), questions)
    assert -1e-9 <= low <= mean + 1e-6 and mean - 1e-6 <= high <= 1 + 1e-9
    assert low < high


def test_what_varies_little_has_a_narrow_interval() -> None:
    """Unlike a share, an IoU may vary less than as many questions that are right or wrong."""
    values = [0.5, 0.52, 0.48, 0.51, 0.49] * 4
    low, high = bounded_estimate(values, range(20)).interval
    assert high - low < 0.15
    share = share_estimate([True, False] * 10, range(20)).interval
    assert share[1] - share[0] > 0.4


@pytest.mark.parametrize("figure", FIGURES)
def test_95_percent_of_the_intervals_hold_the_truth(figure) -> None:
    """1,000 draws of each case give 91 % or more (`docs/design/statistics.md`)."""
    found = coverage(figure, 18, 0.5, 120, seed=3)
    assert found.held >= 0.9 and found.none < 0.2
