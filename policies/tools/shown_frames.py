"""Frames of a video as a tool shows them to a model: each after its own time, none twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policies.tools.seeing_model import Part
from sage_env.frames import FrameBatch, Video
from sage_env.picture_geometry import fitted
from sage_env.wrappers.chat_space import encoded_picture


def shown_frames(video: Video, times: Sequence[float], side: int) -> list[Part]:
    """Return the parts of a request that show the frames on screen at some times.

    Args:
        video: the open video.
        times: seconds, at least one.
        side: pixels; larger frames are made smaller, until no side is longer.

    Raises:
        VideoError: if a frame cannot be decoded.
    """
    parts: list[Part] = []
    batch = _frames(video, times, side)
    for second, pixels in zip(batch.seconds, batch.pixels, strict=True):
        parts += [f"<{second:.1f} seconds>", encoded_picture(pixels, "jpeg")]
    return parts


def _frames(video: Video, times: Sequence[float], side: int) -> FrameBatch:
    """Return the frames on screen at these times, once each, no side longer than `side`."""
    first = video.frames_at(times[:1])
    height, width = first.pixels.shape[1:3]
    size = None if max(height, width) <= side else fitted(height, width, (side, side))
    return _without_repeats(video.frames_at(times, size=size))


def _without_repeats(batch: FrameBatch) -> FrameBatch:
    """Return the frames of a batch without those that have the same time as the one before."""
    new: NDArray[np.bool_] = np.diff(batch.seconds, prepend=-1.0) > 0
    return FrameBatch(batch.pixels[new], batch.seconds[new], batch.index[new], batch.exact[new])
