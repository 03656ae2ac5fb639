"""Laws of `algos.data_pipeline.questions.evidence_times`: times checked, and moved to frames.

The video has a frame every half second from 0 to 59.5 s, and lasts 60 s.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.data_pipeline.questions.evidence_times import BadTimes, evidence_spans, seconds_of
from sage_env.timeline import covered
from sage_env.video.index.video_index import VideoIndex, read_index
from tests.helpers.clips import write_clip


@cache
def index() -> VideoIndex:
    clip = Path(mkdtemp()) / "a.mp4"
    return read_index(write_clip(clip, range(120), time_base=Fraction(1, 2)))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("01:02:03", 3723.0),
        ("02:03.25", 123.25),
        ("00:00:07,5", 7.5),
        (" 12.5 ", 12.5),
        ("12.5s", 12.5),
        (12, 12.0),
        ("０１:０２", 62.0),
        ("90:00", 5400.0),
    ],
)
def test_times_are_read_in_every_usual_form(written: object, seconds: float) -> None:
    assert seconds_of(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        None,
        True,
        "",
        "soon",
        "-3",
        -3,
        "1:60",
        "1:2:3:4",
        math.nan,
        10**400,
        "1e999",
        [1],
        "9" * 50,
    ],
)
def test_anything_else_is_no_time(written: object) -> None:
    assert seconds_of(written) is None


@pytest.mark.parametrize(
    ("written", "spans"),
    [
        ([("00:00:10", "00:00:20")], ((10.0, 20.0),)),  # on frames: as written
        ([("10.2", "19.6")], ((10.0, 20.0),)),  # widened to the frames that show it
        ([("10.4999", "20.0001")], ((10.5, 20.0),)),  # a rounded millisecond is no other frame
        ([("59.5", "60")], ((59.5, 60.0),)),  # the last frame stays until the end
        ([("50", "61")], ((50.0, 60.0),)),  # a second behind the end is rounding
        ([("20", "30"), ("0", "5")], ((0.0, 5.0), (20.0, 30.0))),  # in order
        ([("0", "5"), ("5", "9"), ("4", "6")], ((0.0, 9.0),)),  # those that meet are one
        ([("0", "54")], ((0.0, 54.0),)),  # nine tenths of the video, and no more
        ([(f"{k}", f"{k}.5") for k in range(32)], tuple((k, k + 0.5) for k in range(32))),
        ([("10.4996", "10.4999")], ((10.5, 11.0),)),  # and just before one: that one
        ([("59.4996", "59.4999")], ((59.5, 60.0),)),
        ([("59.7", "59.8")], ((59.5, 60.0),)),
        ([("10.1", "10.2")], ((10.0, 10.5),)),  # inside one frame: that frame
    ],
)
def test_spans_are_moved_to_frames(written: list, spans: tuple) -> None:
    assert evidence_spans(written, index()) == spans


@pytest.mark.parametrize(
    ("written", "check"),
    [
        ([], "no_evidence"),
        ([("0", "1")] * 33, "no_evidence"),
        ([("soon", "later")], "times_unreadable"),
        ([("1", None)], "times_unreadable"),
        ([("01:30:00", "01:31:00")], "times_past_end"),
        ([("50", "61.5")], "times_past_end"),
        ([("30", "20")], "times_reversed"),
        ([("30", "30")], "times_empty"),
        ([("60.2", "60.9")], "times_empty"),
        ([("0", "60")], "times_too_wide"),
        ([("0", "54.5")], "times_too_wide"),
        ([("0", "30"), ("30", "59")], "times_too_wide"),
        ([("1", "2"), ("30", "20")], "times_reversed"),  # one bad span is enough
    ],
)
def test_what_cannot_be_is_said_and_never_made_right(written: list, check: str) -> None:
    with pytest.raises(BadTimes) as told:
        evidence_spans(written, index())
    assert told.value.check == check and str(told.value)


@given(st.lists(st.tuples(st.floats(0, 59), st.floats(0.01, 12)), min_size=1, max_size=4))
def test_every_span_lies_on_frames_and_shows_all_that_was_written(pairs: list) -> None:
    written = [(start, min(start + length, 60.0)) for start, length in pairs]
    try:
        spans = evidence_spans(written, index())
    except BadTimes as error:
        assert error.check == "times_too_wide" and covered(written) > 0.9 * 60 - 2 * len(written)
        return
    assert list(spans) == sorted(spans) and all(0 <= s < e <= 60 for s, e in spans)
    assert all(second % 0.5 == 0 for span in spans for second in span)
    assert all(a[1] < b[0] for a, b in zip(spans, spans[1:], strict=False))
    for start, end in written:  # a millisecond is rounding
        assert any(s <= start + 1e-3 and end - 1e-3 <= e for s, e in spans)
    assert covered(spans) <= covered(written) + 1.0 * len(written)  # a frame at either end
