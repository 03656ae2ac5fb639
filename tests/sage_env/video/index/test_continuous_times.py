"""Laws of `sage_env.video.index.continuous_times`: times that start again go on, others stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.video.index.continuous_times import (
    LARGEST_TIME,
    MPEG_CLOCK,
    NO_DTS,
    ContradictingTimes,
    PacketTimes,
    continuous_times,
)


def times_of(pts, dts=None, keys=(0,), duration=1):
    """Return packets that last one tick each; without DTS they are decoded as they are shown."""
    number = np.arange(len(pts))
    return PacketTimes(
        np.array(pts, dtype=np.int64),
        np.array(pts if dts is None else dts, dtype=np.int64),
        np.full(len(pts), duration, dtype=np.int64),
        np.isin(number, keys),
        number >= 0,
    )


def continued(*arguments, **others):
    found = continuous_times(*arguments, **others)
    return found.pts.tolist(), found.joints


def test_a_second_part_goes_on_where_the_first_ends():
    times = times_of([0, 1, 2, 1, 3, 2], [0, 1, 2, 0, 1, 2], keys=(0, 3))
    assert continued(times) == ([0, 1, 2, 3, 5, 4], (3,))


def test_a_frame_of_the_first_part_is_shown_for_its_duration_or_the_usual_distance():
    assert continued(times_of([0, 5, 10, 0, 5], keys=(0, 3), duration=7))[0] == [0, 5, 10, 17, 22]
    assert continued(times_of([0, 5, 10, 0, 5], keys=(0, 3), duration=0))[0] == [0, 5, 10, 15, 20]


def test_leading_pictures_of_an_open_gop_are_no_second_part():
    pts, dts = [0, 2, 1, 5, 3, 4, 6], [-1, 0, 1, 2, 3, 4, 5]
    assert continued(times_of(pts, dts, keys=(0, 3))) == (pts, ())


def test_a_gap_is_a_gap():
    times = times_of([0, 1, 10**9, 10**9 + 1], keys=(0, 2))
    assert continued(times) == ([0, 1, 10**9, 10**9 + 1], ())


def test_keyframes_that_are_marked_so_by_mistake_begin_no_part():
    pts, dts = [0, 3, 1, 2, 6, 4, 5], [-2, -1, 0, 1, 2, 3, 4]
    assert continued(times_of(pts, dts, keys=range(7))) == (pts, ())


@given(
    st.integers(0, MPEG_CLOCK - 1),
    st.lists(st.integers(1, MPEG_CLOCK // 4), min_size=1, max_size=20),
)
def test_a_clock_that_wraps_goes_on(start, steps):
    true = start + np.concatenate([[0], np.cumsum(steps)])
    times = times_of(true % MPEG_CLOCK)
    found, joints = continued(times, MPEG_CLOCK)
    assert joints == () and (np.diff(found) == steps).all()


def test_a_wrap_between_decoding_and_showing_goes_on():
    dts = np.arange(6) * 10 + MPEG_CLOCK - 25
    pts = dts + np.array([10, 30, 0, 0, 30, 0])
    times = times_of(pts % MPEG_CLOCK, dts % MPEG_CLOCK)
    assert continued(times, MPEG_CLOCK) == (pts.tolist(), ())


def test_a_leap_of_nearly_a_whole_clock_is_a_step_back():
    hour = 90_000 * 3600
    raw = [hour, hour + 1, 0, 1]  # FFmpeg takes the second part for the clock's next turn
    times = times_of([hour, hour + 1, MPEG_CLOCK, MPEG_CLOCK + 1], keys=(0, 2))
    assert continued(times, MPEG_CLOCK) == continued(times_of(raw, keys=(0, 2)))
    assert continued(times, MPEG_CLOCK)[0] == [hour, hour + 1, hour + 2, hour + 3]


@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.integers(0, 3), st.integers(0, 50), st.integers(1, 9)),
        min_size=1,
        max_size=5,
    )
)
def test_any_parts_follow_each_other_with_their_own_distances(parts):
    """Each part: frames, frames decoded behind each anchor, ticks to step back, distance."""
    pts, dts, keys, expected = [], [], [], []
    first, end = 100, None
    for frames, reordered, back, distance in parts:
        first -= back
        shown = [first + distance * place for place in decode_order(frames, reordered)]
        start = first if end is None else end
        expected += [time - first + start for time in shown]
        end = max(expected) + 1
        keys.append(len(pts))
        pts += shown
        dts += [time - 27 for time in sorted(shown)]
    assert continued(times_of(pts, dts, keys)) == (expected, tuple(keys[1:]))


def decode_order(frames, reordered):
    """Return places by presentation in the order of decoding: an anchor, then those before it."""
    order, at = [0], 1
    while at < frames:
        anchor = min(at + reordered, frames - 1)
        order += [anchor, *range(at, anchor)]
        at = anchor + 1
    return order


def test_a_step_back_without_a_keyframe_is_refused():
    back = [*range(60), *range(35, 85)]  # a second of 25 frames
    with pytest.raises(ContradictingTimes) as raised:
        continuous_times(times_of(back))
    assert 55 <= raised.value.packet <= 65


@pytest.mark.parametrize("time", [LARGEST_TIME + 1, -(2**62), 2**63 - 1])
def test_times_beyond_belief_are_refused(time):
    for times in (times_of([0, time]), times_of([0, 1], [0, time])):
        with pytest.raises(ContradictingTimes) as raised:
            continuous_times(times)
        assert raised.value.packet == 1


def test_hidden_packets_may_share_times():
    pts = [0, 1, 2, 3, 4, 0, 1, 5]
    times = times_of(pts, [0, 1, 2, 3, 4, 5, 6, 7])
    with pytest.raises(ContradictingTimes):
        continuous_times(times)
    hidden = times._replace(shown=np.array([True] * 5 + [False] * 2 + [True]))
    assert continued(hidden) == (pts, ())


def test_an_anchor_that_ffmpeg_shows_before_its_b_pictures_is_shown_after_them():
    guessed = times_of([4, 4, 5, 9, 7, 8], [3, 4, 5, 6, 7, 8])
    assert continued(guessed, MPEG_CLOCK, anchors=True)[0] == [6, 4, 5, 9, 7, 8]
    assert continued(guessed, MPEG_CLOCK)[0] == [4, 4, 5, 9, 7, 8]
    last = times_of([3, 7, 7, 8], [2, 3, 7, 8])  # nothing is decoded after the last B picture
    assert continued(last, MPEG_CLOCK, anchors=True)[0] == [3, 9, 7, 8]
    no_dts = times_of([0, 1, 2], [NO_DTS, NO_DTS, 2])
    assert continued(no_dts) == ([0, 1, 2], ())
