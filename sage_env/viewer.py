"""The video of the running episode: opened once, looked at through `frames_at`, with its cost.

What a video returns is checked by `sage_env.frames`, beside the protocol that asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sage_env.errors import VideoError, boundary
from sage_env.frames import Box, FrameBatch, Tolerance, check_batch, checked_duration
from sage_env.openers import Opener, open_file
from sage_env.timeline import Span, midpoints, snapped

if TYPE_CHECKING:
    from sage_env.frames import Video


@dataclass(frozen=True)
class _Count:
    """A running count of a video, such as `stats.decoded`, over all the times it was opened.

    | the video | then |
    |---|---|
    | is opened for a new episode | `_Count(name).opened(video)`: counts from 0 |
    | is closed, or left behind by a copy | `count.closed(video)`: keeps its total |
    | is opened again for the same episode | `count.opened(video)`: goes on from the total |

    Attributes:
        name: of the count in the video's `stats`.
        base: what is added to what the open video counts; `None` where a video did not count.
    """

    name: str
    base: int | None = 0

    def total(self, video: Video | None) -> int | None:
        """Return the count so far; `None` where a video did not count."""
        return self.base if video is None else self._plus(video, 1)

    def opened(self, video: Video) -> _Count:
        """Leave out what the video has counted by now, for others or for an earlier episode."""
        return replace(self, base=self._plus(video, -1))

    def closed(self, video: Video | None) -> _Count:
        """Keep the total, without the video."""
        return replace(self, base=self.total(video))

    def _plus(self, video: Video, sign: int) -> int | None:
        count: int | None = getattr(getattr(video, "stats", None), self.name, None)
        return None if count is None or self.base is None else self.base + sign * count


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
        """Open nothing yet.

        Args:
            size: `(H, W)` of the frames shown.
            opener: of videos; by default `sage_env.video.open_video`.
            snap: whether looks are at times of a grid that all share, instead of midpoints.
        """
        self.size = size
        self.duration = 0.0
        self.decode_seconds = 0.0
        self._opener = opener or open_file
        self._times = snapped if snap else midpoints
        self._video: Video | None = None
        self._path: Path | None = None
        self._decoded, self._cached = _Count("decoded"), _Count("hits")
        self._period = 0  # grows when a video is opened or closed: a `VideoView` is for one

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs, which the open video is not: it can open it again."""
        counts = {name: getattr(self, name).closed(self._video) for name in ("_decoded", "_cached")}
        return {**vars(self), "_video": None, **counts}

    def open(self, path: Path) -> None:
        """Open the video at `path` and start counting its cost anew.

        Raises:
            VideoError: if it cannot be opened, or its duration is not sensible.
        """
        if path != self._path:
            self.close()
        self._path, self._period = path, self._period + 1
        video = self._opened()
        try:
            self.duration = checked_duration(video, path)
        except VideoError:
            self.close()
            raise
        self.decode_seconds = 0.0
        self._decoded = _Count("decoded").opened(video)
        self._cached = _Count("hits").opened(video)

    def look(
        self, span: Span, num_frames: int, box: Box | None = None, tolerance: Tolerance = 0.0
    ) -> FrameBatch:
        """Return the distinct ones among evenly spaced frames of a stretch.

        Args:
            span: the stretch, in seconds.
            num_frames: how many times are looked at; a picture on screen at several is there once.
            box: the region to show; `None` for the whole picture.
            tolerance: seconds by which frames may be off, for videos whose `frames_at` takes it.

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

        Args:
            seconds: the times.
            size: `(H, W)` of the pictures; `None` for native pixels.
            box: the region to show; `None` for the whole picture.
            **more: what the video takes beside the protocol.

        Raises:
            VideoError: if they cannot be had, or are not what was asked for; the video is closed
                then.
        """
        began = time.perf_counter()
        try:
            video = self._opened()
            with boundary(VideoError, f"{self._path}: its frames cannot be read"):
                batch = video.frames_at(seconds, size=size, box=box, **more)
            law = f"{self._path}: frames_at must return"
            check_batch(batch, law, count=len(seconds), size=size, duration=self.duration)
        except Exception:
            self.close()
            raise
        self.decode_seconds += time.perf_counter() - began
        return batch

    def view(self) -> VideoView:
        """Return the open video for others to read, until the next `open` or `close`."""
        return VideoView(self)

    @property
    def frames_decoded(self) -> int | None:
        """Return the pictures decoded since `open`; `None` where the video does not count them."""
        return self._decoded.total(self._video)

    @property
    def frames_cached(self) -> int | None:
        """Return the pictures that a cache gave since `open`; `None` where nobody counts them."""
        return self._cached.total(self._video)

    @property
    def native_size(self) -> tuple[int, int] | None:
        """Return `(H, W)` of the video's own pictures; `None` where it does not say."""
        size: tuple[int, int] | None = getattr(self._video, "size", None)
        return size

    def close(self) -> None:
        """Close the video, if one is open."""
        self._period += 1
        if self._video is not None:
            video, self._video = self._video, None
            self._decoded, self._cached = self._decoded.closed(video), self._cached.closed(video)
            with boundary(VideoError, f"{self._path}: it cannot be closed"):
                video.close()

    def _opened(self) -> Video:
        """Return the open video, which may have to be opened first."""
        if self._video is None:
            if self._path is None:
                raise RuntimeError("look before open")
            with boundary(VideoError, f"{self._path}: it cannot be opened"):
                self._video = self._opener(self._path)
            video = self._video
            self._decoded, self._cached = self._decoded.opened(video), self._cached.opened(video)
        return self._video


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
