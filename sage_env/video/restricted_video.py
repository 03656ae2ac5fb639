"""A video of which only some stretches can be seen; its clock and its duration stay as they are.

It is the video whose file holds no other frames: what is on screen at a time is the last frame of
the stretches that is shown at or before it, and before the first of them the first. A frame is one
of a stretch `[start, end)` if it begins there. One that begins before and stays is not, so that of
a stretch and the rest of the video no frame is in both, and none in neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sage_env.errors import VideoError
from sage_env.frames import Box, FrameBatch, Video
from sage_env.timeline import Span, clamp, merged

_CLOSE = 1e-7  # seconds between two times that no frame begins between; the finest clocks have 1e-6
_STEP = 0.05  # seconds, about as long as a frame is shown
_TINY = (8, 8)  # pixels of a picture that is read for its time alone


class RestrictedVideo:
    """The frames of a video that begin in some stretches of it, at their own times.

    Attributes:
        duration: seconds of the whole video.
        fps: as the whole video's.
        self_timed: whether reads end in time by themselves, as the whole video's do.
    """

    def __init__(self, video: Video, spans: Sequence[Span]) -> None:
        """Find the first and the last frame of each stretch.

        Args:
            video: the whole; it is closed with this one.
            spans: `[start, end)` in seconds, in any order; they may overlap.

        Raises:
            VideoError: if no frame begins in any of them.
        """
        self.duration, self.fps = video.duration, video.fps
        self.self_timed = bool(getattr(video, "self_timed", False))
        self._video = video
        inside = merged(clamp(span, video.duration) for span in spans)
        ends = [found for span in inside if (found := _ends(self._time_at, *span)) is not None]
        if not ends:
            told = ", ".join(f"[{start}, {end})" for start, end in spans) or "no stretch"
            raise VideoError(
                f"no frame begins in {told} of a video of {video.duration} s: give a stretch that "
                "is as long as a frame is shown, or longer"
            )
        self._first, self._last = np.array(ends, np.float64).T

    @property
    def size(self) -> Any:
        """Return native `(H, W)` as the whole video says it; `None` where it does not."""
        return getattr(self._video, "size", None)

    @property
    def stats(self) -> Any:
        """Return what reading the whole video has cost; `None` where it does not count."""
        return getattr(self._video, "stats", None)

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
    ) -> FrameBatch:
        """Return the frames of the stretches on screen at the given times; see `Video`.

        Raises:
            ValueError: if a time is not finite.
            VideoError: if a frame cannot be decoded, or the video gives one outside.
        """
        times = np.asarray(seconds, np.float64)
        if not np.isfinite(times).all():
            raise ValueError(f"seconds must be finite times, got {seconds}")
        which = np.maximum(np.searchsorted(self._first, times, side="right") - 1, 0)
        shown = np.clip(times, self._first[which], self._last[which])
        batch = self._video.frames_at(shown.tolist(), size=size, box=box)
        which = np.maximum(np.searchsorted(self._first, batch.seconds, side="right") - 1, 0)
        inside = (batch.seconds >= self._first[which]) & (batch.seconds <= self._last[which])
        if not inside.all():
            raise VideoError(
                f"a frame at {batch.seconds[~inside][0]} s lies outside of the stretches that may "
                "be seen: the video does not give the same frame for the same time"
            )
        return batch

    def close(self) -> None:
        """Close the whole video."""
        self._video.close()

    def _time_at(self, second: float) -> float:
        return float(self._video.frames_at([second], size=_TINY).seconds[0])


def _ends(
    time_at: Callable[[float], float], start: float, end: float
) -> tuple[float, float] | None:
    """Return when the first and the last frame begin that begin in `[start, end)`.

    Args:
        time_at: when the frame begins that is on screen at a time.
        start: seconds.
        end: seconds.
    """
    first, reached = time_at(start), float(np.nextafter(end, start))
    if first < start:  # it began before; the next one is found by halving what is left
        first = _begin(time_at, start, reached)
    if not start <= first < end:
        return None
    last = time_at(reached)
    if last >= end:  # by rounding, a time just before a frame may mean the frame
        low, high = first, reached
        while high - low > _CLOSE:
            middle = (low + high) / 2
            low, high = (middle, high) if time_at(middle) < end else (low, middle)
        last = time_at(low)
    return first, last


def _begin(time_at: Callable[[float], float], start: float, end: float) -> float:
    """Return when the first frame begins that begins at `start` or later; one before it: none.

    Steps that double find a stretch in which it begins, so that it is looked for near `start`, and
    halving finds it there.
    """
    low, high = start, min(start + _STEP, end)
    found = time_at(high)
    while found < start and high < end:
        low, high = high, min(start + 2 * (high - start), end)
        found = time_at(high)
    while found >= start and high - low > _CLOSE:
        middle = (low + high) / 2
        shown = time_at(middle)
        if shown >= start:
            found, high = shown, min(middle, shown)
        else:
            low = middle
    return found
