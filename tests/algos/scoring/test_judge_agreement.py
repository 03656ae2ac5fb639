"""Laws of `algos.scoring.judge_agreement`: figures of agreement, worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.scoring.judge_agreement import agreement, cohen_kappa, krippendorff_alpha, majority

T, F, N = True, False, None


def test_kappa_by_hand() -> None:
    """Both right on 4, both wrong on 3, only the first right on 2, only the second on 1."""
    first = [T] * 4 + [F] * 3 + [T] * 2 + [F]
    second = [T] * 4 + [F] * 3 + [F] * 2 + [T]
    assert cohen_kappa(first, second) == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert cohen_kappa([*first, N, T], [*second, T, N]) == pytest.approx(0.4)
    assert cohen_kappa([T, F], [F, T]) == pytest.approx(-1.0)
    assert cohen_kappa([T, T], [T, T]) is None and cohen_kappa([N], [T]) is None


def test_alpha_by_hand() -> None:
    """Four answers, two judges: 3 right and 5 wrong verdicts, one pair apart.

    Observed 2 / 8, expected 2 * 3 * 5 / (8 * 7) = 30 / 56: alpha = 1 - 0.25 * 56 / 30.
    """
    rows = [(T, T), (T, F), (F, F), (F, F)]
    assert krippendorff_alpha(rows) == pytest.approx(1 - 0.25 * 56 / 30)
    assert krippendorff_alpha([*rows, (T, N), (N, N)]) == pytest.approx(1 - 0.25 * 56 / 30)
    assert krippendorff_alpha([(T, T), (T, T)]) is None and krippendorff_alpha([]) is None


def test_alpha_of_three_judges_with_gaps_by_hand() -> None:
    """Units TTF (pairs apart 4 of 6, over 2), FF, TFn: n = 7, 3 T and 4 F.

    Observed (4 / 2 + 2 / 1) / 7 = 4 / 7, expected 2 * 3 * 4 / (7 * 6) = 24 / 42 = 4 / 7: 0.
    """
    assert krippendorff_alpha([(T, T, F), (F, F, N), (T, F, N)]) == pytest.approx(0.0)


@given(st.lists(st.tuples(*[st.sampled_from([T, F, N])] * 3), max_size=12))
def test_judges_have_no_order_and_perfect_agreement_is_one(rows) -> None:
    alpha = krippendorff_alpha(rows)
    assert alpha == pytest.approx(krippendorff_alpha([row[::-1] for row in rows]))
    flipped = [[None if v is None else not v for v in row] for row in rows]
    assert alpha == pytest.approx(krippendorff_alpha(flipped))
    same = krippendorff_alpha([(row[0], row[0]) for row in rows])
    assert same is None or same == pytest.approx(1.0)
    first, second, _ = zip(*rows, strict=True) if rows else ((), (), ())
    assert cohen_kappa(first, second) == pytest.approx(cohen_kappa(second, first))


def test_the_majority_is_of_those_who_judged_and_a_draw_decides_nothing() -> None:
    assert majority([T, F, T]) is True and majority([F, N]) is False
    assert majority([T, F]) is None and majority([N, N]) is None and majority([]) is None
    assert majority([F, F, T, N]) is False


def test_a_table_of_agreement() -> None:
    found = agreement({"a": (T, T), "b": (T, F), "c": (F, F), "d": (N, F)}, ["x", "y"])
    assert (found.answers, found.unjudged, found.disputed) == (4, (1, 0), ("b",))
    assert found.right == (pytest.approx(2 / 3), 0.25)
    (pair,) = found.pairs
    assert (pair.first, pair.second, pair.answers) == ("x", "y", 3)
    assert pair.same == pytest.approx(2 / 3)
    assert pair.kappa == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9))  # 2/3 * 1/3 + 1/3 * 2/3
    assert len(agreement({"a": (T, T, F)}, ["x", "y", "z"]).pairs) == 3
    assert agreement({}, ["x", "y"]).pairs[0].same is None
