"""Laws of `algos.evaluation.cluster_intervals`, `quantiles`, `over_seeds`: intervals that hold."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.evaluation.cluster_intervals import (
    MIN_CLUSTERS,
    MIN_SEEDS,
    difference_interval,
    interval_of_parts,
    proportion_interval,
    seeds_interval,
)
from algos.evaluation.over_seeds import difference_over_seeds
from algos.evaluation.quantiles import beta_quantile, incomplete_beta, student_t_quantile
from algos.evaluation.row_results import EpisodeResult


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.7062047), (2, 4.3026527), (4, 2.7764451), (10, 2.2281389), (41, 2.0195410),
     (1e6, 1.9599664)],
)  # fmt: skip
def test_quantiles_of_student_are_those_of_the_tables(freedom, quantile) -> None:
    assert student_t_quantile(0.975, freedom) == pytest.approx(quantile, rel=1e-6)


def test_the_incomplete_beta_function_by_hand() -> None:
    for x in (0.0, 0.1, 0.5, 0.9, 1.0):
        assert incomplete_beta(1, 1, x) == pytest.approx(x)
        assert incomplete_beta(2, 1, x) == pytest.approx(x * x)
        assert incomplete_beta(1, 3, x) == pytest.approx(1 - (1 - x) ** 3)
        # 5 or more heads of 8: the sum of the binomial's terms
        terms = [math.comb(8, k) * x**k * (1 - x) ** (8 - k) for k in range(5, 9)]
        assert incomplete_beta(5, 4, x) == pytest.approx(sum(terms))


@given(st.floats(0.001, 0.999), st.floats(0.3, 3000), st.floats(0.3, 3000))
def test_a_quantile_of_beta_has_its_share_below_it(share, a, b) -> None:
    assert incomplete_beta(a, b, beta_quantile(share, a, b)) == pytest.approx(share, abs=1e-4)


def test_none_of_twenty_is_not_certainly_none() -> None:
    videos = [f"v{k}" for k in range(20)]
    low, high = proportion_interval([0.0] * 20, videos)
    assert low == 0.0 and high == pytest.approx(1 - 0.025 ** (1 / 20))  # Clopper-Pearson, 0 of 20
    assert proportion_interval([1.0] * 20, videos) == pytest.approx((0.025 ** (1 / 20), 1.0))
    low, high = difference_interval([0.0] * 20, videos)
    assert low == -high and high == pytest.approx(student_t_quantile(0.975, 19) * 2 / 20)
    # more questions about videos that all agree say nothing about other videos
    assert proportion_interval([0.0] * 200, videos * 10)[1] == pytest.approx(1 - 0.025 ** (1 / 20))


def test_independent_questions_have_nearly_the_interval_of_clopper_and_pearson() -> None:
    values = [1.0] * 300 + [0.0] * 100
    low, high = proportion_interval(values, list(range(400)))
    assert (low, high) == pytest.approx((0.7046, 0.7917), abs=2e-3)  # 300 of 400, from tables


def test_intervals_are_of_videos_and_not_of_questions() -> None:
    rng = np.random.default_rng(0)
    verdicts = np.repeat(rng.random(25) < 0.5, 16).astype(float)  # all questions of a video agree
    videos = np.repeat(np.arange(25), 16).tolist()
    for interval in (proportion_interval, difference_interval):
        low, high = interval(verdicts.tolist(), videos)
        one, other = interval(verdicts.tolist(), list(range(400)))
        assert high - low == pytest.approx(4 * (other - one), rel=0.2)
        assert low < verdicts.mean() < high


def test_the_variance_is_the_jackknifes_by_hand() -> None:
    values, videos = [1, 0, 1, 0, 0, 1, 0], ["a", "a", "b", "c", "d", "e", "e"]
    without = np.array([2 / 5, 2 / 6, 3 / 6, 3 / 6, 2 / 5])
    half = (4 / 5 * ((without - without.mean()) ** 2).sum() + 4 / 49) ** 0.5 * 2.7764451
    ends = (3 / 7 - half, 1.0)
    assert 3 / 7 + half > 1.0, "a difference of shares is at most 1"
    assert difference_interval(values, videos) == pytest.approx(ends)
    assert interval_of_parts(3 / 7, without, 7) == pytest.approx(ends)


def test_few_clusters_or_seeds_have_none() -> None:
    few, enough = range(MIN_CLUSTERS - 1), range(MIN_CLUSTERS)
    for interval in (proportion_interval, difference_interval):
        assert interval([], []) is None
        assert interval([1.0] * 8, list(few) * 2) is None
        assert interval([1.0] * 10, list(enough) * 2) is not None
    videos = list(enough) * MIN_SEEDS
    seeds = np.repeat(range(MIN_SEEDS), MIN_CLUSTERS).tolist()
    assert seeds_interval([0.0] * len(videos), videos, seeds) is not None
    assert seeds_interval([0.0] * len(videos), videos, [s % 2 for s in seeds]) is None
    assert seeds_interval([0.0] * len(videos), [v % 4 for v in videos], seeds) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=5, max_size=60))
def test_an_interval_holds_its_mean_and_depends_on_no_name_or_order(drawn) -> None:
    values, videos = [float(v) for v, _ in drawn], [k for _, k in drawn]
    if len(set(videos)) < MIN_CLUSTERS:
        return
    mean = sum(values) / len(values)
    low, high = proportion_interval(values, videos)
    assert 0 <= low <= mean + 1e-9 and mean - 1e-9 <= high <= 1 and low < high
    other = proportion_interval(values[::-1], [f"video {k}" for k in videos[::-1]])
    assert (low, high) == pytest.approx(other)


def simulated(rng, count, plus, minus, alike):
    """Return the sizes of some videos and their won and lost questions."""
    sizes = rng.integers(3, 12, count)

    def shares(p):
        if p == 0 or alike == 0:
            return np.full(count, p)
        return rng.beta(p * (1 / alike - 1), (1 - p) * (1 / alike - 1), count)

    won, lost = shares(plus), shares(minus)
    total = np.maximum(won + lost, 1.0)
    rest = np.maximum(0.0, 1 - (won + lost) / total)
    drawn = [
        rng.multinomial(n, [a, b, c])
        for n, a, b, c in zip(sizes, won / total, lost / total, rest, strict=True)
    ]
    videos = np.repeat(np.arange(count), sizes).tolist()
    values = [x for a, b, c in drawn for x in [1.0] * a + [-1.0] * b + [0.0] * c]
    return values, videos


# The share of all videos that the clusters stand for; how alike the questions of a video are.
@pytest.mark.parametrize(
    ("count", "right", "alike"),
    [(5, 0.75, 0.3), (6, 0.9, 0.3), (18, 0.75, 0.3), (18, 0.97, 0.3), (42, 0.5, 0.0),
     (42, 0.9, 0.3)],
)  # fmt: skip
def test_95_percent_of_the_intervals_of_an_accuracy_hold_it(count, right, alike) -> None:
    rng, held, trials = np.random.default_rng(5), 0, 250
    for _ in range(trials):
        values, videos = simulated(rng, count, right, 0.0, alike)
        low, high = proportion_interval(values, videos)
        held += low <= right <= high
    # 1,200 trials of each case give 93 % or more; 250 have a standard error of 1.6 points.
    assert held / trials >= 0.92


@pytest.mark.parametrize(
    ("count", "plus", "minus", "alike"),
    [(5, 0.2, 0.05, 0.3), (8, 0.1, 0.1, 0.3), (18, 0.2, 0.05, 0.3), (18, 0.01, 0.0, 0.3),
     (42, 0.01, 0.0, 0.3), (42, 0.2, 0.05, 0.3), (42, 0.1, 0.1, 0.0)],
)  # fmt: skip
def test_95_percent_of_the_intervals_of_a_difference_hold_it(count, plus, minus, alike) -> None:
    rng, held, trials = np.random.default_rng(count), 0, 300
    for _ in range(trials):
        values, videos = simulated(rng, count, plus, minus, alike)
        low, high = difference_interval(values, videos)
        held += low <= plus - minus <= high
    assert held / trials >= 0.925


@pytest.mark.parametrize(("runs", "apart"), [(3, 0.0), (3, 0.03), (5, 0.08)])
def test_95_percent_of_the_intervals_over_seeds_hold_the_gain_of_the_method(runs, apart) -> None:
    rng, held, narrow, trials = np.random.default_rng(runs), 0, 0, 200
    for _ in range(trials):
        of_video, of_seed = rng.normal(0, 0.1, 18), rng.normal(0, apart, runs)
        gain = np.clip(0.12 + of_video[None, :] + of_seed[:, None], -0.6, 0.6)
        won = rng.random((runs, 18, 6)) < np.clip(gain + 0.3, 0, 1)[..., None]
        lost = rng.random((runs, 18, 6)) < 0.3
        values = (won.astype(float) - lost).ravel().tolist()
        videos = np.tile(np.repeat(np.arange(18), 6), runs).tolist()
        seeds = np.repeat(np.arange(runs), 108).tolist()
        low, high = seeds_interval(values, videos, seeds)
        held += low <= 0.12 <= high
        one = difference_interval(values, list(zip(videos, seeds, strict=True)))
        narrow += one[1] - one[0] < high - low
    assert held / trials >= 0.93
    assert narrow / trials > 0.9, "cells taken as independent would promise too much"


def played(item, video, right):
    """Return the result of one question."""
    return EpisodeResult(item, video, 60.0, {}, right, 4, 1, None, None)


def test_a_difference_over_seeds_pairs_the_questions_of_each_seed() -> None:
    videos = [f"v{k}" for k in range(6)]
    before = [played(f"q{k}", video, k % 2 == 0) for k, video in enumerate(videos)]
    after = [played(f"q{k}", video, k < 5) for k, video in enumerate(videos)]
    found = difference_over_seeds([(after, before), (after[::-1], before), (before, before)])
    assert found.questions == 18 and found.mean == pytest.approx(2 * 2 / 18)
    assert found.interval is not None and found.interval[0] < found.mean < found.interval[1]
    assert difference_over_seeds([(after, before)]).interval is None
    assert difference_over_seeds([]).mean is None
    four = [replace(e, video=f"v{k % 4}") for k, e in enumerate(after)]
    assert difference_over_seeds([(four, before)] * 3).interval is None, "six questions, 4 videos"


def test_the_interval_of_an_accuracy_by_its_definition() -> None:
    """Korn and Graubard: Clopper-Pearson at the effective number, for fewer degrees of freedom."""
    values = [1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 1]
    videos = list("aabbbccdddeeff")
    number, mean = len(values), sum(values) / len(values)
    of = {v: [x for x, w in zip(values, videos, strict=True) if w != v] for v in "abcdef"}
    without = np.array([sum(rest) / len(rest) for rest in of.values()])
    variance = 5 / 6 * ((without - without.mean()) ** 2).sum()
    shrink = student_t_quantile(0.975, number - 1) / student_t_quantile(0.975, 5)
    effective = min(number, mean * (1 - mean) / variance) * shrink**2
    low, high = proportion_interval(values, videos)
    right, wrong = mean * effective, (1 - mean) * effective
    assert incomplete_beta(right, wrong + 1, low) == pytest.approx(0.025, abs=1e-6)
    assert incomplete_beta(right + 1, wrong, high) == pytest.approx(0.975, abs=1e-6)


def test_where_videos_differ_less_than_questions_there_are_no_more_of_them_than_there_are() -> None:
    """Every video has one of two right, but for the last: the jackknife alone would say more."""
    values, videos = [1, 0] * 7 + [1, 1], [k for k in range(8) for _ in range(2)]
    shrink = student_t_quantile(0.975, 15) / student_t_quantile(0.975, 7)
    effective = 16 * shrink**2
    low, _ = proportion_interval(values, videos)
    right, wrong = 9 / 16 * effective, 7 / 16 * effective
    assert incomplete_beta(right, wrong + 1, low) == pytest.approx(0.025, abs=1e-6)


def test_the_interval_over_seeds_by_its_definition() -> None:
    """Two ways of clustering (Cameron, Gelbach and Miller), and Satterthwaite's freedom."""
    rng = np.random.default_rng(3)
    count, runs, each = 6, 4, 10
    table = rng.choice([-1.0, 0.0, 1.0], (runs, count, each), p=[0.2, 0.4, 0.4])
    table[0] = np.minimum(table[0], 0)  # one seed is worse
    table[:, 1] = np.maximum(table[:, 1], 0)  # one video is better
    run, video = np.meshgrid(range(runs), range(count), indexing="ij")

    def jackknife(names) -> float:
        kept = [table[names != name].mean() for name in np.unique(names)]
        return (len(kept) - 1) / len(kept) * ((np.array(kept) - np.mean(kept)) ** 2).sum()

    of_videos, of_seeds = jackknife(video), jackknife(run)
    of_cells = jackknife(run * count + video)
    variance = max(of_videos, of_seeds, of_videos + of_seeds - of_cells)
    both = of_videos**2 / (count - 1) + of_seeds**2 / (runs - 1)
    freedom = (of_videos + of_seeds) ** 2 / both
    half = student_t_quantile(0.975, freedom) * (variance + 4 / (count * each) ** 2) ** 0.5
    mean = float(table.mean())
    names = np.repeat(video, each).tolist(), np.repeat(run, each).tolist()
    found = seeds_interval(table.ravel().tolist(), *names)
    assert found == pytest.approx((mean - half, mean + half))
    assert of_videos > 1e-4 and of_seeds > 1e-4 and -1 < mean - half and mean + half < 1
    mirrored = seeds_interval((-table).ravel().tolist(), *names)
    assert mirrored == pytest.approx((-mean - half, -mean + half))


@pytest.mark.parametrize(("count", "runs"), [(5, 3), (6, 9)])
def test_where_nothing_varies_the_fewer_of_seeds_and_videos_count(count, runs) -> None:
    videos = [k for _ in range(runs) for k in range(count) for _ in range(8)]
    seeds = [k for k in range(runs) for _ in range(count * 8)]
    low, high = seeds_interval([0.0] * len(videos), videos, seeds)
    half = student_t_quantile(0.975, min(count, runs) - 1) * 2 / (count * 8)
    assert (low, high) == pytest.approx((-half, half))


def test_a_difference_of_shares_is_at_least_minus_1_and_at_most_1() -> None:
    videos = list(range(5))
    assert difference_interval([1.0] * 5, videos)[1] == 1.0
    assert difference_interval([-1.0] * 5, videos)[0] == -1.0


def test_videos_that_are_all_alike_count_as_one_question_each() -> None:
    """Half of each video's questions are right: nothing varies, and not all is right or wrong."""
    values, videos = [1, 0] * 6, [k for k in range(6) for _ in range(2)]
    low, high = proportion_interval(values, videos)
    assert incomplete_beta(3, 4, low) == pytest.approx(0.025, abs=1e-6)  # 3 of 6
    assert (low, high) == pytest.approx((1 - high, 1 - low))


def test_less_than_one_right_answer_is_more_than_none() -> None:
    """At the effective number of episodes: 1 of 12, in 6 videos."""
    values, videos = [1] + [0] * 11, [k for k in range(6) for _ in range(2)]
    shrink = student_t_quantile(0.975, 11) / student_t_quantile(0.975, 5)
    without = np.array([0.0] + [0.1] * 5)
    variance = 5 / 6 * ((without - without.mean()) ** 2).sum()
    effective = min(12, 1 / 12 * 11 / 12 / variance) * shrink**2
    low, high = proportion_interval(values, videos)
    assert effective / 12 < 1 and 0 < low
    assert incomplete_beta(effective / 12, effective * 11 / 12 + 1, low) == pytest.approx(0.025)
    mirrored = proportion_interval([1 - v for v in values], videos)
    assert mirrored == pytest.approx((1 - high, 1 - low))
