"""The cache that all videos of a process share."""

from __future__ import annotations

from functools import lru_cache

from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_store import FrameStore

SHARED_BYTES = 512 * 2**20


def shared_cache(folder: str | None = None) -> FrameCache:
    """Return the process-wide cache (512 MiB) that videos use unless given another.

    Args:
        folder: of a `FrameStore` to share pictures with other processes; each has its own cache.
    """
    return _shared_cache(folder)


@lru_cache(maxsize=16)
def _shared_cache(folder: str | None) -> FrameCache:
    if folder is None:
        return FrameCache(SHARED_BYTES)
    return FrameCache(SHARED_BYTES, FrameStore(folder))
