"""Openers, the functions `path -> Video` of an episode: of files, of stretches, or the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sage_env.deadlines.timed_call import CALL_TIMEOUT
from sage_env.errors import VideoError
from sage_env.timeline import Span

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


_STRETCHES = "#t="
"""What stands between a video's name and the stretches of it that may be seen, as in the temporal
fragments of W3C's "Media Fragments URI 1.0", section 4.2.1; ours may be several."""


def restricted_path(video: Path, spans: Sequence[Span]) -> Path:
    """Return the path by which a `RestrictedOpener` opens some stretches of a video alone.

    >>> restricted_path(Path("talk.mp4"), [(1.5, 4.0), (8.0, 9.0)]).as_posix()
    'talk.mp4#t=1.5,4.0;8.0,9.0'
    """
    told = ";".join(f"{float(start)!r},{float(end)!r}" for start, end in spans)
    return video.with_name(f"{video.name}{_STRETCHES}{told}")


def read_restricted(path: Path) -> tuple[Path, tuple[Span, ...]]:
    """Return the video and the stretches of a path that `restricted_path` has made.

    Raises:
        VideoError: if it is another path.
    """
    name, mark, told = path.name.rpartition(_STRETCHES)
    try:
        if not mark:
            raise ValueError("it names no stretch")
        pairs = [pair.split(",") for pair in told.split(";")]
        return path.with_name(name), tuple((float(start), float(end)) for start, end in pairs)
    except ValueError as error:
        raise VideoError(
            f"{path}: no stretches of a video ({error}): make such a path by restricted_path"
        ) from None


@dataclass(frozen=True)
class RestrictedOpener:
    """Opens stretches of videos, by paths of `restricted_path`, as `RestrictedVideo`.

    Attributes:
        opener: opens the whole videos.
    """

    opener: Opener = field(default_factory=FileOpener)

    @property
    def self_timed(self) -> bool:
        """Return whether opening and reading ends in time by itself, as it does for files."""
        return bool(getattr(self.opener, "self_timed", False))

    def __call__(self, path: Path) -> Video:
        """Open the stretches.

        Raises:
            VideoError: if the video cannot be opened, or no frame begins in the stretches.
        """
        from sage_env.video.restricted_video import RestrictedVideo

        whole, spans = read_restricted(path)
        video = self.opener(whole)
        try:
            return RestrictedVideo(video, spans)
        except BaseException:
            video.close()
            raise


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
