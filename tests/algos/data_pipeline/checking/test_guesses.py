"""Laws of `algos.data_pipeline.checking.guesses`: what chance can do, by hand and by counting."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.data_pipeline.checking.guesses import (
    answered,
    chance_of,
    least_right,
    right_by_chance,
    tries_needed,
)


def test_chances_by_hand() -> None:
    assert chance_of(("a", "b", "c", "d")) == 0.25 and chance_of(()) == 0.0
    assert right_by_chance(2, 2, 0.5) == 0.25
    assert right_by_chance(1, 2, 0.5) == 0.75
    assert right_by_chance(3, 4, 0.25) == (4 * 3 + 1) / 256
    assert right_by_chance(0, 5, 0.3) == pytest.approx(1.0)
    assert right_by_chance(1, 9, 0.0) == 0.0


@given(st.integers(1, 6), st.integers(2, 4))
def test_the_tail_is_the_share_of_all_guesses(tries, choices) -> None:
    every = list(product(range(choices), repeat=tries))  # the first choice is right
    for right in range(tries + 1):
        share = sum(guess.count(0) >= right for guess in every) / len(every)
        assert right_by_chance(right, tries, 1 / choices) == pytest.approx(share)


def test_a_chance_of_just_the_level_is_rare_enough() -> None:
    assert least_right(3, 0.5, 0.5, 0.5) == 2  # two or three of three: 4/8
    assert least_right(3, 0.5, 0.499, 0.5) == 3
    assert least_right(4, 0.0, 0.05, 0.5) == 2 and least_right(5, 0.0, 0.05, 0.6) == 3


def test_tries_by_hand() -> None:
    assert tries_needed(3, 0.25, 0.05) == 3  # 1/64
    assert tries_needed(2, 0.25, 0.05) == 3  # 1/16 is too likely
    assert tries_needed(3, 0.5, 0.05) == 5  # 1/16 at 4, 1/32 at 5
    assert tries_needed(3, 0.5, 1 / 32) == 5, "exactly"
    assert tries_needed(3, 0.0, 0.05) == 3


@given(st.integers(1, 12), st.sampled_from([0.0, 0.2, 0.25, 1 / 3, 0.5]), st.floats(0.001, 0.3))
def test_what_counts_as_an_answer_is_rare_among_guesses_and_no_stricter(tries, chance, level):
    count = tries_needed(tries, chance, level)
    least = least_right(count, chance, level, 0.5)
    assert right_by_chance(least, count, chance) <= level * (1 + 1e-9)
    assert least >= count / 2
    fewer = least - 1
    assert fewer < count / 2 or right_by_chance(fewer, count, chance) > level


@given(st.integers(1, 8), st.data())
def test_a_verdict_is_given_just_when_the_missing_tries_cannot_change_it(tries, data) -> None:
    least = data.draw(st.integers(1, tries))
    right = data.draw(st.integers(0, tries))
    wrong = data.draw(st.integers(0, tries - right))
    missing = tries - right - wrong
    ends = {answered(right + k, wrong + missing - k, tries, least) for k in range(missing + 1)}
    assert None not in ends
    assert answered(right, wrong, tries, least) == (ends.pop() if len(ends) == 1 else None)
