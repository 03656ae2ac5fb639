"""Laws of `sage_env.video.index.edit_list`: the worked example; other kinds of list refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from sage_env.video.index.edit_list import apply_edit_list
from sage_env.video.index.mp4_boxes import UnsupportedLayout

MOVIE, TRACK = 600, 1000  # ticks per second
TIMES = np.array([0, 40, 120, 80])  # in decode order


def elst(*entries: tuple[int, int, int], version: int = 0) -> memoryview:
    """Return an `elst` box's content; an entry is duration, media time, whole part of the rate."""
    form = ">QqhH" if version else ">IihH"
    rows = b"".join(struct.pack(form, *entry, 0) for entry in entries)
    return memoryview(struct.pack(">B3xI", version, len(entries)) + rows)


@pytest.mark.parametrize("version", [0, 1])
def test_a_wait_and_a_stretch_as_worked_by_hand(version):
    box = elst((300, -1, 1), (1200, 40, 1), version=version)
    pts, shown = apply_edit_list(TIMES, [box], MOVIE, TRACK)
    assert pts.tolist() == [460, 500, 580, 540]
    assert shown.tolist() == [False, True, True, True]


def test_the_first_shown_sample_comes_first_even_if_the_edit_starts_between_two():
    pts, shown = apply_edit_list(TIMES, [elst((1200, 41, 1))], MOVIE, TRACK)
    assert pts[shown].tolist() == [40, 0] and shown.tolist() == [False, False, True, True]


def test_the_end_of_an_edit_is_exclusive_and_in_ticks_of_the_movie():
    _, shown = apply_edit_list(TIMES, [elst((48, 40, 1))], MOVIE, TRACK)  # 80 ticks of the track
    assert shown.tolist() == [False, True, False, True]


def test_without_a_list_everything_is_shown_as_it_is():
    pts, shown = apply_edit_list(TIMES, [], MOVIE, TRACK)
    assert pts.tolist() == TIMES.tolist() and shown.all()


@pytest.mark.parametrize(
    "entries",
    [
        [(10, 0, 1), (10, 40, 1)],  # two stretches
        [(10, -1, 1), (10, 0, 1), (10, 40, 1)],
        [(10, -1, 1)],  # a wait for nothing
        [(10, 0, 2)],  # twice as fast
        [(10, 500, 1)],  # nothing is left
        [],
    ],
)
def test_other_lists_are_left_to_ffmpeg(entries):
    with pytest.raises(UnsupportedLayout):
        apply_edit_list(TIMES, [elst(*entries)], MOVIE, TRACK)
