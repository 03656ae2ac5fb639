"""The video of the running episode: opened once, looked at through `frames_at`, with its cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sage_env.errors import VideoError
from sage_env.frames import Box, FrameBatch
from sage_env.timeline import Span, midpoints

if TYPE_CHECKING:
    from sage_env.video import Video

Opener = Callable[[Path], "Video"]


class Viewer:
    """Shows frames of one video at a time. A video stays open while the next is the same one.

    Attributes:
        size: `(H, W)` of the frames shown.
        duration: seconds of the open video.
        decode_seconds: wall time spent in the video since `open`.
    """

    def __init__(self, size: tuple[int, int], opener: Opener | None = None) -> None:
        """Show frames of `size`; `opener` is by default `sage_env.video.open_video`."""
        self.size = size
        self.duration = 0.0
        self.decode_seconds = 0.0
        self._opener = opener
        self._video: Video | None = None
        self._path: Path | None = None
        self._decoded_before: int | None = None

    def open(self, path: Path) -> None:
        """Open the video at `path` and start counting its cost anew.

        Raises:
            VideoError: if it cannot be opened, or has no duration.
        """
        if self._video is None or path != self._path:
            self.close()
            if self._opener is None:
                from sage_env.video import open_video

                self._opener = open_video
            self._video, self._path = self._opener(path), path
        duration = self._video.duration
        if not (math.isfinite(duration) and duration > 0):
            raise VideoError(f"{path}: a video must have a duration > 0 seconds, got {duration}")
        self.duration = float(duration)
        self.decode_seconds = 0.0
        self._decoded_before = _decoded(self._video)

    def look(self, span: Span, num_frames: int, box: Box | None = None) -> FrameBatch:
        """Return the distinct ones among `num_frames` evenly spaced frames of `span`.

        Raises:
            VideoError: if they cannot be decoded; the video is closed then.
        """
        if self._video is None:
            raise RuntimeError("look before open")
        began = time.perf_counter()
        try:
            times = midpoints(*span, num_frames).tolist()
            batch = self._video.frames_at(times, size=self.size, box=box)
        except Exception:
            self.close()
            raise
        self.decode_seconds += time.perf_counter() - began
        if batch.pixels.shape[:3] != (num_frames, *self.size):
            raise VideoError(
                f"{self._path}: frames_at must return one frame per time, of the size asked for: "
                f"expected {(num_frames, *self.size, 3)}, got {batch.pixels.shape}"
            )
        seconds, first = np.unique(batch.seconds, return_index=True)
        return FrameBatch(batch.pixels[first], seconds)

    @property
    def frames_decoded(self) -> int | None:
        """Return the pictures decoded since `open`; `None` where the video does not count them."""
        decoded = _decoded(self._video)
        if decoded is None or self._decoded_before is None:
            return None
        return decoded - self._decoded_before

    def close(self) -> None:
        """Close the video, if one is open."""
        if self._video is not None:
            self._video.close()
        self._video = self._path = None


def _decoded(video: Video | None) -> int | None:
    """Return a video's own running count, `video.stats.decoded`, if it has one."""
    decoded: int | None = getattr(getattr(video, "stats", None), "decoded", None)
    return decoded
