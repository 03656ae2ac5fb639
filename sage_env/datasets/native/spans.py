"""Stretches of a video as annotations write them, made `[start, end)` spans in seconds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sage_env.argument_checks import is_finite
from sage_env.timeline import Span, parse_seconds

INSTANT = 1.0
"""Seconds of a single time: `00:15`, to the whole second, is `[15, 16)`."""
_TIME = r"[0-9]+(?::[0-9]{1,2}){1,2}(?:[.,][0-9]+)?|[0-9]+(?:\.[0-9]+)?"
_SPAN = re.compile(
    rf"(?P<start>{_TIME})\s*(?:s\b)?\s*(?:(?:-|–|—|−|~|to\b|until\b)+\s*(?P<end>{_TIME}))?",
    re.IGNORECASE,
)


def parse_spans(text: str) -> tuple[Span, ...]:
    """Read every time reference in a text.

    `00:15-00:19` is `[15, 19)`; a reversed one is turned round; a single time, and one that ends
    where it starts, lasts `INSTANT`. Times are `MM:SS`, `HH:MM:SS` or seconds, with or without
    decimals. What is neither is passed over, so that a reference that cannot be read is `()`: not
    known, which is not the same as nothing to see.

    >>> parse_spans("00:15-00:19; 01:02:03 - 01:02:00, 00:40")
    ((15.0, 19.0), (3720.0, 3723.0), (40.0, 41.0))
    """
    found = []
    for match in _SPAN.finditer(text):
        start = _seconds(match["start"])
        end = start if match["end"] is None else _seconds(match["end"])
        if start is not None and end is not None:
            found.append(_ordered(start, end))
    return tuple(found)


def _seconds(text: str) -> float | None:
    hours_minutes, colon, seconds = text.replace(",", ".").rpartition(":")
    return parse_seconds(f"{hours_minutes}{colon}{seconds.zfill(2) if colon else seconds}")


def _ordered(start: float, end: float) -> Span:
    low, high = min(start, end), max(start, end)
    return low, high if high > low else low + INSTANT


def read_spans(pairs: Iterable[Sequence[object]]) -> tuple[Span, ...]:
    """Return pairs of seconds as spans; reversed ones turned round, other things passed over."""
    found = []
    for pair in pairs:
        if isinstance(pair, list | tuple) and len(pair) == 2:
            start, end = pair
            if is_finite(start) and is_finite(end) and start >= 0 and end >= 0:
                found.append(_ordered(float(start), float(end)))
    return tuple(found)


def within(spans: Iterable[Span], duration: float | None) -> tuple[Span, ...]:
    """Return the parts of spans that lie in the video; all of them if its length is not known."""
    if duration is None:
        return tuple(spans)
    cut = [(start, min(end, duration)) for start, end in spans]
    return tuple((start, end) for start, end in cut if start < end)
