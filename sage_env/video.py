"""Exact frames of a video file at any times, through PyAV and a shared cache."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sage_env import recycled
from sage_env.deadline import Deadline
from sage_env.decode_pool import DecodePool, Picture, usual_threads
from sage_env.errors import CorruptFrame
from sage_env.frame_cache import FrameCache, FrameKey, shared_cache
from sage_env.frame_plan import (
    Choice,
    Plan,
    choose_frames,
    plan_frames,
    plan_jobs,
)
from sage_env.frame_proxy import FrameProxy
from sage_env.frames import Box, FrameBatch, Tolerance
from sage_env.harvest import Harvest
from sage_env.nearest_frame import frames_of_gop, nearest_good_frame
from sage_env.picture import crop_bounds
from sage_env.video_index import VideoIndex, read_index

TIMEOUT = 120.0
"""Seconds that one request may take unless told otherwise."""
_LONGEST_WAIT = 1e6  # seconds; what threads can be told to wait


class Video(Protocol):
    """What the environment needs of a video; any object with these four is one.

    `sage_env.testing.check_video` checks it. A video that also has `stats.decoded`, a running count
    of decoded pictures, has it reported in `Spent.frames_decoded`.

    Attributes:
        duration: seconds from the start of the first frame to the end of the last.
        fps: average frames per second, for information.
    """

    duration: float
    fps: float

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
    ) -> FrameBatch:
        """Return the frames on screen at the given times, one per time, in order of time.

        On screen is the last frame shown at or before a time; before the first frame it is the
        first, after the last the last. Each comes with its own presentation time, in
        `[0, duration)`, and is the same whatever else is asked for. The arrays are the caller's
        own: a video keeps no hold on them.

        Args:
            seconds: finite times in any order.
            size: `(H, W)` of the pictures returned; `None` for native pixels.
            box: the region to show, `(x0, y0, x1, y1)` in fractions; `None` for all.

        Raises:
            ValueError: if a time is not finite.
            VideoError: if a frame cannot be decoded.
        """

    def close(self) -> None:
        """Let go of files and decoders; once more does nothing."""


@dataclass(frozen=True)
class ReadStats:
    """What a video has cost since it was opened.

    Attributes:
        decoded: frames that came out of the decoder, those on the way to a wanted one included.
        hits: frames that came from the cache.
        seconds: wall time spent on frames that did not.
    """

    decoded: int = 0
    hits: int = 0
    seconds: float = 0.0


class PyAVVideo:
    """A video file. Time 0 is the first frame's. One thread at a time; objects may share a file.

    The file is not held open until a frame is wanted that the cache does not have.

    Attributes:
        duration: seconds from the start of the first frame to the end of the last.
        fps: average frames per second.
        size: native `(H, W)` of the upright picture.
        absent: frames that the file announces but does not hold; above 0 it was cut short, and
            `duration` is that of what is there.
        stats: what reading has cost so far.
    """

    def __init__(
        self,
        index: VideoIndex,
        cache: FrameCache,
        *,
        threads: int | None = None,
        timeout: float | None = TIMEOUT,
        proxy: FrameProxy | None = None,
    ) -> None:
        """Read the frames that `index` lists; see `open_video`.

        What is passed on the way is kept in `proxy`, and served where a tolerance allows it.
        """
        self.duration = index.duration
        self.fps = len(index.pts) / index.duration
        self.size = index.size
        self.absent = index.absent
        self.stats = ReadStats()
        self._index = index
        self._cache = cache
        self._timeout = Deadline.after(timeout).seconds
        self._harvest = None if proxy is None else Harvest(index, proxy)
        passing = None if self._harvest is None else self._harvest.passing
        self._pool = DecodePool(index, usual_threads() if threads is None else threads, passing)
        self._stand_ins: dict[int, int] = {}  # good frames for those that do not decode

    def __repr__(self) -> str:
        """Show the file and its measures."""
        height, width = self.size
        cut = f", cut short by {self.absent} frames" if self.absent else ""
        return f"PyAVVideo({self._index.path}, {width}x{height}, {self.duration:.2f} s{cut})"

    def __enter__(self) -> Self:
        """Return the video; leaving the block closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the video."""
        self.close()

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
        tolerance: Tolerance = 0.0,
        on_error: Literal["raise", "nearest"] = "raise",
    ) -> FrameBatch:
        """Return the frames on screen at the given times: the last shown at or before each.

        Args:
            seconds: finite times in any order; before the first frame means the first, after the
                last the last. A time may fall short of a frame by a microsecond of rounding.
            size: `(H, W)` to fit the picture into, aspect kept, black bars; `None` for native
                pixels.
            box: the region to show, cropped before it is fitted; `None` for the whole picture.
            tolerance: seconds by which a frame may be off, which makes overviews of long videos
                several times cheaper: the nearest keyframe within it is taken, else the first
                frame. "auto" is half the smallest distance between two times, at most 5 s.
            on_error: what to do with a frame that does not decode: "raise", or take the "nearest"
                one that does, with its own time and not `exact`.

        Returns:
            One frame per time, sorted by time, with its presentation time; the arrays are the
            caller's own.

        Raises:
            ValueError: if a time is not finite, or another argument is not as above.
            CorruptFrame: if a frame does not decode and `on_error` is "raise", or none does.
            DecodeTimeout: if it takes longer than the `timeout` of `open_video`.
            VideoError: if the file can no longer be read.
        """
        if on_error not in ("raise", "nearest"):
            raise ValueError(f'on_error must be "raise" or "nearest", got {on_error!r}')
        shape = self._shape(size, box)
        choice = choose_frames(self._index, seconds, tolerance)
        deadline = Deadline.after(self._timeout)
        kept = self._kept(choice, seconds, size, box)
        rest = np.array([place not in kept for place in range(len(choice.frames))], dtype=np.bool_)
        frames = choice.frames.copy()
        frames[rest], pictures = self._served(frames[rest], size, box, on_error, deadline)
        exact = choice.exact & (frames == choice.frames) & rest
        shown = [pictures.get(frame) for frame in frames.tolist()]
        for place, (frame, picture) in kept.items():
            frames[place], shown[place] = frame, picture
        order = np.argsort(frames, kind="stable")
        frames = frames[order]
        pixels = recycled.pixels.empty((len(frames), *shape, 3))
        for row, place in zip(pixels, order.tolist(), strict=True):
            row[:] = shown[place]
        return FrameBatch(pixels, self._index.seconds(frames), frames, exact[order])

    def plan(self, seconds: Sequence[float], *, tolerance: Tolerance = 0.0) -> Plan:
        """Return which frames `frames_at` would give, and what decoding them takes uncached.

        Raises:
            ValueError: if a time is not finite, or the tolerance is not as in `frames_at`.
        """
        return plan_frames(self._index, seconds, tolerance)

    def close(self) -> None:
        """Let go of the file and its decoders; a later read opens them again."""
        self._pool.close()

    def _kept(
        self,
        choice: Choice,
        seconds: Sequence[float],
        size: tuple[int, int] | None,
        box: Box | None,
    ) -> dict[int, tuple[int, Picture]]:
        """Return frames of the proxy that will do, by the number of their time."""
        if self._harvest is None or not choice.tolerance or size is None or box is not None:
            return {}
        times = np.clip(np.sort(np.asarray(seconds, dtype=np.float64)), 0.0, self.duration)
        return self._harvest.near(times, choice.tolerance, size)

    def _shape(self, size: tuple[int, int] | None, box: Box | None) -> tuple[int, int]:
        """Return `(H, W)` of the pictures, after checking what was asked for."""
        if box is not None or size is None:
            top, bottom, left, right = crop_bounds(box or (0.0, 0.0, 1.0, 1.0), *self.size)
        if size is None:
            return bottom - top, right - left
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size must be (H, W), at least 1 each, got {size}")
        return size

    def _served(
        self,
        frames: NDArray[np.int64],
        size: tuple[int, int] | None,
        box: Box | None,
        on_error: Literal["raise", "nearest"],
        deadline: Deadline,
    ) -> tuple[NDArray[np.int64], dict[int, Picture]]:
        """Return the frames, or what stands in for them, and the pictures by number."""
        if on_error == "raise":
            return frames, self._read(frames, size, box, deadline)
        while True:
            stand_ins = [self._stand_ins.get(frame, frame) for frame in frames.tolist()]
            good = np.array(stand_ins, dtype=np.int64)
            try:
                return good, self._read(good, size, box, deadline)
            except CorruptFrame as error:
                self._find_stand_ins(error, deadline)

    def _read(
        self,
        frames: NDArray[np.int64],
        size: tuple[int, int] | None,
        box: Box | None,
        deadline: Deadline,
    ) -> dict[int, Picture]:
        """Return the pictures of frames by number: from the cache, else decoded."""
        content = self._index.content_id
        keys = [FrameKey(content, frame, size, box) for frame in dict.fromkeys(frames.tolist())]
        before, missed, seconds = self._pool.decoded, 0, 0.0

        def decode(absent: list[FrameKey]) -> Iterable[tuple[FrameKey, Picture]]:
            nonlocal missed, seconds
            missed += len(absent)
            began = time.perf_counter()
            jobs = plan_jobs(self._index, np.array([key.frame for key in absent], dtype=np.int64))
            for frame, picture in self._pool.read(jobs, size, box, deadline):
                yield FrameKey(content, frame, size, box), picture
            seconds += time.perf_counter() - began

        try:
            found = self._cache.fetch(keys, decode, timeout=min(deadline.left, _LONGEST_WAIT))
        except TimeoutError:
            deadline.check(f"{self._index.path}: waiting for another reader")
            raise
        finally:
            stats = self.stats
            self.stats = ReadStats(
                stats.decoded + self._pool.decoded - before,
                stats.hits + len(keys) - missed,
                stats.seconds + seconds,
            )
        return {key.frame: picture for key, picture in found.items()}

    def _find_stand_ins(self, error: CorruptFrame, deadline: Deadline) -> None:
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
            self._stand_ins[frame] = nearest


def open_video(
    path: str | Path,
    *,
    cache: FrameCache | None = None,
    threads: int | None = None,
    timeout: float | None = TIMEOUT,
    proxy_folder: str | Path | None = None,
) -> PyAVVideo:
    """Open a video file. Time 0 is the start of its first frame.

    Among several video streams FFmpeg's best is taken (more pixels, then more frames), not simply
    the first. A file that was cut short is played as far as it goes: see `PyAVVideo.absent`.

    Args:
        path: the file.
        cache: keeps decoded pictures; `None` for the one that all videos of the process share.
        threads: most threads that decode one request; `None` for 2, or 1 on a single core.
        timeout: seconds that one request may take; `None` for no limit.
        proxy_folder: keeps small pictures, one a second, of what decoding passes, and serves them
            where a tolerance allows it, so that a video becomes cheaper where it is looked at.
            What comes back then depends on what was looked at before. `None` for none.

    Raises:
        VideoError: if there is no such file or it holds no video that can be played.
        ValueError: if `threads` or `timeout` is not as above.
    """
    shared = shared_cache() if cache is None else cache
    index = read_index(path)
    proxy = None if proxy_folder is None else FrameProxy(proxy_folder, index.content_id)
    return PyAVVideo(index, shared, threads=threads, timeout=timeout, proxy=proxy)
