"""Laws of `sage_env.timeline`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.timeline import (
    clamp,
    covered,
    midpoints,
    nearest_places,
    parse_seconds,
    rest_of,
    snapped,
)

times = st.floats(0, 1e5)
spans = st.tuples(times, times).filter(lambda s: s[0] != s[1]).map(lambda s: tuple(sorted(s)))


def test_midpoints_by_hand():
    assert midpoints(10, 30, 4).tolist() == [12.5, 17.5, 22.5, 27.5]


@given(spans, st.integers(1, 200))
def test_midpoints_lie_inside_in_order(span, num_frames):
    points = midpoints(*span, num_frames)
    assert points.shape == (num_frames,)
    assert (np.diff(points) >= 0).all()
    assert span[0] <= points[0] and points[-1] < span[1]


@given(st.integers(0, 1000), st.integers(1, 1000), st.integers(1, 64), st.integers(0, 5000))
def test_midpoints_move_with_the_span(start, length, num_frames, shift):
    here = midpoints(start, start + length, num_frames)
    there = midpoints(start + shift, start + length + shift, num_frames)
    np.testing.assert_allclose(here + shift, there, rtol=1e-12)


def test_snapped_by_hand():
    assert snapped(10, 30, 4).tolist() == [12, 16, 24, 28]  # from 12.5, 17.5, 22.5 and 27.5
    assert snapped(0, 4, 4).tolist() == [0, 1, 2, 3]  # a half goes down: 4 is not in the span
    assert snapped(0.3, 0.7, 2).tolist() == [0.375, 0.625]


@given(spans, st.integers(1, 200))
def test_snapped_times_lie_inside_in_order_near_their_middles_on_the_grid(span, num_frames):
    points, middles = snapped(*span, num_frames), midpoints(*span, num_frames)
    spacing = (span[1] - span[0]) / num_frames
    assert points.shape == (num_frames,)
    assert span[0] <= points[0] and points[-1] < span[1]
    assert (np.abs(points - middles) <= spacing / 2 + 1e-9).all()
    if spacing < 2e-5:
        return
    assert (np.diff(points) > 0).all()
    grid = 2.0 ** np.floor(np.log2(spacing) + 1e-9)
    on_grid = points % min(grid, 2.0 ** np.floor(np.log2(spacing) - 1e-9)) == 0
    assert on_grid.sum() >= num_frames - 2  # but for rounding at the ends


@given(st.integers(0, 10_000), st.integers(1, 1000), st.integers(1, 64), st.integers(0, 500))
def test_spans_of_equal_spacing_meet_in_the_same_times(start, length, num_frames, shift):
    """What two spans of whole seconds both could show of their overlap, they both do."""
    here = snapped(start, start + length, num_frames)
    there = snapped(start + shift, start + shift + length, num_frames)
    grid = 2.0 ** np.floor(np.log2(length / num_frames))
    assert (here % grid == 0).all() and (there % grid == 0).all()
    if length == num_frames * grid:  # every time of the grid is shown
        common = min(length, max(0, length - shift)) // grid
        assert len(set(here) & set(there)) >= common - 1


@given(spans, st.floats(0.1, 1e5))
def test_a_clamped_span_is_inside_and_clamping_again_changes_nothing(span, duration):
    start, end = clamp(span, duration)
    assert 0 <= start <= end <= duration
    assert clamp((start, end), duration) == (start, end)
    assert clamp(span, 1e6) == span


def test_covered_counts_overlaps_once():
    assert covered([]) == 0
    assert covered([(5, 7), (0, 2), (1, 3), (1.5, 2.5)]) == 5


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=8))
def test_covered_is_the_number_of_unit_cells_touched(pieces):
    cells = {cell for start, length in pieces for cell in range(start, start + length)}
    assert covered([(start, start + length) for start, length in pieces]) == len(cells)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("312", 312), ("312.5", 312.5), (" 7 ", 7), ("1e2", 100), (".5", 0.5), ("5.", 5),
        ("05:12", 312), ("75:30", 4530), ("1:02:03.250", 3723.25), ("00:00:00", 0),
        ("", None), ("-5", None), ("nan", None), ("inf", None), ("1e999", None), ("1_0", None),
        ("٣", None), ("5 s", None), ("1:5", None), ("1:60", None), ("1:60:00", None),
        ("1:2:03", None), ("::", None), ("0x10", None),
    ],
)  # fmt: skip
def test_clocks(text, seconds):
    assert parse_seconds(text) == seconds


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_any_clock_reads_as_its_sum(hours, minutes, seconds):
    total = 3600 * hours + 60 * minutes + seconds
    assert parse_seconds(f"{hours:02}:{minutes:02}:{seconds:02}") == total
    assert parse_seconds(f"{60 * hours + minutes:02}:{seconds:02}") == total


def test_the_nearest_place_by_hand():
    assert nearest_places(np.array([0.0, 2, 5]), np.array([1.0, 4, 9])).tolist() == [0, 2, 2]


@given(st.lists(st.integers(-50, 50), min_size=1, unique=True), st.lists(st.integers(-60, 60)))
def test_the_nearest_place_is_nearest_and_the_earlier_of_two(places, asked):
    ordered = np.sort(np.array(places, dtype=float))
    for time, place in zip(
        asked, nearest_places(ordered, np.array(asked, dtype=float)), strict=True
    ):
        assert place == np.argmin(np.abs(ordered - time))  # argmin gives the first


def test_the_rest_of_a_video_by_hand():
    assert rest_of([(5, 9), (8, 12)], 20.0) == ((0.0, 5), (12, 20.0))
    assert rest_of([(5, 9), (8, 12)], 20.0, margin=1.0) == ((0.0, 4.0), (13.0, 20.0))
    assert rest_of([], 20.0) == ((0.0, 20.0),)
    assert rest_of([(0, 20)], 20.0) == ()
    assert rest_of([(0.5, 30)], 20.0, margin=1.0) == ()
    assert rest_of([(25, 30)], 20.0) == ((0.0, 20.0),)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=5), st.integers(1, 40))
def test_every_cell_is_in_the_spans_or_in_the_rest_of_them(pieces, duration):
    spans = [(start, start + length) for start, length in pieces]
    rest = rest_of(spans, float(duration))
    for cell in range(duration):
        inside = any(start <= cell < end for start, end in spans)
        assert inside != any(start <= cell < end for start, end in rest)
    assert list(rest) == sorted(rest)
