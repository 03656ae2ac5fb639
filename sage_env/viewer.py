"""The video of the running episode: opened once, looked at through `frames_at`, with its cost.

What a video returns is checked by `sage_env.frames`, beside the protocol that asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sage_env.argument_checks import is_whole
from sage_env.deadlines.timed_call import CALL_TIMEOUT
from sage_env.errors import VideoError, boundary
from sage_env.frames import Box, FrameBatch, Tolerance, check_batch, checked_duration
from sage_env.framing.frame_area import size_within
from sage_env.openers import FileOpener, Opener
from sage_env.picture_geometry import box_size
from sage_env.timeline import Span, midpoints, snapped
from sage_env.video.opened_video import OpenedVideo, SentVideo

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

    Copies and pickles leave the open video behind, and open it again when they need it. Threads may
    read at the same time: a tool's own, those that it has left behind.

    Attributes:
        size: `(H, W)` of the frames shown, the most of it where there is a budget of pixels.
        pixels, snap: as given.
        duration: seconds of the video.
        decode_seconds: wall time spent in the video since `open`.
        timeout: seconds for one call of a plug-in; `None` for no limit.
    """

    def __init__(
        self,
        size: tuple[int, int],
        opener: Opener | None = None,
        *,
        snap: bool = False,
        timeout: float | None = CALL_TIMEOUT,
        pixels: int | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            size: `(H, W)` of the frames shown.
            opener: of videos; by default `FileOpener`.
            snap: whether looks are at times of a grid that all share, instead of midpoints.
            timeout: seconds that opening a video, one read and closing it may take; `None` for no
                limit. Openers and videos that are `self_timed` have their own.
            pixels: most pixels of a frame, whose size is then its picture's own within `size`;
                `None` for frames of one size. See `sage_env.framing.frame_area`.
        """
        self.size, self.pixels, self.snap = size, pixels, snap
        self.duration = 0.0
        self.decode_seconds = 0.0
        self._opener = opener or FileOpener()
        self.timeout = timeout
        self._opened_video: OpenedVideo | None = None
        self._path: Path | None = None
        self._decoded, self._cached = _Count("decoded"), _Count("hits")
        self._period = 0  # grows when a video is opened or closed: a `VideoView` is for one

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs, which the open video is not: it can open it again."""
        counts = {name: getattr(self, name).closed(self._video) for name in ("_decoded", "_cached")}
        return {**vars(self), "_opened_video": None, **counts}

    @property
    def _video(self) -> Video | None:
        return None if self._opened_video is None else self._opened_video.video

    def open(self, path: Path) -> None:
        """Open the video at `path` and start counting its cost anew.

        Raises:
            VideoError: if it cannot be opened, or its duration is not sensible.
        """
        if path != self._path:
            self.close()
        self._path, self._period = path, self._period + 1
        video = self._opened().video
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
        """Return the distinct ones among evenly spaced frames of a stretch, of one size.

        Args:
            span: the stretch, in seconds.
            num_frames: how many times are looked at; a picture on screen at several is there once.
            box: the region to show; `None` for the whole picture.
            tolerance: seconds by which frames may be off, for videos whose `frames_at` takes it.

        Raises:
            VideoError: as `read`.
        """
        times = (snapped if self.snap else midpoints)(*span, num_frames).tolist()
        more = {"tolerance": tolerance} if tolerance else {}
        batch = self.read(times, self.look_size(box), box, **more)
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
        return self._read(self._opened_or_closed(), seconds, size, box, **more)

    def view(self) -> VideoView:
        """Return the open video for others to read, until it is closed or the view is ended."""
        return VideoView(self, self._opened())

    @contextmanager
    def lending(self) -> Iterator[Callable[[], VideoView]]:
        """Lend the video to others in the block: what is given is `view`, whose views end there."""
        lent: list[VideoView] = []

        def view() -> VideoView:
            lent.append(self.view())
            return lent[-1]

        try:
            yield view
        finally:
            for each in lent:
                each.end()

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
        """Return `(H, W)` of the video's own pictures; `None` where it does not say.

        Raises:
            VideoError: if asking for it fails.
        """
        with boundary(VideoError, f"{self._path}: the size of its pictures cannot be read"):
            size: Any = getattr(self._video, "size", None)
        says = isinstance(size, tuple) and len(size) == 2
        return size if says and all(is_whole(x) and x > 0 for x in size) else None

    def close(self) -> None:
        """Close the video, if one is open; another thread that reads it does so when it ends.

        Raises:
            VideoError: if it cannot be closed.
        """
        opened = self._let_go()
        if opened is not None:
            opened.close()

    def _let_go(self) -> OpenedVideo | None:
        """Return the open video, which is now another's to close; the next look opens it anew."""
        self._period += 1
        opened, video = self._opened_video, self._video
        self._decoded, self._cached = self._decoded.closed(video), self._cached.closed(video)
        self._opened_video = None
        return opened

    def _read(
        self,
        opened: OpenedVideo,
        seconds: Sequence[float],
        size: tuple[int, int] | None,
        box: Box | None,
        **more: Any,
    ) -> FrameBatch:
        """Return frames of a video, and count what they cost if it is still the one shown.

        Args:
            opened: the video, which is closed if it fails.
            seconds: as in `read`, as are the others.
            size: of the pictures.
            box: the region to show.
            **more: what the video takes beside the protocol.
        """
        began = time.perf_counter()
        try:
            batch = opened.frames_at(seconds, size, box, more)
            law = f"{opened.path}: frames_at must return"
            check_batch(batch, law, count=len(seconds), size=size, duration=self.duration)
        except Exception:
            if self._opened_video is opened:
                self.close()
            raise
        if self._opened_video is opened:
            self.decode_seconds += time.perf_counter() - began
        return batch

    def look_size(self, box: Box | None) -> tuple[int, int]:
        """Return `(H, W)` of the frames of a look at a box, or at the whole picture."""
        if self.pixels is None:
            return self.size
        self._opened_or_closed()  # a video says its size while it is open
        return size_within(self.pixels, self.size, *box_size(box, *(self.native_size or self.size)))

    def _opened_or_closed(self) -> OpenedVideo:
        """Return the open video; where it cannot be opened, nothing is left open."""
        try:
            return self._opened()
        except Exception:
            self.close()
            raise

    def _opened(self) -> OpenedVideo:
        """Return the open video, which may have to be opened first."""
        if self._opened_video is None:
            if self._path is None:
                raise RuntimeError("look before open")
            self._opened_video = OpenedVideo.open(self._opener, self._path, self.timeout)
            video = self._opened_video.video
            self._decoded, self._cached = self._decoded.opened(video), self._cached.opened(video)
        return self._opened_video


class VideoView:
    """A `Video` that is another's to close: the one of the running episode, as a tool sees it.

    It ends with the tool's call: a thread that the tool leaves behind gets a `VideoError` at its
    next read, and disturbs nobody. A pickle of it opens the file anew where it is read.

    Attributes:
        duration: seconds.
        fps: average frames per second.
    """

    def __init__(self, viewer: Viewer, opened: OpenedVideo) -> None:
        """Show what `viewer` has open; what is read counts there."""
        self._viewer = viewer
        self._opened: OpenedVideo | None = opened
        self._period = viewer._period
        self.duration = viewer.duration
        with boundary(VideoError, f"{opened.path}: its frame rate cannot be read"):
            self.fps = float(opened.video.fps)

    def __reduce__(self) -> tuple[type[SentVideo], tuple[Any, ...]]:
        """Say how to make a copy: it opens the file for itself."""
        viewer = self._viewer
        return SentVideo, (viewer._opener, viewer._path, self.duration, self.fps)

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
    ) -> FrameBatch:
        """Return the frames on screen at the given times; see `sage_env.video.Video`.

        Raises:
            VideoError: if they cannot be had, or the call is over.
        """
        opened = self._opened
        if opened is None or self._viewer._period != self._period:
            raise VideoError(
                "this video was for one call, which is over, of an earlier turn or of an earlier "
                "episode: do not keep it, and let no thread outlive the call"
            )
        return self._viewer._read(opened, seconds, size, box)

    def close(self) -> None:
        """Do nothing: the environment closes the video."""

    def end(self) -> None:
        """Let nobody read any more; a read that is running gets a video of its own."""
        opened, self._opened = self._opened, None
        if opened is not None and opened.is_read and self._viewer._opened_video is opened:
            self._viewer.close()
