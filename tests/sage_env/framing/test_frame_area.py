"""Laws of `sage_env.framing.frame_area`: the largest picture that a budget of pixels allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.framing.frame_area import MULTIPLE, frame_limits, size_within
from sage_env.picture_geometry import fitted

sides = st.integers(1, 3000)
budgets = st.integers(MULTIPLE * MULTIPLE, 400_000)
frames = st.tuples(st.integers(MULTIPLE, 600), st.integers(MULTIPLE, 600))


@pytest.mark.parametrize(
    ("shape", "expected", "picture"),
    [
        # 224 x 224 = 50176 pixels are 49 squares of 32. Rows x columns of squares, by hand:
        ((1080, 1920), (160, 288), (160, 284)),  # 5 x 9 = 45; 4 x 12 is 128 high, 6 x 8 256 wide
        ((1920, 1080), (288, 160), (284, 160)),
        ((500, 500), (224, 224), (224, 224)),  # 7 x 7 = 49
        ((480, 640), (192, 256), (192, 256)),  # 6 x 8 = 48, and 3:4 exactly
        ((100, 1000), (64, 384), (38, 384)),  # 10:1 is bounded by the frame, not by the budget
    ],
)
def test_sizes_by_hand(shape, expected, picture):
    size, pixels = frame_limits(None, 224 * 224, (64, 64))
    assert (size, pixels) == ((384, 384), 50176)  # 1.5 * 224 = 336, up to whole 64s
    assert size_within(pixels, size, *shape) == expected
    assert fitted(*shape, expected) == picture


@given(budgets, frames, sides, sides)
def test_no_other_size_in_the_budget_has_a_larger_picture(pixels, frame, height, width):
    found = size_within(pixels, frame, height, width)
    assert found[0] % MULTIPLE == found[1] % MULTIPLE == 0
    assert found[0] * found[1] <= pixels
    assert found[0] <= frame[0] and found[1] <= frame[1]

    def area(size):
        tall, wide = fitted(height, width, size)
        return tall * wide

    steps = [range(MULTIPLE, side + 1, MULTIPLE) for side in frame]
    others = [(h, w) for h in steps[0] for w in steps[1] if h * w <= pixels]
    assert area(found) == max(area(size) for size in others)
    # and none of its rows or columns of squares is without picture
    tall, wide = fitted(height, width, found)
    assert found[0] - tall < MULTIPLE and found[1] - wide < MULTIPLE


def test_without_a_budget_the_size_is_the_one_that_was_named_or_suggested():
    assert frame_limits((48, 64), None, (64, 64)) == ((48, 64), None)
    assert frame_limits(None, None, (64, 96)) == ((64, 96), None)
    assert frame_limits(None, None, None) == ((224, 224), None)
    assert frame_limits((224, 448), 50_176, (64, 64)) == ((224, 448), 50_176)


@pytest.mark.parametrize(
    ("size", "pixels", "told"),
    [
        (None, 1023, "frame_pixels must be a whole number >= 1024, got 1023"),
        (None, 2000.5, "frame_pixels must be a whole number"),
        ((224, 224), 50_176, r"smaller than frame_size.*\(224, 224\) of 50176 pixels: leave one"),
        ((31, 4000), 1024, "at least 32 pixels on each side"),
        ((0, 64), 1024, "frame_size must be a whole number >= 1"),
    ],
)
def test_a_budget_that_limits_nothing_or_allows_nothing_is_refused(size, pixels, told):
    with pytest.raises(ValueError, match=told):
        frame_limits(size, pixels, None)
