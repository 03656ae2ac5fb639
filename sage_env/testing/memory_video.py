"""A video that needs no file: its frames are painted when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sage_env.errors import VideoError
from sage_env.frames import Box, FrameBatch
from sage_env.picture_geometry import crop_bounds, fitted

_ROUNDING = 1e-6  # seconds; a frame's own time, off by rounding, still means that frame


class MemoryVideo:
    """A video for tests and benchmarks: exact, the same on any machine, and without decoding.

    Frame i has red `i // 256 % 256` and green `i % 256` all over; blue is 0 in the left upper
    corner and grows to the right and downwards. Pictures are scaled without interpolation.

    Attributes:
        duration: seconds.
        fps: frames per second; frame i is shown from `i / fps` on.
        size: native `(H, W)`.
        closed: whether `close` was called.
    """

    def __init__(
        self, duration: float = 60.0, fps: float = 2.0, size: tuple[int, int] = (48, 64)
    ) -> None:
        """Make a video.

        Raises:
            ValueError: if one of these is not positive.
        """
        if not (duration > 0 and fps > 0 and min(size) > 0):
            raise ValueError(f"all must be positive: duration {duration}, fps {fps}, size {size}")
        self.duration, self.fps, self.size = float(duration), float(fps), size
        self.closed = False
        self._last = max(0, math.ceil(self.duration * self.fps - _ROUNDING) - 1)
        self._canvases: dict[Any, _Canvas] = {}

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
    ) -> FrameBatch:
        """Return the frames on screen at the given times; see `sage_env.video.Video`."""
        times = np.sort(np.asarray(seconds, np.float64))
        if times.ndim != 1 or not np.isfinite(times).all():
            raise ValueError(f"seconds must be a sequence of finite times, got {seconds}")
        numbers = np.floor((times + _ROUNDING) * self.fps).astype(np.int64).clip(0, self._last)
        canvas = self._canvases.get((size, box))
        if canvas is None:
            canvas = self._canvases[size, box] = _canvas(self.size, size, box)
        pixels = np.zeros((len(numbers), *canvas.size, 3), np.uint8)
        inside = pixels[:, canvas.rows, canvas.columns]
        inside[..., 0] = (numbers // 256 % 256)[:, None, None]
        inside[..., 1] = (numbers % 256)[:, None, None]
        inside[..., 2] = canvas.blue
        return FrameBatch(pixels, numbers / self.fps)

    def close(self) -> None:
        """Note that it was closed; it can still be read."""
        self.closed = True


def open_memory(path: str | Path) -> MemoryVideo:
    """Open the `MemoryVideo` whose seconds are the name of `path`: `12.5.memory` has 12.5.

    Raises:
        VideoError: if the name is no number above 0.
    """
    try:
        return MemoryVideo(float(Path(path).stem))
    except ValueError:
        raise VideoError(f"{path}: expected SECONDS.memory, as 60.memory") from None


class _Canvas(NamedTuple):
    """The parts of a picture that all frames of one request have in common."""

    size: tuple[int, int]
    rows: slice
    columns: slice
    blue: NDArray[np.uint8]


def _canvas(native: tuple[int, int], size: tuple[int, int] | None, box: Box | None) -> _Canvas:
    height, width = native
    down, right = np.arange(height) / height, np.arange(width) / width
    blue = (127.5 * (down[:, None] + right)).astype(np.uint8)
    top, bottom, left, end = crop_bounds(box or (0.0, 0.0, 1.0, 1.0), height, width)
    blue = blue[top:bottom, left:end]
    if size is None:
        return _Canvas((bottom - top, end - left), slice(None), slice(None), blue)
    shape = fitted(bottom - top, end - left, size)
    rows, columns = (np.arange(n) * old // n for n, old in zip(shape, blue.shape, strict=True))
    y, x = (size[0] - shape[0]) // 2, (size[1] - shape[1]) // 2
    within = slice(y, y + shape[0]), slice(x, x + shape[1])
    return _Canvas(size, *within, blue[np.ix_(rows, columns)])
