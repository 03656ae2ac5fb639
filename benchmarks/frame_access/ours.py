"""Our reader in its modes of use: exact, tolerant, two threads, from the cache, from a proxy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.frame_access.peers import Frames, ReaderFactory, Size
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.proxy_file import FrameProxy
from sage_env.video.video_file import open_video

EXACT, AUTO, HALF_STEP = "ours", "ours, tolerance auto", "ours, tolerance half a step"
TWO_THREADS = "ours, 2 threads"
CACHED, PROXY = "ours, from the cache", "ours, from the proxy"
COPY = "copying pixels alone"  # the floor of a cache that hands out arrays to keep
TOLERANT, REPEATED = (AUTO, HALF_STEP), (CACHED, COPY, PROXY)


class Ours:
    """A video that `sage_env.video.open_video` opened."""

    def __init__(
        self,
        path: Path,
        size: Size,
        *,
        threads: int = 1,
        cache_bytes: int = 0,
        tolerance: Literal["exact", "auto", "half a step"] = "exact",
    ) -> None:
        """Open a file.

        Args:
            path: the file.
            size: `(H, W)` of the pictures.
            threads: number of decoding threads.
            cache_bytes: size of the frame cache; 0 for none.
            tolerance: how far frames may be from their times: not at all, as `"auto"` allows, or
                half the smallest step between the times of a call.
        """
        self._video = open_video(path, cache=FrameCache(cache_bytes), threads=threads)
        self._size = size
        self._tolerance = tolerance

    def read(self, times: Sequence[float]) -> Frames:
        """Return the frame on screen at each time, or one within the tolerance."""
        within: float | Literal["auto"] = 0.0
        if self._tolerance == "auto":
            within = "auto"
        elif self._tolerance == "half a step":
            within = half_step(times)
        batch = self._video.frames_at(times, size=self._size, tolerance=within)
        return Frames(batch.pixels, batch.seconds.tolist())

    def close(self) -> None:
        """Close the file."""
        self._video.close()


class FromProxy:
    """A proxy of a video (small JPEG pictures): frames read once come from it the next time."""

    def __init__(self, path: Path, size: Size) -> None:
        """Open a file and make an empty proxy of it.

        Raises:
            ValueError: if pictures of the native size are asked for.
        """
        if size is None:
            raise ValueError("a proxy holds small pictures alone: expected a size, got None")
        self._size = size
        self._video = open_video(path, cache=FrameCache(0), threads=1)
        self._folder = TemporaryDirectory(prefix="frame-access-")
        self._proxy = FrameProxy(self._folder.name, "clip")
        self._known: dict[float, tuple[int, float]] = {}  # number and seconds of the frame by time

    def read(self, times: Sequence[float]) -> Frames:
        """Return the frames from the proxy; decode and add all of a call if one is not in it yet.

        Raises:
            LookupError: if the proxy has lost a frame that was added.
        """
        if any(t not in self._known for t in times):
            batch = self._video.frames_at(times, size=self._size)
            for t, frame, picture, shown in zip(
                times, batch.index.tolist(), batch.pixels, batch.seconds.tolist(), strict=True
            ):
                self._proxy.add(frame, picture, self._video.size)
                self._known[t] = frame, shown
            return Frames(batch.pixels, batch.seconds.tolist())
        pictures = []
        for t in times:
            picture = self._proxy.get(self._known[t][0], self._size)
            if picture is None:
                raise LookupError(f"the proxy does not hold frame {self._known[t][0]}")
            pictures.append(picture)
        return Frames(pictures, [self._known[t][1] for t in times])

    def close(self) -> None:
        """Close the file and delete the proxy."""
        self._video.close()
        self._folder.cleanup()


class _Kept(NamedTuple):
    """The frames of one call, with memory to copy them into."""

    pictures: list[NDArray[np.uint8]]
    copies: NDArray[np.uint8]
    seconds: NDArray[np.float64]


class BareCopy:
    """Copies pictures that it read before into memory that it wrote before: the cache's floor."""

    def __init__(self, path: Path, size: Size) -> None:
        """Open a file."""
        self._video = open_video(path, cache=FrameCache(0), threads=1)
        self._size = size
        self._known: dict[Sequence[float], _Kept] = {}

    def read(self, times: Sequence[float]) -> Frames:
        """Return the frames: decoded on the first call of these times, copied on later ones."""
        if times not in self._known:
            batch = self._video.frames_at(times, size=self._size)
            pictures = [picture.copy() for picture in batch.pixels]
            self._known[times] = _Kept(pictures, np.zeros_like(batch.pixels), batch.seconds)
        pictures, copies, seconds = self._known[times]
        for copy, picture in zip(copies, pictures, strict=True):
            copy[:] = picture
        return Frames(copies, seconds.tolist())

    def close(self) -> None:
        """Close the file."""
        self._video.close()


def half_step(times: Sequence[float]) -> float:
    """Return half the smallest distance between increasing times, in seconds."""
    return min((b - a for a, b in zip(times, times[1:], strict=False)), default=0.0) / 2


OURS: dict[str, ReaderFactory] = {
    EXACT: Ours,
    AUTO: partial(Ours, tolerance="auto"),
    HALF_STEP: partial(Ours, tolerance="half a step"),
    TWO_THREADS: partial(Ours, threads=2),
    CACHED: partial(Ours, cache_bytes=2**28),
    PROXY: FromProxy,
    COPY: BareCopy,
}
