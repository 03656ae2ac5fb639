"""Laws of `sage_env.framing.picture_region`: bars are where letterboxing puts them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.framing.picture_region import (
    picture_regions,
    pictures,
    pictures_of_one_size,
    shown_regions,
    window,
)
from sage_env.picture_geometry import crop_bounds, fitted, letterbox

sides = st.integers(1, 90)


def white(height, width):
    return np.full((height, width, 3), 255, np.uint8)


def lit(frame):
    """The pixels of a frame that are not black, found by looking."""
    rows, columns = (np.flatnonzero(frame.any(axis=axis)) for axis in ((1, 2), (0, 2)))
    return [int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1]


@given(sides, sides, sides, sides)
def test_the_region_is_what_letterboxing_did_not_blacken(height, width, rows, columns):
    frame = letterbox(white(*fitted(height, width, (rows, columns))), (rows, columns))
    assert picture_regions(frame[None], (height, width), None).tolist() == [lit(frame)]


@given(sides, sides, st.sampled_from([(0.0, 0.0, 0.5, 1.0), (0.2, 0.4, 0.9, 0.5)]))
def test_the_region_of_a_zoom_has_the_shape_of_its_box(height, width, box):
    top, bottom, left, right = crop_bounds(box, height, width)
    frame = letterbox(white(*fitted(bottom - top, right - left, (60, 80))), (60, 80))
    assert picture_regions(frame[None], (height, width), box).tolist() == [lit(frame)]


def test_a_frame_that_is_lit_where_a_bar_should_be_is_all_picture():
    """Another shape in mid-stream, a reader that stretches, one that says a wrong size."""
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    frames[:, 2:6] = 9  # of 4 by 8 pixels: bars above and below
    frames[1, 1, 3, 2] = frames[2, 6, 0, 0] = frames[3, 7, 7, 1] = 1
    regions = picture_regions(frames, (40, 80), None)
    assert regions.tolist() == [[2, 6, 0, 8]] + [[0, 8, 0, 8]] * 3
    assert regions.dtype == np.int32
    tall = frames.transpose(0, 2, 1, 3)
    assert picture_regions(tall, (80, 40), None).tolist() == [[0, 8, 2, 6]] + [[0, 8, 0, 8]] * 3


def test_a_video_that_says_no_size_has_frames_without_bars():
    assert (
        picture_regions(np.zeros((2, 5, 7, 3), np.uint8), None, None).tolist() == [[0, 5, 0, 7]] * 2
    )
    assert picture_regions(np.zeros((0, 5, 7, 3), np.uint8), (1, 9), None).shape == (0, 4)


@pytest.mark.parametrize(
    ("region", "size", "multiple", "expected"),
    [
        # 16:9 in 224 x 224: 126 rows from 49 on become 128 from 48 on, 4 squares high, not 5
        ((49, 175, 0, 224), (224, 224), 32, (48, 176, 0, 224)),
        ((0, 224, 49, 175), (224, 224), 32, (0, 224, 48, 176)),
        ((64, 160, 0, 224), (224, 224), 32, (64, 160, 0, 224)),  # whole squares as it is
        ((0, 97, 5, 6), (224, 224), 32, (0, 128, 0, 32)),  # at the edge it cannot be in the middle
        ((191, 224, 223, 224), (224, 224), 32, (160, 224, 192, 224)),
        ((10, 60, 0, 100), (70, 100), 32, (3, 67, 0, 100)),  # 100 is no multiple: taken whole
        ((3, 4, 5, 6), (8, 8), 1, (3, 4, 5, 6)),
    ],
)
def test_windows_by_hand(region, size, multiple, expected):
    assert window(region, size, multiple) == expected


@given(st.data(), st.integers(1, 40))
def test_a_window_holds_the_region_in_the_fewest_squares(data, multiple):
    size = tuple(multiple * data.draw(st.integers(1, 6)) for _ in range(2))
    region = []
    for length in size:
        low = data.draw(st.integers(0, length - 1))
        region += [low, data.draw(st.integers(low + 1, length))]
    found = window(tuple(region), size, multiple)
    for low, high, first, last, length in zip(
        region[::2], region[1::2], found[::2], found[1::2], size, strict=True
    ):
        assert 0 <= first <= low < high <= last <= length
        assert (last - first) % multiple == 0 and last - first - (high - low) < multiple
        if 0 < first and last < length:
            assert -1 <= (last - high) - (low - first) <= 1  # in the middle


def shown(num_frames, regions):
    frames = np.arange(3 * 64 * 96 * 3, dtype=np.uint32).reshape(3, 64, 96, 3) % 251
    return {"frames": frames.astype(np.uint8), "num_frames": num_frames, "picture": regions}


def test_pictures_are_views_of_the_frames_that_are_shown():
    regions = np.array([[20, 44, 0, 96], [0, 64, 40, 50], [0, 0, 0, 0]], np.int32)
    observation = shown(2, regions)
    frames = observation["frames"]
    wide, tall = pictures(observation)
    assert np.shares_memory(wide, frames)
    assert np.array_equal(wide, frames[0, 16:48]) and np.array_equal(tall, frames[1, :, 29:61])
    wide, tall = pictures(observation, 1)
    assert np.array_equal(wide, frames[0, 20:44]) and np.array_equal(tall, frames[1, :, 40:50])
    assert pictures(shown(0, regions)) == []


def test_pictures_of_one_size_are_cut_to_the_region_around_all():
    regions = np.array([[20, 44, 10, 90], [5, 30, 40, 50], [0, 0, 0, 0]], np.int32)
    observation = shown(2, regions)
    both = pictures_of_one_size(observation)
    assert np.array_equal(both, observation["frames"][:2, 5:44, 10:90])
    assert pictures_of_one_size(shown(0, regions)).shape == (0, 64, 96, 3)


def test_an_observation_that_does_not_say_it_has_no_bars():
    observation = shown(2, None)
    del observation["picture"]
    assert shown_regions(observation).tolist() == [[0, 64, 0, 96]] * 2
    assert [np.array_equal(*each) for each in zip(pictures(observation), observation["frames"],
                                                  strict=False)] == [True] * 2  # fmt: skip
