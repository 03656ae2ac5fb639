"""Openers, the functions `path -> Video` of an episode: of files by default, or the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sage_env.deadlines.timed_call import CALL_TIMEOUT

if TYPE_CHECKING:
    from sage_env.frames import Video

Opener = Callable[[Path], "Video"]


def open_file(path: str | Path) -> Video:
    """Open a video as `sage_env.video.open_video` does, which is imported when the first is opened.

    Raises:
        VideoError: if it cannot be opened.
    """
    from sage_env.video.video_file import open_video

    return open_video(path)


@dataclass(frozen=True)
class FileOpener:
    """Opens video files for episodes that share what they look at.

    Attributes:
        folder: of a `FrameStore` (`sage_env.video.cache`), through which processes share pictures;
            `None` for the cache of this process alone.
        prefetch: see `sage_env.video.open_video`.
        timeout: seconds that opening, and then each read, may take; `None` for no limit.
        self_timed: true: it ends in time by itself, and so do its videos.
    """

    folder: str | None = None
    prefetch: bool = False
    timeout: float | None = CALL_TIMEOUT
    self_timed: ClassVar[bool] = True

    def __call__(self, path: str | Path) -> Video:
        """Open the video at `path`.

        Raises:
            VideoError: if it cannot be opened.
        """
        from sage_env.video.cache.process_cache import shared_cache
        from sage_env.video.video_file import open_video

        return open_video(
            path,
            cache=shared_cache(self.folder),
            prefetch=self.prefetch,
            timeout=self.timeout,
        )


def find_opener(
    opener: Opener | None,
    folder: str | Path | None,
    *,
    snap: bool = False,
    timeout: float | None = CALL_TIMEOUT,
) -> Opener | None:
    """Return what opens videos: `opener` if there is one, `None` for the usual way.

    Args:
        opener: the user's.
        folder: through which processes share pictures.
        snap: whether looks are at times of a shared grid: frames for closer ones are kept then.
        timeout: seconds that a call of a plug-in may take; `None` for no limit. Files get 120 at
            least: a short one is meant for plug-ins, and reading a file hours long takes a while.

    Raises:
        ValueError: if both `opener` and `folder` are given.
    """
    if opener is None:
        where = None if folder is None else str(Path(folder).absolute())
        limit = None if timeout is None else max(timeout, CALL_TIMEOUT)
        chosen = FileOpener(where, snap, limit)
        return None if chosen == FileOpener() else chosen
    if folder is not None:
        raise ValueError(
            "frame_store is for videos that the environment opens itself: leave it out, and give "
            "the videos of your opener a FrameCache with a FrameStore"
        )
    return opener
