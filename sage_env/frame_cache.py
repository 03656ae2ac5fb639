"""A bytes-bounded cache of decoded pictures that all videos of a process share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sage_env.frames import Box

SHARED_BYTES = 512 * 2**20


class FrameKey(NamedTuple):
    """What a cached picture is of.

    Attributes:
        content: names the video file and its version.
        frame: number of the frame in order of presentation, from 0.
        size: `(H, W)` of the picture, or `None` for native pixels.
        box: the region shown, or `None` for the whole picture.
    """

    content: Hashable
    frame: int
    size: tuple[int, int] | None
    box: Box | None


class FrameCache:
    """Keeps the most recently used pictures, at most `max_bytes` of pixels. Thread-safe.

    Attributes:
        max_bytes: upper bound of `nbytes`; 0 keeps nothing.
        nbytes: bytes of the pixels now held.
        hits: number of `get` calls that found their picture.
        misses: number of `get` calls that did not.
    """

    def __init__(self, max_bytes: int) -> None:
        """Make an empty cache.

        Raises:
            ValueError: if `max_bytes` is negative.
        """
        if max_bytes < 0:
            raise ValueError(f"max_bytes must be 0 or more, got {max_bytes}")
        self.max_bytes = max_bytes
        self.nbytes = 0
        self.hits = 0
        self.misses = 0
        self._pictures: OrderedDict[FrameKey, NDArray[np.uint8]] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[FrameCache], tuple[int]]:
        """Copy and pickle as an empty cache of the same size: pictures can be read again."""
        return FrameCache, (self.max_bytes,)

    def __len__(self) -> int:
        """Return the number of pictures held."""
        return len(self._pictures)

    def get(self, key: FrameKey) -> NDArray[np.uint8] | None:
        """Return the picture, uint8 `(H, W, 3)` and read-only, or `None` if it is not held."""
        with self._lock:
            picture = self._pictures.get(key)
            if picture is None:
                self.misses += 1
            else:
                self.hits += 1
                self._pictures.move_to_end(key)
            return picture

    def put(self, key: FrameKey, picture: NDArray[np.uint8]) -> None:
        """Keep a picture, which becomes read-only; drop the least recently used to make room.

        A picture larger than the whole cache is not kept.
        """
        if picture.base is not None:  # a view would keep its whole base alive, uncounted
            picture = picture.copy()
        picture.setflags(write=False)
        with self._lock:
            replaced = self._pictures.pop(key, None)
            if replaced is not None:
                self.nbytes -= replaced.nbytes
            if picture.nbytes > self.max_bytes:
                return
            self._pictures[key] = picture
            self.nbytes += picture.nbytes
            while self.nbytes > self.max_bytes:
                _, dropped = self._pictures.popitem(last=False)
                self.nbytes -= dropped.nbytes


@lru_cache(maxsize=1)
def shared_cache() -> FrameCache:
    """Return the process-wide cache (512 MiB) that videos use unless given another."""
    return FrameCache(SHARED_BYTES)
