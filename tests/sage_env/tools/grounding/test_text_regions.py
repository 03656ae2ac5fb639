"""Laws of `sage_env.tools.grounding.text_regions`: a line of text is one box."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sage_env.tools.grounding.text_regions import _components, text_boxes


def slow_components(mask):
    """Return the bounds of the connected parts, by filling from each pixel."""
    left, bounds = {(int(r), int(c)) for r, c in np.argwhere(mask)}, set()
    while left:
        part = [left.pop()]
        for r, c in part:
            near = {(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            part += near
        rows, columns = zip(*part, strict=True)
        bounds.add((min(rows), max(rows) + 1, min(columns), max(columns) + 1))
    return bounds


@given(arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 11))))
def test_parts_are_those_that_a_flood_fills(mask) -> None:
    assert set(_components(mask)) == slow_components(mask)


def test_a_box_is_grown_by_area_over_perimeter_and_stays_in_the_picture() -> None:
    likely = np.zeros((40, 60), np.float32)
    likely[10:14, 20:36] = 0.9  # 4 x 16: 64 * 1.6 / 40 = 2.56, rounded 3
    assert text_boxes(likely).tolist() == [[7, 17, 17, 39]]
    likely = np.zeros((40, 60), np.float32)
    likely[0:4, 44:60] = 0.9
    assert text_boxes(likely).tolist() == [[0, 7, 41, 60]]


def test_boxes_come_in_reading_order() -> None:
    likely = np.zeros((60, 90), np.float32)
    likely[31:36, 5:25] = likely[12:17, 50:80] = likely[10:15, 5:40] = 0.8
    assert [box[2:] for box in text_boxes(likely).tolist()] == [[1, 44], [47, 83], [2, 28]]


def test_what_is_faint_or_small_is_no_text() -> None:
    likely = np.zeros((30, 60), np.float32)
    likely[5:10, 5:25] = 0.45
    likely[20:22, 5:25] = 0.9
    assert text_boxes(likely).shape == (0, 4)
