"""Laws of `benchmarks.frame_access.frame_code`.

The drawn number survives what readers do to pictures, and damage does not go unnoticed.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.frame_access.frame_code import BITS, COLUMNS, ROWS, SHARE, draw_code, read_code


def drawn(number: int, height: int = 180, width: int = 320) -> np.ndarray:
    luma = np.full((height, width), 128, dtype=np.uint8)
    draw_code(luma, number)
    return np.repeat(luma[:, :, None], 3, axis=2)


@given(
    number=st.integers(0, 2**BITS - 1),
    size=st.sampled_from([(180, 320), (360, 640), (224, 398), (720, 1280)]),
)
def test_a_number_is_read_back_at_any_size(number, size):
    picture = np.asarray(Image.fromarray(drawn(number)).resize(size[::-1]))
    assert read_code(picture) == number


@given(
    number=st.integers(0, 2**BITS - 1),
    block=st.integers(0, ROWS * COLUMNS - 1),
    grey=st.booleans(),
)
def test_a_block_that_is_wrong_or_grey_is_noticed(number, block, grey):
    picture = drawn(number)
    row, column = divmod(block, COLUMNS)
    tall, wide = picture.shape[0] // SHARE // ROWS, picture.shape[1] / COLUMNS
    top = picture.shape[0] - (ROWS - row) * tall
    damaged = picture[top : top + tall, int(column * wide) + 1 : int((column + 1) * wide)]
    damaged[:] = 128 if grey else 255 - damaged
    assert read_code(picture) is None


@given(number=st.integers(0, 2**BITS - 2))
def test_next_frames_differ_in_few_blocks(number):
    changed = drawn(number) != drawn(number + 1)
    blocks = changed[:, :, 0].sum() / (180 // SHARE // ROWS * 320 / COLUMNS)
    assert blocks < 2.2  # one bit of the Gray code, one check bit


def test_a_blank_picture_has_no_number():
    assert read_code(np.full((180, 320, 3), 128, dtype=np.uint8)) is None


@pytest.mark.parametrize("number", [-1, 2**BITS])
def test_numbers_that_do_not_fit_are_refused(number):
    with pytest.raises(ValueError, match=rf"number must be in \[0, {2**BITS}\), got {number}"):
        drawn(number)
