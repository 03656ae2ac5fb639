"""The video of the running episode: opened once, looked at through `frames_at`, with its cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sage_env.errors import VideoError, boundary
from sage_env.frames import Box, FrameBatch, Tolerance
from sage_env.openers import Opener
from sage_env.timeline import Span, midpoints, snapped

if TYPE_CHECKING:
    from sage_env.frames import Video


MAX_DURATION = 1e6
"""Longest video in seconds, over eleven days; float32 tells moments 1/16 s apart up to there."""


class Viewer:
    """Shows frames of one video at a time. A video stays open while the next is the same one.

    Copies and pickles leave the open video behind, and open it again when they need it.

    Attributes:
        size: `(H, W)` of the frames shown.
        duration: seconds of the video.
        decode_seconds: wall time spent in the video since `open`.
    """

    def __init__(
        self, size: tuple[int, int], opener: Opener | None = None, *, snap: bool = False
    ) -> None:
        """Show frames of `size`, at midpoints, or with `snap` at times of a shared grid.

        `opener` is by default `sage_env.video.open_video`.
        """
        self.size = size
        self.duration = 0.0
        self.decode_seconds = 0.0
        self._opener = opener
        self._times = snapped if snap else midpoints
        self._video: Video | None = None
        self._path: Path | None = None
        # To be added to what the open video has counted.
        self._decoded_before: int | None = 0
        self._cached_before: int | None = 0
        self._period = 0  # grows when a video is opened or closed

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs, which the open video is not: it can open it again."""
        before = {"_decoded_before": self.frames_decoded, "_cached_before": self.frames_cached}
        return {**vars(self), "_video": None, **before}

    def open(self, path: Path) -> None:
        """Open the video at `path` and start counting its cost anew.

        Raises:
            VideoError: if it cannot be opened, or its duration is not sensible.
        """
        if path != self._path:
            self.close()
        self._path, self._period = path, self._period + 1
        video = self._opened()
        with boundary(VideoError, f"{path}: its duration cannot be read"):
            duration = float(video.duration)
        if not 0 < duration <= MAX_DURATION:
            self.close()
            raise VideoError(
                f"{path}: a video must have a duration > 0 and at most {MAX_DURATION:.0f} seconds, "
                f"got {duration}: cut it, or write it anew"
            )
        self.duration = duration
        self.decode_seconds = 0.0
        self._decoded_before = _difference(0, _count(video, "decoded"))
        self._cached_before = _difference(0, _count(video, "hits"))

    def look(
        self, span: Span, num_frames: int, box: Box | None = None, tolerance: Tolerance = 0.0
    ) -> FrameBatch:
        """Return the distinct ones among `num_frames` evenly spaced frames of `span`.

        With a tolerance, which not all videos take, they may be others near by.

        Raises:
            VideoError: as `read`.
        """
        times = self._times(*span, num_frames).tolist()
        more = {"tolerance": tolerance} if tolerance else {}
        batch = self.read(times, self.size, box, **more)
        if (batch.seconds[1:] > batch.seconds[:-1]).all():
            return batch
        seconds, first = np.unique(batch.seconds, return_index=True)
        return FrameBatch(batch.pixels[first], seconds, batch.index[first], batch.exact[first])

    def read(
        self,
        seconds: Sequence[float],
        size: tuple[int, int] | None = None,
        box: Box | None = None,
        **more: Any,
    ) -> FrameBatch:
        """Return the frames on screen at the given times, as `Video.frames_at` does.

        `more` is what the video takes beside the protocol.

        Raises:
            VideoError: if they cannot be had, or are not what was asked for; the video is closed
                then.
        """
        began = time.perf_counter()
        try:
            video = self._opened()
            with boundary(VideoError, f"{self._path}: its frames cannot be read"):
                batch: Any = video.frames_at(seconds, size=size, box=box, **more)
            self._check(batch, len(seconds), size)
        except Exception:
            self.close()
            raise
        self.decode_seconds += time.perf_counter() - began
        read: FrameBatch = batch
        return read

    def view(self) -> VideoView:
        """Return the open video for others to read, until the next `open` or `close`."""
        return VideoView(self)

    @property
    def frames_decoded(self) -> int | None:
        """Return the pictures decoded since `open`; `None` where the video does not count them."""
        return self._counted("decoded", self._decoded_before)

    @property
    def frames_cached(self) -> int | None:
        """Return the pictures that a cache gave since `open`; `None` where nobody counts them."""
        return self._counted("hits", self._cached_before)

    @property
    def native_size(self) -> tuple[int, int] | None:
        """Return `(H, W)` of the video's own pictures; `None` where it does not say."""
        size: tuple[int, int] | None = getattr(self._video, "size", None)
        return size

    def close(self) -> None:
        """Close the video, if one is open."""
        self._period += 1
        if self._video is not None:
            self._decoded_before, self._cached_before = self.frames_decoded, self.frames_cached
            video, self._video = self._video, None
            with boundary(VideoError, f"{self._path}: it cannot be closed"):
                video.close()

    def _opened(self) -> Video:
        """Return the open video, which may have to be opened first."""
        if self._video is None:
            if self._path is None:
                raise RuntimeError("look before open")
            if self._opener is None:
                from sage_env.video.video_file import open_video

                self._opener = open_video
            with boundary(VideoError, f"{self._path}: it cannot be opened"):
                self._video = self._opener(self._path)
            video = self._video
            self._decoded_before = _difference(self._decoded_before, _count(video, "decoded"))
            self._cached_before = _difference(self._cached_before, _count(video, "hits"))
        return self._video

    def _counted(self, name: str, before: int | None) -> int | None:
        """Return a count since `open`: what the open video counts, on top of `before`."""
        if self._video is None or before is None:
            return before
        return _difference(_count(self._video, name), -before)

    def _check(self, batch: Any, count: int, size: tuple[int, int] | None) -> None:
        """Check what a video returned, so that no wrong observation comes of it."""
        law = f"{self._path}: frames_at must return"
        if not isinstance(batch, FrameBatch):
            raise VideoError(f"{law} a FrameBatch, got {type(batch).__name__}")
        got = batch.pixels.shape
        expected = (count, *(size or got[1:3]), 3)
        if got != expected:
            raise VideoError(
                f"{law} one frame per time, of the size asked for: expected {expected}, got {got}"
            )
        if count and not 0 <= batch.seconds[0] <= batch.seconds[-1] < self.duration:
            shown = f"from {batch.seconds[0]} to {batch.seconds[-1]} s"
            raise VideoError(f"{law} frames of [0, {self.duration}) s, got them {shown}")


class VideoView:
    """A `Video` that is another's to close: the one of the running episode, as tools see it.

    Attributes:
        duration: seconds.
        fps: average frames per second.
    """

    def __init__(self, viewer: Viewer) -> None:
        """Show what `viewer` has open; what is read counts there."""
        self._viewer = viewer
        self._period = viewer._period
        self.duration = viewer.duration
        with boundary(VideoError, f"{viewer._path}: its frame rate cannot be read"):
            self.fps = float(viewer._opened().fps)

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
    ) -> FrameBatch:
        """Return the frames on screen at the given times; see `sage_env.video.Video`.

        Raises:
            VideoError: if they cannot be had, or the episode is over.
        """
        if self._period != self._viewer._period:
            raise VideoError("this video was for the turn of an earlier episode: do not keep it")
        return self._viewer.read(seconds, size, box)

    def close(self) -> None:
        """Do nothing: the environment closes the video."""


def _count(video: Video, name: str) -> int | None:
    """Return a video's own running count, such as `video.stats.decoded`, if it has one."""
    count: int | None = getattr(getattr(video, "stats", None), name, None)
    return count


def _difference(count: int | None, other: int | None) -> int | None:
    return None if count is None or other is None else count - other
