"""Laws of `algos.viewer.foreign`: `times_told`, `loose_values`."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.viewer.foreign import loose_values
from algos.viewer.foreign.times_told import call_times, marked_times, picture_times, told_second

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
KEYS = ["start", "end", "segment", "time_ranges", "timestamps", "box", "start_time", "end_time"]


@pytest.mark.parametrize(
    ("arguments", "span"),
    [
        ({"start_time": 3, "end_time": 9.5}, (3.0, 9.5)),
        ({"timestamp_start": "00:45", "timestamp_end": "1:01:05"}, (45.0, 3665.0)),
        ({"segment": [3, 9], "fps": 2}, (3.0, 9.0)),
        ({"time_range": ["12s", "0:20"]}, (12.0, 20.0)),
        ({"regions": [[30, 40], [5, 10]]}, (5.0, 40.0)),
        ({"time_ranges": [{"start": 1, "end": 2}]}, (1.0, 2.0)),
        ({"span": {"start": 1, "end": 2}}, (1.0, 2.0)),
        ({"start": 9, "end": 3}, None),
        ({"start": "soon", "end": "later"}, None),
        ({"start": -1, "end": 3}, None),
        ({"start": True, "end": 3}, None),
        ({"start_idx": 3, "end_idx": 9}, None),
        ("start 3 end 9", None),
    ],
)
def test_the_stretch_that_a_call_asks_for(arguments: Any, span: Any) -> None:
    assert call_times(arguments).span == span


def test_several_stretches_single_seconds_and_boxes() -> None:
    assert call_times({"regions": [[30, 40], [5, 10]]}).ranges == ((30.0, 40.0), (5.0, 10.0))
    assert call_times({"timestamps": ["0:10", 12.5, "x"]}).points == (10.0, 12.5)
    assert call_times({"start": 1, "end": 2, "timestamp": 3}).points == ()
    assert call_times({"bbox": [0.1, 0.2, 0.5, 0.6]}).box == (0.1, 0.2, 0.5, 0.6)
    assert call_times({"bbox": [10, 20, 50, 60]}).box is None


@pytest.mark.parametrize(
    ("before", "pictures", "times"),
    [
        ("<12.0 seconds>", 1, [12.0]),
        ("12.5s", 1, [12.5]),
        ("Frame 3 at 00:01:05:", 1, [65.0]),
        ("<1.0 seconds><2.0 seconds>", 2, [1.0, 2.0]),
        ("0.0s, 4.0s", 1, [None]),
        ("Watch these.", 2, [None, None]),
        ("The car is seen for 3 s " + "and then " * 20, 1, [None]),
        ("12 frames at 640x480", 1, [None]),
    ],
)
def test_when_a_picture_is_on_screen(before: str, pictures: int, times: list[Any]) -> None:
    assert picture_times(before, pictures) == times


def test_times_that_a_text_marks() -> None:
    assert marked_times("2 frames: <1.5 seconds> <3 seconds>, 9 s") == [1.5, 3.0]


@given(arguments=st.dictionaries(st.sampled_from(KEYS), ANYTHING) | ANYTHING)
def test_a_stretch_is_some_and_in_the_range_of_times(arguments: Any) -> None:
    times = call_times(arguments)
    if times.span is not None:
        assert 0 <= times.span[0] < times.span[1] <= loose_values.MOST_SECONDS
    assert all(0 <= point <= loose_values.MOST_SECONDS for point in times.points)


@given(value=ANYTHING)
def test_no_value_raises(value: Any) -> None:
    assert isinstance(loose_values.text(value), str)
    assert told_second(value) is None or told_second(value) >= 0
    found = loose_values.number(value)
    assert found is None or math.isfinite(found)
    assert loose_values.count(value) is None or loose_values.count(value) >= 0
    assert loose_values.truth(value) in (True, False, None)


def test_only_yes_no_one_and_zero_say_right_or_wrong() -> None:
    values = [True, False, 1, 0, 1.0, 0.5, "true", None]
    truths = [loose_values.truth(value) for value in values]
    assert truths == [True, False, True, False, True, None, None, None]
