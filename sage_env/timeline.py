"""Pure functions on the time axis of a video: what to decode, what is covered, what a clock says.

Times are seconds from the start of the video, spans half-open `[start, end)`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Span = tuple[float, float]
_FINEST = -16  # exponent of a spacing of 15 microseconds
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_CLOCK = re.compile(r"(?:([0-9]+):(?=[0-5][0-9]:))?([0-9]+):([0-5][0-9](?:\.[0-9]+)?)")


def midpoints(start: float, end: float, num_frames: int) -> NDArray[np.float64]:
    """Return the middles of equal parts of `[start, end)`: float64 `(num_frames,)`, seconds.

    Args:
        start: seconds, part of the span.
        end: seconds, not part of it.
        num_frames: how many parts.
    """
    fractions = (np.arange(num_frames) + 0.5) / num_frames
    # A span of a few ulps may round up to its open end.
    return np.clip(start + fractions * (end - start), start, np.nextafter(end, start))


def snapped(start: float, end: float, num_frames: int) -> NDArray[np.float64]:
    """Return `midpoints` moved to a grid of times that all spans share: float64 `(num_frames,)`.

    The grid has the largest power of two seconds, `2**k` for whole k, that is not above the spacing
    of the frames. Each time moves by at most half of it, so that the times stay inside the span, in
    order and apart; finer grids contain coarser ones, so that spans which overlap meet in the same
    times. Where the grid is finer than any frame, or than float64 can tell, they are not moved.
    """
    middles = midpoints(start, end, num_frames)
    _, exponent = math.frexp((end - start) / num_frames)
    if exponent <= _FINEST:
        return middles
    grid = math.ldexp(1.0, exponent - 1)
    points = np.ceil(middles / grid - 0.5) * grid  # a half goes down: the open end is no time
    points = np.where((points >= start) & (points < end), points, middles)
    return points if (np.diff(points) > 0).all() else middles


def nearest_places(places: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of the nearest place for each time, int64 `(T,)`.

    Of two places equally near, the earlier counts: places 0, 2, 5 and times 1, 4, 9 give 0, 2, 2.

    Args:
        places: float64 `(P,)`, seconds, in order; at least one.
        times: float64 `(T,)`, seconds, in any order.
    """
    after = np.minimum(np.searchsorted(places, times), len(places) - 1)
    before = np.maximum(after - 1, 0)
    earlier = times - places[before] <= places[after] - times
    return np.where(earlier, before, after).astype(np.int64)


def clamp(span: Span, duration: float) -> Span:
    """Return the part of `span` inside `[0, duration)`; empty (start == end) if there is none."""
    start, end = span
    return min(start, duration), min(end, duration)


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the union of spans, in order of time: those that overlap or touch become one.

    >>> merged([(5, 9), (1, 3), (3, 4), (8, 12)])
    ((1, 4), (5, 12))
    """
    union: list[Span] = []
    for start, end in sorted(spans):
        if union and start <= union[-1][1]:
            union[-1] = union[-1][0], max(union[-1][1], end)
        else:
            union.append((start, end))
    return tuple(union)


def rest_of(spans: Iterable[Span], duration: float, margin: float = 0.0) -> tuple[Span, ...]:
    """Return the parts of `[0, duration)` that are in none of the spans, in order of time.

    >>> rest_of([(5, 9), (8, 12)], 20.0, margin=1.0)
    ((0.0, 4.0), (13.0, 20.0))

    Args:
        spans: in seconds.
        duration: of the video, in seconds.
        margin: seconds before and after each span that go with it.
    """
    rest, reached = [], 0.0
    for start, end in merged((start - margin, end + margin) for start, end in spans):
        if reached < min(start, duration):
            rest.append((reached, min(start, duration)))
        reached = max(reached, end)
    return tuple(rest + [(reached, duration)] * (reached < duration))


def covered(spans: Iterable[Span]) -> float:
    """Return the seconds in the union of the spans."""
    total, reached = 0.0, -np.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return float(total)


def parse_seconds(text: str) -> float | None:
    """Read `"312"`, `"312.5"`, `MM:SS` or `HH:MM:SS`, each with decimals; `None` if it is neither.

    Minutes go beyond 59 only where no hours are given. No sign, no units, no infinity.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        return seconds if np.isfinite(seconds) else None
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        return None
    hours, minutes, seconds_text = clock.groups()
    total = 3600.0 * float(hours or 0) + 60.0 * float(minutes) + float(seconds_text)
    return total if np.isfinite(total) else None


_NO_CLOCK = 1e12  # seconds


def clock(second: float, decimals: int = 1) -> str:
    """Return a time as `M:SS.s`, or `H:MM:SS.s` from an hour on, with that many decimals.

    What no clock shows, beyond thirty thousand years, is a plain number of seconds.
    """
    if not abs(second) < _NO_CLOCK:
        return f"{second:g} s"
    unit = 10**decimals
    minutes, rest = divmod(round(second * unit), 60 * unit)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // unit:02d}.{rest % unit:0{decimals}d}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"
