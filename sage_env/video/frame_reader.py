"""From numbers of frames to their pictures: from the cache, else decoded, else a substitute's."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from sage_env.errors import CorruptFrame
from sage_env.frames import Box
from sage_env.picture_geometry import box_size
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_key import FrameKey
from sage_env.video.deadline import Deadline
from sage_env.video.decoding.decode_plan import DecodeJob, plan_jobs
from sage_env.video.decoding.decode_pool import DecodePool, Picture
from sage_env.video.decoding.nearest_frame import frames_of_gop, nearest_good_frame
from sage_env.video.decoding.prefetch import add_prefetch
from sage_env.video.index.video_index import VideoIndex

OnError = Literal["raise", "nearest"]
_LONGEST_WAIT = 1e6
"""Seconds: no deadline, for `Event.wait`, which refuses infinity."""
_ROOM_FOR_PREFETCH = 64
"""Pictures of the request's size that must fit into the cache, or nothing is prefetched.

Into a smaller cache prefetched pictures would push out those of the request itself. The number is
that of a few looks of 8 frames with what they prefetch; not measured.
"""


class _View(NamedTuple):
    """The settings of one request: form of its pictures, deadline, prefetch.

    Attributes:
        size: `(H, W)`, `None` for native pixels.
        box: the region to show, `None` for all.
        deadline: when to give up.
        prefetch_step: seconds between the frames to cache on the way, `None` for no prefetch.
    """

    size: tuple[int, int] | None
    box: Box | None
    deadline: Deadline
    prefetch_step: float | None


class FrameReader:
    """Pictures of one video's frames. One thread at a time; objects may share a cache.

    Attributes:
        hits: frames that came from the cache so far.
        seconds: wall time spent on frames that did not.
    """

    def __init__(self, index: VideoIndex, cache: FrameCache, pool: DecodePool) -> None:
        """Read the frames of an index.

        Args:
            index: the frames of the video.
            cache: holds pictures of this and other videos.
            pool: the decoders of this video.
        """
        self.hits = 0
        self.seconds = 0.0
        self._index = index
        self._cache = cache
        self._pool = pool
        self._substitutes: dict[int, int] = {}  # good frames for those that do not decode

    def read(
        self,
        frames: list[int],
        size: tuple[int, int] | None,
        box: Box | None,
        *,
        on_error: OnError,
        deadline: Deadline,
        prefetch_step: float | None,
    ) -> tuple[list[int], dict[int, Picture]]:
        """Return the frames, or their substitutes, and the pictures by number.

        With "nearest", frames that turn out not to decode are replaced and the request is made
        again, until none is left; what decoded meanwhile is in the cache. Substitutes are
        remembered, so that later requests do not meet the damage again.

        Args:
            frames: their numbers, in any order, also several times the same.
            size: `(H, W)` of the pictures, `None` for native pixels.
            box: the region to show, `None` for all.
            on_error: "raise", or take the "nearest" good frame.
            deadline: when to give up.
            prefetch_step: seconds between the frames to cache on the way, `None` for no prefetch.

        Returns:
            One frame per frame asked for, and for each of them its picture, uint8 `(H, W, 3)` and
            read-only.

        Raises:
            VideoError: if a frame cannot be had; see `PyAVVideo.frames_at`.
        """
        view = _View(size, box, deadline, prefetch_step)
        if on_error == "raise":
            return frames, self._read_frames(frames, view)
        while True:
            good = [self._substitutes.get(frame, frame) for frame in frames]
            try:
                return good, self._read_frames(good, view)
            except CorruptFrame as error:
                self._find_substitutes(error, deadline)

    def _read_frames(self, frames: list[int], view: _View) -> dict[int, Picture]:
        """Return the pictures of frames by number: from the cache, else decoded."""
        keys = [self._key(frame, view) for frame in dict.fromkeys(frames)]
        decoding = _Decoding(self, view)
        try:
            found = self._cache.fetch(
                keys, decoding.run, timeout=min(view.deadline.left, _LONGEST_WAIT)
            )
        except TimeoutError:
            view.deadline.check(f"{self._index.path}: waiting for another reader")
            raise
        finally:
            self.hits += len(keys) - decoding.missed
            self.seconds += decoding.seconds
        return {key.frame: picture for key, picture in found.items()}

    def _key(self, frame: int, view: _View) -> FrameKey:
        native = box_size(view.box, *self._index.size) if view.size is None else None
        return FrameKey(self._index.content_id, frame, view.size, view.box, native)

    def _jobs(self, frames: list[int], view: _View) -> tuple[DecodeJob, ...]:
        """Return the jobs that decode frames, with what to prefetch if there is room for it."""
        jobs = plan_jobs(self._index, np.array(frames, dtype=np.int64))
        nbytes = 3 * math.prod(view.size or self._index.size)
        if view.prefetch_step is None or _ROOM_FOR_PREFETCH * nbytes > self._cache.max_bytes:
            return jobs

        def not_cached(frames: list[int]) -> list[int]:
            absent = self._cache.absent([self._key(frame, view) for frame in frames])
            return [key.frame for key in absent]

        return add_prefetch(self._index, jobs, view.prefetch_step, not_cached)

    def _find_substitutes(self, error: CorruptFrame, deadline: Deadline) -> None:
        """Remember the nearest good frames in place of those that an error names.

        Raises:
            CorruptFrame: the error, if no frame of the video decodes.
        """
        good: dict[int, list[int]] = {}

        def good_frames(gop: int) -> list[int]:
            if gop not in good:
                frames = frames_of_gop(self._index, gop)
                good[gop] = self._pool.good_frames(frames, deadline)
            return good[gop]

        for frame in error.frames:
            nearest = nearest_good_frame(self._index, frame, good_frames)
            if nearest is None or nearest == frame:
                raise error
            self._substitutes[frame] = nearest


class _Decoding:
    """The decoding that one request turns out to need: the cache says which pictures.

    Attributes:
        missed: pictures that it was asked for.
        seconds: wall time until the last of them, that of whoever takes the pictures included.
    """

    def __init__(self, reader: FrameReader, view: _View) -> None:
        self.missed = 0
        self.seconds = 0.0
        self._reader = reader
        self._view = view

    def run(self, absent: list[FrameKey]) -> Iterator[tuple[FrameKey, Picture]]:
        """Yield the pictures of keys, and prefetched ones; what `FrameCache.fetch` calls."""
        self.missed += len(absent)
        began = time.perf_counter()
        reader, view = self._reader, self._view
        jobs = reader._jobs([key.frame for key in absent], view)
        for frame, picture in reader._pool.read(jobs, view.size, view.box, view.deadline):
            yield reader._key(frame, view), picture
        self.seconds += time.perf_counter() - began
