"""Laws of `sage_env.tools.spans`: which stretches a tool may be asked about."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.errors import ToolInputError
from sage_env.tools.spans import video_span

SECONDS = st.floats(-5, 130, allow_nan=False)


@pytest.mark.parametrize(
    ("start", "end", "more", "expected"),
    [
        (0, 60, {}, (0, 60)),
        (10, 60.05, {}, (10, 60)),
        (10, 60.1, {}, (10, 60)),
        (10, 20, {"longest": 10}, (10, 20)),
        (10, 60.05, {"longest": 50}, (10, 60)),
        (0.2, 60, {"whole": False}, (0.2, 60)),
        (10, 20.5, {"longest": 10}, "at most 10 s at once, got 10.5 s"),
        (0, 60.05, {"whole": False}, "a part of the video, not all 60.00 s of it"),
        (0, 60.2, {}, "the video ends at 60.00 s, got 0 to 60.2"),
        (60, 61, {}, "the video ends at 60.00 s"),
        (60, 60.05, {}, "the video ends at 60.00 s"),
        (20, 20, {}, "before end, got 20 and 20"),
        (-1, 20, {}, "start must be 0 or more"),
        (math.nan, 20, {}, "start must be 0 or more"),
        (0, math.inf, {}, "the video ends at 60.00 s"),
    ],
)
def test_by_hand(start, end, more, expected) -> None:
    if isinstance(expected, tuple):
        assert video_span(start, end, 60.0, **more) == expected
    else:
        with pytest.raises(ToolInputError, match=expected):
            video_span(start, end, 60.0, **more)


@given(SECONDS, SECONDS, st.none() | st.floats(1, 60), st.booleans())
def test_what_is_allowed_lies_in_the_video_and_is_what_was_asked(start, end, longest, whole):
    try:
        begin, stop = video_span(start, end, 100.0, longest=longest, whole=whole)
    except ToolInputError:
        return
    assert 0 <= begin < stop <= 100 and begin == start and 0 <= end - stop <= 0.1 + 1e-9
    assert longest is None or stop - begin <= longest
