"""From numbers of frames to their pictures: out of the cache, else decoded, or what stands in."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Literal

import numpy as np

from sage_env.errors import CorruptFrame
from sage_env.frames import Box
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_key import FrameKey
from sage_env.video.deadline import Deadline
from sage_env.video.decoding.decode_plan import plan_jobs
from sage_env.video.decoding.decode_pool import DecodePool, Picture
from sage_env.video.decoding.nearest_frame import frames_of_gop, nearest_good_frame
from sage_env.video.decoding.prefetch import add_prefetch
from sage_env.video.index.video_index import VideoIndex

OnError = Literal["raise", "nearest"]
_LONGEST_WAIT = 1e6  # seconds; what threads can be told to wait
_SMALL_PART = 64  # pictures that fit into a cache which has room for what is passed on the way


class FrameReader:
    """Pictures of one video's frames. One thread at a time; objects may share a cache.

    Attributes:
        hits: frames that came from the cache so far.
        seconds: wall time spent on frames that did not.
    """

    def __init__(self, index: VideoIndex, cache: FrameCache, pool: DecodePool) -> None:
        """Read what `index` lists with the decoders of `pool`."""
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
        """Return the frames, or what stands in for them, and the pictures by number.

        Args:
            frames: their numbers.
            size: `(H, W)` of the pictures, `None` for native pixels.
            box: the region to show, `None` for all.
            on_error: "raise", or take the "nearest" good frame.
            deadline: when to give up.
            prefetch_step: seconds between the frames to keep on the way, `None` to keep none.

        Raises:
            VideoError: if a frame cannot be had; see `PyAVVideo.frames_at`.
        """
        if on_error == "raise":
            return frames, self._read_frames(frames, size, box, deadline, prefetch_step)
        while True:
            good = [self._substitutes.get(frame, frame) for frame in frames]
            try:
                return good, self._read_frames(good, size, box, deadline, prefetch_step)
            except CorruptFrame as error:
                self._find_substitutes(error, deadline)

    def _read_frames(
        self,
        frames: list[int],
        size: tuple[int, int] | None,
        box: Box | None,
        deadline: Deadline,
        prefetch_step: float | None,
    ) -> dict[int, Picture]:
        """Return the pictures of frames by number: from the cache, else decoded."""
        index, content, missed = self._index, self._index.content_id, 0
        keys = [FrameKey(content, frame, size, box) for frame in dict.fromkeys(frames)]

        def lacking(passed: list[int]) -> list[int]:
            lacked = self._cache.absent([FrameKey(content, f, size, box) for f in passed])
            return [key.frame for key in lacked]

        def decode(absent: list[FrameKey]) -> Iterable[tuple[FrameKey, Picture]]:
            nonlocal missed
            missed += len(absent)
            began = time.perf_counter()
            jobs = plan_jobs(index, np.array([key.frame for key in absent], dtype=np.int64))
            nbytes = 3 * math.prod(size or index.size)
            if prefetch_step is not None and _SMALL_PART * nbytes <= self._cache.max_bytes:
                jobs = add_prefetch(index, jobs, prefetch_step, lacking)
            for frame, picture in self._pool.read(jobs, size, box, deadline):
                yield FrameKey(content, frame, size, box), picture
            self.seconds += time.perf_counter() - began

        try:
            found = self._cache.fetch(keys, decode, timeout=min(deadline.left, _LONGEST_WAIT))
        except TimeoutError:
            deadline.check(f"{index.path}: waiting for another reader")
            raise
        finally:
            self.hits += len(keys) - missed
        return {key.frame: picture for key, picture in found.items()}

    def _find_substitutes(self, error: CorruptFrame, deadline: Deadline) -> None:
        """Remember the nearest good frames for those that an error names.

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
