"""A video that was opened, of whatever kind: read by one thread at a time, within a deadline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sage_env.deadlines.timed_call import timed_call
from sage_env.errors import DecodeTimeout, VideoError, boundary
from sage_env.frames import Box, FrameBatch, Video
from sage_env.video.read_turns import ReadTurns


class OpenedVideo:
    """A video and who may use it, when.

    Reads come one after the other. Closing waits for none: the read that is running closes the
    video at its end. A video whose read took too long is left to the thread that hangs in it.

    Attributes:
        video: the video.
        path: where from.
    """

    def __init__(self, video: Video, path: Path, timeout: float | None) -> None:
        """Take over a video.

        Args:
            video: the video; if it is `self_timed`, its own deadlines hold.
            path: where from, for messages.
            timeout: seconds for one read, and for closing it; `None` for no limit.
        """
        self.video = video
        self.path = path
        self._wait = timeout
        self._timeout = None if getattr(video, "self_timed", False) else timeout
        self._turns = ReadTurns(self._close)
        self._hangs = False
        self._closed = False

    @classmethod
    def open(
        cls, opener: Callable[[Path], Video], path: Path, timeout: float | None
    ) -> OpenedVideo:
        """Open a video.

        Args:
            opener: opens it; if it is `self_timed`, its own deadline holds.
            path: where it is.
            timeout: seconds for opening it, and for each read; `None` for no limit.

        Raises:
            DecodeTimeout: if it takes too long.
            VideoError: if it cannot be opened.
        """
        limit = None if getattr(opener, "self_timed", False) else timeout
        with boundary(VideoError, f"{path}: it cannot be opened"):
            video = timed_call(opener, (path,), limit, DecodeTimeout, f"{path}: opening it")
        return cls(video, path, timeout)

    @property
    def is_read(self) -> bool:
        """Return whether a thread reads it now."""
        return self._turns.taken

    def frames_at(
        self,
        seconds: Sequence[float],
        size: tuple[int, int] | None,
        box: Box | None,
        more: Mapping[str, Any],
    ) -> FrameBatch:
        """Return what the video's `frames_at` does, unchecked.

        Args:
            seconds: the times.
            size: `(H, W)` of the pictures; `None` for native pixels.
            box: the region to show; `None` for the whole picture.
            more: what the video takes beside the protocol.

        Raises:
            DecodeTimeout: if it takes too long.
            VideoError: if the video fails, or was closed meanwhile.
        """
        doing = f"{self.path}: reading it"
        with (
            self._turns.reading(self._wait, doing),
            boundary(VideoError, f"{self.path}: its frames cannot be read"),
        ):
            if self._closed:
                raise VideoError(f"{doing} failed: it was closed by another thread")
            read = partial(self.video.frames_at, seconds, size=size, box=box, **more)
            if self._timeout is None:
                return read()
            return self._timed(read, doing)

    def close(self) -> None:
        """Close the video for good, now or when the read that is running ends.

        Raises:
            VideoError: if it cannot be closed now.
        """
        self._closed = True
        self._turns.close()

    def _timed(self, read: Callable[[], FrameBatch], doing: str) -> FrameBatch:
        """Read within the time, or leave the video to the thread that hangs in it."""
        ended: list[bool] = []

        def noted() -> FrameBatch:
            try:
                return read()
            finally:
                ended.append(True)
                if self._hangs:
                    with suppress(Exception):
                        self.video.close()

        try:
            batch: FrameBatch = timed_call(noted, (), self._timeout, DecodeTimeout, doing)
        finally:
            self._hangs = not ended
        return batch

    def _close(self) -> None:
        if not self._hangs:
            doing = f"{self.path}: closing it"
            with boundary(VideoError, f"{self.path}: it cannot be closed"):
                timed_call(self.video.close, (), self._timeout, DecodeTimeout, doing)


class SentVideo:
    """The `Video` of another process: opened here when it is first read.

    Attributes:
        duration: seconds.
        fps: average frames per second.
    """

    def __init__(
        self, opener: Callable[[Path], Video], path: Path, duration: float, fps: float
    ) -> None:
        """Open nothing yet.

        Args:
            opener: opens the video.
            path: where it is.
            duration: what the other process found.
            fps: likewise.
        """
        self.duration, self.fps = duration, fps
        self._opener, self._path = opener, path
        self._video: Video | None = None

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
    ) -> FrameBatch:
        """Return the frames on screen at the given times; see `sage_env.video.Video`."""
        if self._video is None:
            self._video = self._opener(self._path)
        return self._video.frames_at(seconds, size=size, box=box)

    def close(self) -> None:
        """Close the video if it was opened."""
        if self._video is not None:
            self._video.close()
