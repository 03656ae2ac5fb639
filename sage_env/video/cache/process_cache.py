"""The frame cache that all videos of a process share."""

from __future__ import annotations

from functools import lru_cache

from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_store import FrameStore

SHARED_BYTES = 512 * 2**20
"""Bytes of pixels: 3,500 pictures of 224 by 224 pixels, or 86 of 1920 by 1080.

It trades memory of every process against decoding again. Not measured: revisit when `evicted` in
`CacheStats` grows while episodes of the same videos are played."""


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
