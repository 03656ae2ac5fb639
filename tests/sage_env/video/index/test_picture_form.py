"""Laws of `sage_env.video.index.picture_form`: orientations, shapes of pixels, what is believed."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.video.index.picture_form import (
    MAX_ASPECT,
    PictureForm,
    orientation_of,
    sane_aspect,
)
from sage_env.video.index.stream import MAX_PIXELS
from tests.helpers.video.as_shown import EIGHT, ONE

# a b
# c d : letters where the orientation puts them.
SHOWN = {
    "upright": "ab/cd",
    "clockwise": "ca/db",
    "half": "dc/ba",
    "counter-clockwise": "bd/ac",
    "mirrored": "ba/dc",
    "upside-down-mirrored": "cd/ab",
    "transposed": "ac/bd",
    "anti-transposed": "db/ca",
}


def _matrix(a: float, b: float, c: float, d: float) -> np.ndarray:
    return np.array([a, b, 0, c, d, 0, 0, 0, 1 << 14], dtype=np.float64).astype(np.int32)


def _oriented(matrix: np.ndarray) -> str:
    letters = np.array([[97, 98], [99, 100]], dtype=np.uint8)
    turns, mirrored = orientation_of(matrix)
    rows = PictureForm(turns, mirrored).oriented(letters)
    return "/".join("".join(chr(letter) for letter in row) for row in rows)


@pytest.mark.parametrize("name", EIGHT)
def test_each_of_the_eight_orientations_by_hand(name):
    assert _oriented(_matrix(*(ONE * value for value in EIGHT[name]))) == SHOWN[name]


@given(
    st.sampled_from(sorted(EIGHT)),
    st.floats(-44, 44),
    st.floats(0.01, 100),
    st.floats(0.01, 100),
)
def test_an_angle_goes_to_the_nearest_quarter_turn_whatever_the_scales(name, angle, across, down):
    a, b, c, d = EIGHT[name]
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    turned = (a * cos - b * sin, a * sin + b * cos, c * cos - d * sin, c * sin + d * cos)
    scaled = (turned[0] * across, turned[1] * down, turned[2] * across, turned[3] * down)
    assert _oriented(_matrix(*(ONE * value for value in scaled))) == SHOWN[name]


@pytest.mark.parametrize(
    "flat", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 1), (-1, -1, -1, -1), (-2, 4, -1, 2)]
)
def test_a_matrix_that_flattens_the_picture_is_none(flat):
    assert orientation_of(_matrix(*(ONE * value for value in flat))) == (0, False)


@pytest.mark.parametrize(
    ("aspect", "turns", "stretched", "shown"),
    [
        (Fraction(1), 0, (64, 96), (64, 96)),
        (Fraction(1), 3, (64, 96), (96, 64)),
        (Fraction(4, 3), 0, (64, 128), (64, 128)),
        (Fraction(4, 3), 1, (64, 128), (128, 64)),
        (Fraction(3, 4), 2, (85, 96), (85, 96)),
        (Fraction(1, 2), 1, (128, 96), (96, 128)),
        (Fraction(64, 45), 0, (64, 137), (64, 137)),
    ],
)
def test_the_longer_side_of_a_pixel_grows_and_none_is_lost(aspect, turns, stretched, shown):
    form = PictureForm(turns, aspect=aspect)
    assert (form.stretched(64, 96), form.shown(64, 96)) == (stretched, shown)


@given(
    st.integers(1, 8192), st.integers(1, 8192), st.fractions(Fraction(1, MAX_ASPECT), MAX_ASPECT)
)
def test_a_stretched_picture_is_bounded_and_keeps_its_aspect(height, width, aspect):
    rows, columns = PictureForm(aspect=aspect).stretched(height, width)
    assert 0 < rows * columns <= max(MAX_PIXELS, height * width)
    if rows * columns < MAX_PIXELS * 0.9:
        assert (rows, columns) >= (height, width)
        assert abs(columns - rows * aspect * width / height) <= 1 + aspect * width / height
    else:
        wanted = aspect * width / height
        assert abs(columns / rows - wanted) < 0.01 * wanted or min(rows, columns) < 200


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        (None, 1),
        (Fraction(0), 1),
        (Fraction(-4, 3), 1),
        (Fraction(4, 3), Fraction(4, 3)),
        (Fraction(1, 16), Fraction(1, 16)),
        (Fraction(16), 16),
        (Fraction(1, 17), 1),
        (Fraction(1000), 1),
    ],
)
def test_a_shape_that_no_pixel_has_is_not_believed(said, taken):
    assert sane_aspect(said) == taken


FORMS = st.builds(
    PictureForm,
    st.integers(0, 3),
    st.booleans(),
    st.fractions(Fraction(1, MAX_ASPECT), MAX_ASPECT),
    st.booleans(),
)


@given(FORMS)
def test_a_form_comes_back_from_its_numbers(form):
    assert PictureForm.unpacked(form.packed()) == form


def test_numbers_that_are_no_form_are_refused():
    with pytest.raises(ValueError, match="height of a pixel"):
        PictureForm.unpacked([0, 0, 0, 1, 0])
