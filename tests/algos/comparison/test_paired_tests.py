"""Laws of `algos.comparison.paired_tests` and `difference_p_value`: by hand, and by simulation."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.comparison.paired_tests import holm, mcnemar_exact
from algos.evaluation.cluster_intervals import difference_interval, difference_p_value


def test_mcnemar_by_hand() -> None:
    assert mcnemar_exact(1, 7) == pytest.approx(2 * (1 + 8) / 256)
    assert mcnemar_exact(0, 5) == pytest.approx(2 / 32) and mcnemar_exact(5, 0) == mcnemar_exact(
        0, 5
    )
    assert mcnemar_exact(2, 2) == mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(3, 4) == pytest.approx(1.0)  # twice (1 + 7 + 21 + 35) / 128


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_binomial_sum(b: int, c: int) -> None:
    n, k = b + c, min(b, c)
    exact = min(1.0, 2 * sum(comb(n, j) for j in range(k + 1)) / 2**n)
    assert mcnemar_exact(b, c) == pytest.approx(exact, rel=1e-9)


def test_mcnemar_of_a_large_run_is_quick_and_small() -> None:
    assert 0 < mcnemar_exact(20_000, 21_000) < 1e-5


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, None, 0.9]) == [1.0, None, 1.0]
    assert holm([]) == [] and holm([None]) == [None] and holm([0.02]) == [0.02]


@given(st.lists(st.floats(0, 1), max_size=10))
def test_holm_only_raises_and_keeps_the_order(p_values) -> None:
    found = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, found, strict=True))
    ranked = [q for _, q in sorted(zip(p_values, found, strict=True))]
    assert ranked == sorted(ranked)
    if p_values:  # Bonferroni's is what the smallest gets
        assert min(found) == min(1.0, min(p_values) * len(p_values))


gaps = st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.integers(0, 9)), min_size=5, max_size=60
)


@given(gaps)
def test_the_p_value_is_below_five_percent_where_the_interval_leaves_out_zero(pairs) -> None:
    values, videos = [v for v, _ in pairs], [k for _, k in pairs]
    p, interval = difference_p_value(values, videos), difference_interval(values, videos)
    assert (p is None) is (interval is None)
    if interval is not None:
        low, high = interval
        assert (p < 0.05) == (low > 0 or high < 0) or p == pytest.approx(0.05, abs=1e-6)
        flipped = difference_p_value([-v for v in values], videos)
        assert flipped == pytest.approx(p) and 0 <= p <= 1


def test_the_p_value_by_hand() -> None:
    """Six videos of one question each, five won and one not: mean 5 / 6.

    The squares about the mean sum to 5 * (1/6)² + (5/6)² = 5/6, so the variance of the mean is
    5/6 / (5 * 6) = 1/36; with 4 added over 36 it is 5/36, and t = (5/6) / (√5/6) = √5. For 5
    degrees of freedom (Abramowitz and Stegun 26.7.3) with θ = arctan(t / √5) = π/4 the share inside
    is 2/π (θ + sin θ (cos θ + 2/3 cos³ θ)) = 2/π (π/4 + 1/2 + 1/6) = 0.9244.
    """
    p = difference_p_value([1.0] * 5 + [0.0], list(range(6)))
    assert p == pytest.approx(1 - 2 / np.pi * (np.pi / 4 + 1 / 2 + 1 / 6))
    # Two questions of each video that go together: t = (5/6) / √(1/36 + 4/144), still 5 degrees.
    twice = difference_p_value([1.0] * 10 + [0.0] * 2, [k // 2 for k in range(12)])
    cos = np.cos(angle := np.arctan(np.sqrt(5 / 2)))
    share = 2 / np.pi * (angle + np.sin(angle) * (cos + 2 / 3 * cos**3))
    assert twice == pytest.approx(1 - share)


def false_alarms(each: int, test) -> float:
    """Return how often a test says 5 % where neither run is better, over 400 draws of 30 videos.

    Half the videos are all won or all lost by one run; of the others nothing changes.
    """
    random, found = np.random.default_rng(7), 0
    for _ in range(400):
        sides = random.choice([-1.0, 0.0, 0.0, 1.0], size=30)
        values = np.repeat(sides, each)
        found += test(values, np.repeat(np.arange(30), each)) < 0.05
    return found / 400


def exact(values, videos) -> float:
    return mcnemar_exact(int((values > 0).sum()), int((values < 0).sum()))


def clustered(values, videos) -> float:
    p = difference_p_value(list(values), list(videos))
    assert p is not None
    return p


def test_of_dependent_questions_mcnemar_cries_wolf_and_the_clustered_test_does_not() -> None:
    assert false_alarms(1, exact) <= 0.05 and false_alarms(1, clustered) <= 0.06
    assert false_alarms(8, exact) > 0.4
    assert false_alarms(8, clustered) <= 0.075  # 0.05 and three standard errors of 400 draws


def test_the_clustered_test_sees_what_is_there() -> None:
    random = np.random.default_rng(3)
    sides = random.choice([-1.0, 0.0, 1.0, 1.0, 1.0], size=(200, 40))
    videos = list(range(40))
    assert np.mean([clustered(row, videos) < 0.05 for row in sides]) > 0.7
