"""Laws of `sage_env.picture_geometry`: at least a pixel, the picture's aspect, black bars."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.picture_geometry import crop_bounds, fitted, letterbox

sides = st.integers(1, 500)
ends = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda e: e[0] != e[1]).map(sorted)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 1, 1), (0, 4, 0, 10)),
        ((0.5, 0, 1, 0.5), (0, 2, 5, 10)),
        ((0.14, 0.3, 0.16, 0.31), (1, 2, 1, 2)),  # edges at 1.4 and 1.6, 1.2 and 1.24
        ((0.99, 0.99, 1, 1), (3, 4, 9, 10)),  # thinner than a pixel, at the end
    ],
)
def test_the_pixels_of_a_box_by_hand(box, expected):
    assert crop_bounds(box, 4, 10) == expected


@given(ends, ends, sides, sides)
def test_a_box_is_at_least_a_pixel_inside_the_picture(across, down, height, width):
    box = (across[0], down[0], across[1], down[1])
    top, bottom, left, right = crop_bounds(box, height, width)
    assert 0 <= top < bottom <= height and 0 <= left < right <= width
    assert bottom - top <= (down[1] - down[0]) * height + 1.5


@pytest.mark.parametrize("box", [(0, 0, 0, 1), (0.5, 0, 0.4, 1), (-0.1, 0, 1, 1), (0, 0, 1, 1.1)])
def test_a_box_outside_the_picture_is_refused(box):
    with pytest.raises(ValueError, match="box must be"):
        crop_bounds(box, 4, 10)


@given(sides, sides, st.tuples(sides, sides))
def test_a_fitted_picture_touches_two_sides_and_keeps_its_aspect(height, width, size):
    rows, columns = fitted(height, width, size)
    assert 1 <= rows <= size[0] and 1 <= columns <= size[1]
    assert rows == size[0] or columns == size[1]
    scale = min(size[0] / height, size[1] / width)
    assert abs(rows - max(1, height * scale)) <= 0.5 + 1e-9
    assert abs(columns - max(1, width * scale)) <= 0.5 + 1e-9


def test_an_odd_row_of_a_letterbox_goes_below():
    picture = np.full((2, 3, 3), 7, np.uint8)
    framed = letterbox(picture, (5, 3))
    assert framed[:, 0, 0].tolist() == [0, 7, 7, 0, 0]
    assert letterbox(picture, (2, 3)) is picture
    assert letterbox(picture, (2, 6))[0, :, 0].tolist() == [0, 7, 7, 7, 0, 0]
