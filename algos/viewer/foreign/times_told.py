"""Times that calls and texts name: the stretch that a call asks for, and when a frame is on screen.

| where | such as |
|---|---|
| arguments of a call | `start_time` and `end_time`, `segment: [3, 9]`, `time_ranges: [["0:10", \
"0:20"]]`, `timestamps: [12.5]` |
| a text before a picture | `<12.0 seconds>`, `12.0s`, `00:01:05` |

Numbers of frames are no times: without the rate they stand for no second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from algos.viewer.foreign.loose_values import MOST_SECONDS, listed, mapping, number
from algos.viewer.view_data import Box, Span
from sage_env.timeline import parse_seconds

_PAIRS = (
    ("start_time", "end_time"), ("timestamp_start", "timestamp_end"), ("start", "end"),
    ("start_sec", "end_sec"), ("start_second", "end_second"), ("start_seconds", "end_seconds"),
    ("start_timestamp", "end_timestamp"), ("video_start", "video_end"), ("begin", "end"),
    ("begin_time", "end_time"), ("from", "to"), ("t0", "t1"),
)  # fmt: skip
_RANGES = (
    "time_ranges_hhmmss", "time_ranges", "time_range", "segments", "segment", "spans", "span",
    "range", "window", "regions", "clip", "interval", "temporal_range",
)  # fmt: skip
_POINTS = ("timestamps", "seconds", "times", "timestamp", "time", "second", "frame_times")
_BOXES = ("box", "bbox", "bbox_2d")
_MOST = 10_000  # times of one call
_UNIT = re.compile(r"\s*(?:s|sec|secs|second|seconds)\.?\s*$", re.IGNORECASE)
_BRACKETS = re.compile(r"<\s*(\d+(?:\.\d+)?)\s*(?:s|sec|seconds?)\s*>", re.IGNORECASE)
_CLOCKS = re.compile(r"(?<![\d:.])((?:\d+:)?\d{1,2}:\d{2}(?:\.\d+)?)(?!\d|:\d)")
_SECONDS = re.compile(r"(?<![\d:.])(\d+(?:\.\d+)?)\s*(?:s|sec|seconds?)\b", re.IGNORECASE)
_SHORT = 120  # characters of a text that can be the time of a picture


@dataclass(frozen=True)
class CallTimes:
    """What a call says of time and place.

    Attributes:
        span: from the first to the last second that it asks for.
        ranges: where it asks for several stretches, all of them.
        points: single seconds.
        box: part of the picture, in fractions.
    """

    span: Span | None = None
    ranges: tuple[Span, ...] = ()
    points: tuple[float, ...] = ()
    box: Box | None = None


def told_second(value: Any) -> float | None:
    """Return a time in seconds: a number, `"12.5"`, `"12.5s"`, `MM:SS` or `HH:MM:SS`."""
    if isinstance(value, str):
        value = parse_seconds(_UNIT.sub("", value[:_SHORT]))
    found = number(value)
    return found if found is not None and 0 <= found <= MOST_SECONDS else None


def call_times(arguments: Any) -> CallTimes:
    """Return what the arguments of a call say of time and place; nothing where they are none."""
    named = mapping(arguments)
    ranges = tuple(_ranges(named))
    points = () if ranges else tuple(_points(named))
    ends = [edge for span in ranges for edge in span]
    return CallTimes(
        span=(min(ends), max(ends)) if ends else None,
        ranges=ranges if len(ranges) > 1 else (),
        points=points,
        box=_box(named),
    )


def marked_times(told: str) -> list[float]:
    """Return the times that a text marks as `<12.0 seconds>`: those of frames, in our prompts."""
    found = [told_second(one) for one in _BRACKETS.findall(told)[:_MOST]]
    return [second for second in found if second is not None]


def picture_times(before: str, pictures: int) -> list[float | None]:
    """Return when pictures are on screen that stand behind a text; `None` where it does not say.

    Args:
        before: the text.
        pictures: how many stand behind it, without other text between them.
    """
    found = _BRACKETS.findall(before)
    if not found and len(before) <= _SHORT * max(pictures, 1):
        found = _CLOCKS.findall(before) or _SECONDS.findall(before)
    times = [told_second(one) for one in found]
    if len(times) == pictures or (pictures == 1 and times and _BRACKETS.search(before)):
        return list(times[-pictures:])
    return [None] * pictures


def _ranges(named: Mapping[str, Any]) -> list[Span]:
    for start, end in _PAIRS:
        span = _span(named.get(start), named.get(end))
        if span is not None:
            return [span]
    for key in _RANGES:
        found = _listed_ranges(named.get(key))
        if found:
            return found
    return []


def _listed_ranges(value: Any) -> list[Span]:
    if isinstance(value, Mapping):
        return _ranges(value)[:1] if not any(key in value for key in _RANGES) else []
    items = listed(value)[:_MOST]
    if len(items) == 2 and (span := _span(*items)) is not None:
        return [span]
    pairs = [_pair(item) for item in items]
    return [span for span in pairs if span is not None]


def _pair(value: Any) -> Span | None:
    if isinstance(value, Mapping):
        found = [_span(value.get(start), value.get(end)) for start, end in _PAIRS]
        return next((span for span in found if span is not None), None)
    items = listed(value)
    return _span(*items) if len(items) == 2 else None


def _span(start: Any, end: Any) -> Span | None:
    begins, ends = told_second(start), told_second(end)
    return None if begins is None or ends is None or begins >= ends else (begins, ends)


def _points(named: Mapping[str, Any]) -> list[float]:
    for key in _POINTS:
        value = named.get(key)
        items = listed(value) if isinstance(value, list | tuple) else [value]
        times = [told_second(item) for item in items[:_MOST]]
        found = [time for time in times if time is not None]
        if found:
            return found
    return []


def _box(named: Mapping[str, Any]) -> Box | None:
    """Return a box in fractions; one in pixels says nothing without the size of the picture."""
    for key in _BOXES:
        edges = [number(edge) for edge in listed(named.get(key))]
        if len(edges) == 4 and all(edge is not None and 0 <= edge <= 1 for edge in edges):
            x0, y0, x1, y1 = (edge or 0.0 for edge in edges)
            if x0 < x1 and y0 < y1:
                return x0, y0, x1, y1
    return None
