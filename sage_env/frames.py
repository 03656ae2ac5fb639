"""Frames with the seconds at which each is shown, and the protocol of what they are read from.

`Video` says what any video must do; `checked_duration` and `check_batch` enforce what the
environment relies on of it, every time. `sage_env.testing.check_video` tries the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sage_env.errors import VideoError, boundary

Box = tuple[float, float, float, float]
Tolerance = float | Literal["auto"]
"""Seconds by which frames may be off; "auto": half the smallest step between them, at most 5."""
MAX_DURATION = 1e6
"""Longest video in seconds, over eleven days; float32 tells moments 1/16 s apart up to there."""

_UINT8, _FLOAT64 = np.dtype(np.uint8), np.dtype(np.float64)
_NO_INDEX = np.array([-1], dtype=np.int64)
_ALL_EXACT = np.array([True])
_DEFAULTS: tuple[tuple[str, NDArray[Any]], ...] = (("index", _NO_INDEX), ("exact", _ALL_EXACT))


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """N decoded frames.

    `FrameBatch(pixels, seconds)` is enough where frames have no numbers and are what was asked for.

    Attributes:
        pixels: uint8 `(N, H, W, 3)`, RGB.
        seconds: float64 `(N,)`, the *presentation* time of each frame, not the time that was asked
            for; non-decreasing, one per frame.
        index: int64 `(N,)`, the number of each frame in order of presentation, from 0; -1 where
            that is not known.
        exact: bool `(N,)`, whether each frame is the one on screen at the time that was asked for,
            and its pixels are those of the file.

    Raises:
        ValueError: if shapes, dtypes or the order of the times are not as above.
    """

    pixels: NDArray[np.uint8]
    seconds: NDArray[np.float64]
    index: NDArray[np.int64] = field(default_factory=lambda: _NO_INDEX)
    exact: NDArray[np.bool_] = field(default_factory=lambda: _ALL_EXACT)

    def __post_init__(self) -> None:
        """Refuse illegal values where they are made."""
        pixels, seconds = self.pixels, self.seconds
        if pixels.dtype != _UINT8 or pixels.ndim != 4 or pixels.shape[-1] != 3:
            raise ValueError(
                f"pixels must be uint8 (N, H, W, 3), got {pixels.dtype} {pixels.shape}"
            )
        if seconds.dtype != _FLOAT64 or seconds.shape != pixels.shape[:1]:
            raise ValueError(
                f"seconds must be float64 ({len(pixels)},), got {seconds.dtype} {seconds.shape}"
            )
        if len(seconds) and not _finite_and_sorted(seconds):
            raise ValueError(f"seconds must be finite and non-decreasing, got {seconds}")
        for name, default in _DEFAULTS:
            values = getattr(self, name)
            if values is default:
                object.__setattr__(self, name, np.repeat(default, len(seconds)))
            elif values.dtype != default.dtype or values.shape != seconds.shape:
                raise ValueError(
                    f"{name} must be {default.dtype} ({len(seconds)},), got {values.dtype} "
                    f"{values.shape}"
                )

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.seconds)

    def __repr__(self) -> str:
        """Show shapes, not pixels."""
        span = f"{self.seconds[0]:.2f}..{self.seconds[-1]:.2f} s" if len(self) else "empty"
        return f"FrameBatch(pixels={self.pixels.shape}, seconds={span})"


def _finite_and_sorted(values: NDArray[np.float64]) -> bool:
    """Return whether values are non-decreasing and finite: then their ends are, and no NaN is."""
    ends = math.isfinite(values[0]) and math.isfinite(values[-1])
    return ends and bool((values[1:] >= values[:-1]).all())


class Video(Protocol):
    """The protocol of a video; any object with these four is one.

    `sage_env.testing.check_video` checks it. A video that also has `stats.decoded`, a running count
    of decoded pictures, has it reported in `Spent.frames_decoded`. One whose reads end in time by
    themselves says so by `self_timed = True`, and is then called without a deadline, in the thread
    of the environment. No video needs to be safe for several threads at once.

    Attributes:
        duration: seconds from time 0 to the end of the last frame.
        fps: average frames per second, for information.
    """

    duration: float
    fps: float

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
    ) -> FrameBatch:
        """Return the frames on screen at the given times, one per time, in order of time.

        On screen is the last frame shown at or before a time; before the first frame it is the
        first, after the last the last. Each comes with its own presentation time, in
        `[0, duration)`, and is the same whatever else is asked for. The arrays are the caller's
        own: a video keeps no hold on them.

        Args:
            seconds: finite times in any order.
            size: `(H, W)` of the pictures returned; `None` for native pixels.
            box: the region to show, `(x0, y0, x1, y1)` in fractions; `None` for all.

        Raises:
            ValueError: if a time is not finite.
            VideoError: if a frame cannot be decoded.
        """

    def close(self) -> None:
        """Let go of files and decoders; once more does nothing."""


def checked_duration(video: Video, path: Path) -> float:
    """Return the seconds of a video that was opened.

    Args:
        video: what an opener gave.
        path: where from, for the message.

    Raises:
        VideoError: if it has no duration above 0 and up to `MAX_DURATION`.
    """
    with boundary(VideoError, f"{path}: its duration cannot be read"):
        duration = float(video.duration)
    if not 0 < duration <= MAX_DURATION:
        raise VideoError(
            f"{path}: a video must have a duration > 0 and at most {MAX_DURATION:.0f} seconds, "
            f"got {duration}: cut it, or write it anew"
        )
    return duration


def check_batch(
    batch: object, law: str, *, count: int, size: tuple[int, int] | None, duration: float
) -> None:
    """Check what `Video.frames_at` returned, so that no wrong observation comes of it.

    Args:
        batch: what it returned: a `FrameBatch` with pixels uint8 `(count, H, W, 3)`.
        law: beginning of the message.
        count: how many times were asked for.
        size: `(H, W)` that was asked for; `None` for native pixels.
        duration: seconds of the video.

    Raises:
        VideoError: if it is another type, number or size, or a time lies outside the video.
    """
    if not isinstance(batch, FrameBatch):
        raise VideoError(f"{law} a FrameBatch, got {type(batch).__name__}")
    got = batch.pixels.shape
    expected = (count, *(size or got[1:3]), 3)
    if got != expected:
        raise VideoError(
            f"{law} one frame per time, of the size asked for: expected {expected}, got {got}"
        )
    if count and not 0 <= batch.seconds[0] <= batch.seconds[-1] < duration:
        shown = f"from {batch.seconds[0]} to {batch.seconds[-1]} s"
        raise VideoError(f"{law} frames of [0, {duration}) s, got them {shown}")
