"""Laws of `sage_env.argument_checks`: what is a number, and what an environment is made with."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from sage_env.argument_checks import (
    is_finite,
    is_number,
    is_whole,
    picture_size,
    tolerance_seconds,
    whole_number,
)

CASES = [  # value, number, whole, finite
    (1, True, True, True),
    (2.0, True, False, True),
    (np.int64(3), True, True, True),
    (np.float32(0.5), True, False, True),
    (Fraction(1, 3), True, False, True),
    (10**400, True, True, False),  # beyond the floats
    (math.inf, True, False, False),
    (math.nan, True, False, False),
    (True, False, False, False),
    (np.bool_(True), False, False, False),
    ("1", False, False, False),
    (1j, False, False, False),
    (Decimal(1), False, False, False),
    (None, False, False, False),
]


@pytest.mark.parametrize(("value", "number", "whole", "finite"), CASES)
def test_what_is_a_number(value, number, whole, finite):
    assert (is_number(value), is_whole(value), is_finite(value)) == (number, whole, finite)


@pytest.mark.parametrize("value", [-1, 9, 2.0, True, "2", None])
def test_whole_numbers_outside_their_limits_are_named(value):
    with pytest.raises(ValueError, match="turns must be a whole number from 0 to 8, got "):
        whole_number("turns", value, 0, 8)


def test_whole_numbers_within_them_become_ints():
    assert [whole_number("turns", n, 0, 8) for n in (0, np.int64(8))] == [0, 8]
    assert type(whole_number("turns", np.int64(8), 0)) is int


def test_sizes_and_tolerances():
    assert picture_size([2, np.int64(3)]) == (2, 3)
    assert tolerance_seconds("t", "auto") == "auto" and tolerance_seconds("t", 1) == 1.0
    for size in ((2,), (2, 0), (2.0, 3), (2, 3, 3)):
        with pytest.raises(ValueError, match="frame_size must be"):
            picture_size(size)
    for value in (-0.1, math.nan, math.inf, "wide", None):
        with pytest.raises(ValueError, match='t must be seconds, 0 or more, or "auto"'):
            tolerance_seconds("t", value)
