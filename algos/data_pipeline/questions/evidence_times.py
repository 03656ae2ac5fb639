"""Times as a reply writes them, checked against the video and moved to its frames.

No time is made right: one that lies behind the end, a span that ends before it begins, or one that
is as long as the video is a reason to reject the question. A span is only widened to whole frames,
which a reader of it could not tell apart.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from sage_env.timeline import Span, clock, covered, parse_seconds
from sage_env.video.index.video_index import VideoIndex

ROUNDING = 1.0
"""Seconds by which a time may lie behind the end: whole seconds are rounded."""
WIDEST = 0.9
"""Share of a video that the evidence may be: what is everywhere is nowhere. A choice."""
MOST_SPANS = 32
"""Of one question. A choice: what rests on more is not evidence."""
_MILLISECOND = 1e-3
_COMMA = re.compile(r"(?<=:[0-9]{2}),(?=[0-9]{1,3}$)")


class BadTimes(Exception):
    """Evidence that cannot be used: `check` says why in a word, the message in a sentence."""

    def __init__(self, check: str, reason: str) -> None:
        """Take both."""
        super().__init__(reason)
        self.check = check


def evidence_spans(written: Sequence[tuple[object, object]], index: VideoIndex) -> tuple[Span, ...]:
    """Return spans of evidence in seconds, in order, on times of frames; those that meet are one.

    The start becomes the time of the frame on screen then, the end that of the first frame behind
    it, or the end of the video.

    Args:
        written: start and end of each, as a reply has them: HH:MM:SS, MM:SS or seconds, as texts
            or numbers, with decimals or without.
        index: of the video.

    Raises:
        BadTimes: if one cannot be read or used.
    """
    if not 0 < len(written) <= MOST_SPANS:
        raise BadTimes("no_evidence", f"expected 1 to {MOST_SPANS} spans, got {len(written)}")
    spans = [_span(start, end, index.duration) for start, end in written]
    snapped = _joined([_on_frames(span, index) for span in spans])
    share = covered(snapped) / index.duration
    if share > WIDEST:
        raise BadTimes(
            "times_too_wide",
            f"the evidence is {share:.0%} of the video: more than {WIDEST:.0%} says nothing",
        )
    return tuple(snapped)


def seconds_of(written: object) -> float | None:
    """Return the seconds of a time; `None` if it is none.

    A number is seconds; in a text, `1:02:03,5` is read like `1:02:03.5`, as subtitles write it, an
    `s` behind seconds is left out, and digits of full width are digits.
    """
    if isinstance(written, int | float) and not isinstance(written, bool):
        try:
            return float(written) if written >= 0 and math.isfinite(written) else None
        except OverflowError:
            return None
    if not isinstance(written, str) or len(written) > 40:
        return None
    text = _COMMA.sub(".", unicodedata.normalize("NFKC", written).strip())
    plain = text[:-1].rstrip() if text.endswith("s") and ":" not in text else text
    return parse_seconds(plain)


def _span(start: object, end: object, duration: float) -> Span:
    first, last = seconds_of(start), seconds_of(end)
    if first is None or last is None:
        wrong = start if first is None else end
        raise BadTimes(
            "times_unreadable", f"expected HH:MM:SS, MM:SS or seconds, got {wrong!r:.60}"
        )
    if max(first, last) > duration + ROUNDING:
        raise BadTimes(
            "times_past_end",
            f"{clock(max(first, last))} lies behind the end of the video, {clock(duration)}",
        )
    if last < first:
        raise BadTimes("times_reversed", f"a span ends at {clock(last)}, before {clock(first)}")
    if last == first or first >= duration:
        raise BadTimes("times_empty", f"a span at {clock(first)} has no length")
    return first, min(last, duration)


def _on_frames(span: Span, index: VideoIndex) -> Span:
    """Return the times of the frames that show a span; a millisecond is taken for rounding."""
    start, end = span
    shown = index.frames_on_screen(np.array([start + _MILLISECOND / 2]))
    first = float(index.seconds(shown)[0])
    after = index.frames_from(np.array([end - _MILLISECOND / 2]))
    last = float(index.seconds(after)[0])
    if last <= first:  # less than a millisecond, just before a frame: that frame
        last = float(index.seconds(index.frames_from(np.array([first + _MILLISECOND / 2])))[0])
    if last < end - _MILLISECOND or last <= first:  # the last frame stays until the end
        last = index.duration
    return first, last


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Return the union of spans as spans apart from each other, in order."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found
