"""Dataset and videos of environments side by side: files made once, equal requests coalesced."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, overload

from sage_env.datasets.item import QAItem
from sage_env.frames import Box, FrameBatch
from sage_env.openers import FileOpener, Opener

if TYPE_CHECKING:
    from sage_env.frames import Video


class KeyedLock:
    """A lock per key, there while someone holds it or waits for it."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._guard = Lock()
        self._locks: dict[Hashable, _Counted] = {}

    def __reduce__(self) -> tuple[type[KeyedLock], tuple[()]]:
        """Say how to make a copy: as a new one, for nobody is waiting there."""
        return KeyedLock, ()

    def __len__(self) -> int:
        """Return the number of keys that are held or waited for."""
        return len(self._locks)

    @contextmanager
    def holding(self, key: Hashable) -> Iterator[None]:
        """Keep others with an equal key out of the block."""
        with self._guard:
            counted = self._locks.setdefault(key, _Counted())
            counted.users += 1
        try:
            with counted.lock:
                yield
        finally:
            with self._guard:
                counted.users -= 1
                if not counted.users:
                    del self._locks[key]


@dataclass
class _Counted:
    lock: Lock = field(default_factory=Lock)
    users: int = 0


class SharedDataset(Sequence[QAItem]):
    """A dataset whose `prepare` makes each file once, also when several threads ask for it."""

    def __init__(self, items: Sequence[QAItem]) -> None:
        """Wrap a dataset; its further attributes are passed through."""
        self._items = items
        self._making = KeyedLock()

    def __getattr__(self, name: str) -> Any:
        """Return what the dataset has beside its items, such as `frame_size`."""
        if name == "_items" or name.startswith("__"):  # a copy is asked before it has its items
            raise AttributeError(name)
        return getattr(self._items, name)

    def prepare(self, item: QAItem) -> None:
        """Have the dataset make the item's file, if it makes files."""
        prepare = getattr(self._items, "prepare", None)
        if prepare is not None:
            with self._making.holding(item.video):
                prepare(item)

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> QAItem: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[QAItem]: ...

    def __getitem__(self, index: int | slice) -> QAItem | Sequence[QAItem]:
        """Return one question, or several."""
        return self._items[index]


class SharedOpener:
    """Opens videos for many threads, and coalesces their equal requests (single-flight).

    A file is scanned by one thread at a time. Of equal requests, such as the overview of one
    question in many environments, the first decodes, and the others then find the pictures in the
    frame cache. Requests that differ run side by side.

    Attributes:
        self_timed: whether the opener ends in time by itself.
    """

    def __init__(self, opener: Opener | None = None) -> None:
        """Open nothing yet; `opener` is by default `sage_env.video.open_video`."""
        self._opener = opener or FileOpener()
        self.self_timed = getattr(self._opener, "self_timed", False)
        self._opening = KeyedLock()
        self._reading = KeyedLock()

    def __call__(self, path: str | Path) -> Video:
        """Open the video at `path`.

        Raises:
            VideoError: if it cannot be opened.
        """
        path = Path(path)
        with self._opening.holding(path):
            return SharedVideo(self._opener(path), path, self._reading)


class SharedVideo:
    """The video of one environment; equal requests for its file wait for each other.

    Attributes:
        duration: seconds.
        fps: average frames per second.
    """

    def __init__(self, video: Video, path: Path, reading: KeyedLock) -> None:
        """Wrap a video; its further attributes are passed through.

        Args:
            video: the video.
            path: of its file, by which requests are compared.
            reading: the requests that are running, one object for all videos.
        """
        self.duration, self.fps = video.duration, video.fps
        self._video, self._path, self._reading = video, path, reading

    def __getattr__(self, name: str) -> Any:
        """Return what the video has beside the protocol, such as `stats`."""
        if name == "_video" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._video, name)

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
        **more: Any,
    ) -> FrameBatch:
        """Return the frames on screen at the given times; see `sage_env.video.Video`.

        `more` is what the video takes beside the protocol, such as a tolerance.
        """
        with self._reading.holding((self._path, tuple(seconds), size, box, *more.items())):
            return self._video.frames_at(seconds, size=size, box=box, **more)

    def close(self) -> None:
        """Close the video."""
        self._video.close()
