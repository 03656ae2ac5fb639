"""Glances: small grey pictures of a stretch at even times, and what changes between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sage_env.frames import Video
from sage_env.picture_geometry import fitted
from sage_env.timeline import midpoints

STEP = 0.5
"""Seconds between glances: what is found begins and ends within half of it. A choice."""
MOST = 1_200
"""Most glances of a stretch, 44 MB; longer stretches have them further apart."""
_SIZE = (144, 256)  # pixels that hold a glance
_AT_ONCE = 64  # frames that are in memory at full colour
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # luma of ITU-R BT.601
_BLOCK = 16  # pixels of a side of the squares that are compared
_CUT = 24.0  # mean difference in grey levels, of 255
_STANDS_OUT = 2.5  # times the middle difference around it


@dataclass(frozen=True, eq=False)
class Glances:
    """N small pictures.

    Attributes:
        seconds: float64 `(N,)`, when each was looked at, evenly spaced.
        grey: uint8 `(N, H, W)`.
        step: seconds between two.
        start: seconds at which the stretch begins.
        end: seconds at which it ends.
    """

    seconds: NDArray[np.float64]
    grey: NDArray[np.uint8]
    step: float
    start: float
    end: float

    def begin(self, place: int) -> float:
        """Return when what is first seen in glance `place` begins: in the middle of the gap."""
        return self.start if place == 0 else float(self.seconds[place]) - self.step / 2

    def stop(self, place: int) -> float:
        """Return when what is last seen in glance `place` ends."""
        last = place == len(self.seconds) - 1
        return self.end if last else float(self.seconds[place]) + self.step / 2


def take_glances(video: Video, start: float, end: float) -> Glances:
    """Look at a stretch every `STEP` seconds, at most `MOST` times.

    Args:
        video: the open video.
        start: seconds, in the video.
        end: seconds, after `start`.

    Raises:
        VideoError: if a frame cannot be decoded.
    """
    count = int(np.clip(np.ceil((end - start) / STEP), 1, MOST))
    step = (end - start) / count
    seconds = midpoints(start, end, count)
    height, width = video.frames_at([float(seconds[0])]).pixels.shape[1:3]
    size = fitted(height, width, _SIZE)
    grey = np.empty((count, *size), np.uint8)
    for first in range(0, count, _AT_ONCE):
        pixels = video.frames_at(seconds[first : first + _AT_ONCE].tolist(), size=size).pixels
        grey[first : first + _AT_ONCE] = pixels @ _GREY
    return Glances(seconds, grey, step, start, end)


def find_shots(glances: Glances) -> list[tuple[int, int]]:
    """Return the shots of a stretch, as half-open ranges of its glances.

    A cut is where most of the picture changes, and more than around it: the difference of two
    glances, averaged over blocks, is above `_CUT` and `_STANDS_OUT` times the median of the eight
    differences around it (as adaptive detectors compare a frame's difference with a moving mean).
    """
    if len(glances.grey) < 2:
        return [(0, len(glances.grey))]
    change = _block_changes(glances.grey).mean(axis=1)
    around = np.pad(change, 4, mode="reflect") if len(change) > 4 else change
    if len(change) > 4:
        windows = np.lib.stride_tricks.sliding_window_view(around, 9)
        usual = np.median(windows, axis=1)
    else:
        usual = np.full(len(change), np.median(change))
    cuts = np.flatnonzero((change > _CUT) & (change > _STANDS_OUT * usual)) + 1
    edges = [0, *cuts.tolist(), len(glances.grey)]
    return list(zip(edges[:-1], edges[1:], strict=True))


def find_looks(glances: Glances, least: float = 12.0) -> list[tuple[int, int]]:
    """Return runs of glances in which no block changes by more than `least` grey levels."""
    if len(glances.grey) < 2:
        return [(0, len(glances.grey))]
    changed = _block_changes(glances.grey).max(axis=1) > least
    edges = [0, *(np.flatnonzero(changed) + 1).tolist(), len(glances.grey)]
    return list(zip(edges[:-1], edges[1:], strict=True))


def _block_changes(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean difference of each block from one glance to the next, float32 `(N-1, B)`."""
    count, height, width = grey.shape
    rows, columns = max(1, height // _BLOCK), max(1, width // _BLOCK)
    tall, wide = height // rows, width // columns
    cut = grey[:, : rows * tall, : columns * wide].reshape(count, rows, tall, columns, wide)
    found = np.empty((count - 1, rows * columns), np.float32)
    for i in range(count - 1):
        apart = np.abs(cut[i + 1].astype(np.int16) - cut[i])
        found[i] = apart.mean(axis=(1, 3)).ravel()
    return found
