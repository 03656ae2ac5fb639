"""Exact frames of a video file at any times, through PyAV and a shared cache."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import av
import numpy as np
from numpy.typing import NDArray

from sage_env.frame_cache import FrameCache, FrameKey, shared_cache
from sage_env.frames import Box, FrameBatch
from sage_env.gop_decoder import GopDecoder
from sage_env.picture import PictureMaker, crop_bounds
from sage_env.video_index import VideoIndex, read_index


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
        stats: what reading has cost so far.
    """

    def __init__(self, index: VideoIndex, cache: FrameCache) -> None:
        """Read the frames that `index` lists; see `open_video`."""
        self.duration = index.duration
        self.fps = len(index.pts) / index.duration
        self.size = index.size
        self.stats = ReadStats()
        self._index = index
        self._cache = cache
        self._decoder: GopDecoder | None = None
        self._pictures = PictureMaker(index.height, index.width, index.quarter_turns)

    def __repr__(self) -> str:
        """Show the file and its measures."""
        height, width = self.size
        return f"PyAVVideo({self._index.path}, {width}x{height}, {self.duration:.2f} s)"

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
    ) -> FrameBatch:
        """Return the frames on screen at the given times: the last shown at or before each.

        Args:
            seconds: finite times in any order; before the first frame means the first, after the
                last the last. A time may fall short of a frame by a microsecond of rounding.
            size: `(H, W)` to fit the picture into, aspect kept, black bars; `None` for native
                pixels.
            box: the region to show, cropped before it is fitted; `None` for the whole picture.

        Returns:
            One frame per time, sorted by time, with its presentation time; the arrays are the
            caller's own.

        Raises:
            ValueError: if a time is not finite, or size or box are not as above.
            VideoError: if a frame cannot be decoded.
        """
        times = np.asarray(seconds, dtype=np.float64)
        if times.ndim != 1 or not np.isfinite(times).all():
            raise ValueError(f"seconds must be a sequence of finite times, got {seconds}")
        shape = self._shape(size, box)
        frames = self._index.frames_on_screen(np.sort(times))
        distinct, places = np.unique(frames, return_inverse=True)
        pictures = self._read(distinct, size, box)
        pixels = np.empty((len(frames), *shape, 3), dtype=np.uint8)
        for row, place in enumerate(places):
            pixels[row] = pictures[place]
        return FrameBatch(pixels, self._index.seconds(frames))

    def close(self) -> None:
        """Let go of the file and its decoder; a later read opens them again."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def _shape(self, size: tuple[int, int] | None, box: Box | None) -> tuple[int, int]:
        """Return `(H, W)` of the pictures, after checking what was asked for."""
        top, bottom, left, right = crop_bounds(box or (0.0, 0.0, 1.0, 1.0), *self.size)
        if size is None:
            return bottom - top, right - left
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size must be (H, W), at least 1 each, got {size}")
        return size

    def _read(
        self, frames: NDArray[np.int64], size: tuple[int, int] | None, box: Box | None
    ) -> list[NDArray[np.uint8]]:
        """Return the pictures of distinct frames, in order: from the cache, else decoded."""
        keys = [FrameKey(self._index.content, frame, size, box) for frame in frames.tolist()]
        pictures = {key: picture for key in keys if (picture := self._cache.get(key)) is not None}
        absent = [key for key in keys if key not in pictures]
        hits, decoded, seconds = self.stats.hits + len(pictures), self.stats.decoded, 0.0
        if absent:
            started = time.perf_counter()
            decoder = self._decoder = self._decoder or GopDecoder(self._index)
            before = decoder.decoded
            numbers = np.array([key.frame for key in absent], dtype=np.int64)
            for key, frame in zip(absent, self._decode(decoder, numbers), strict=True):
                pictures[key] = self._pictures.make(frame, size, box)
                self._cache.put(key, pictures[key])
            decoded += decoder.decoded - before
            seconds = time.perf_counter() - started
        self.stats = ReadStats(decoded, hits, self.stats.seconds + seconds)
        return [pictures[key] for key in keys]

    def _decode(self, decoder: GopDecoder, frames: NDArray[np.int64]) -> Iterator[av.VideoFrame]:
        """Yield frames by number (increasing); no group of pictures is decoded twice."""
        ticks, gops = self._index.pts[frames].tolist(), self._index.gops(frames).tolist()
        for gop, wanted in groupby(zip(gops, ticks, strict=True), key=itemgetter(0)):
            yield from decoder.read(gop, [pts for _, pts in wanted])


def open_video(path: str | Path, *, cache: FrameCache | None = None) -> PyAVVideo:
    """Open a video file. Time 0 is the start of its first frame.

    Among several video streams FFmpeg's best is taken (more pixels, then more frames), not simply
    the first. A file is scanned when it is first opened, or has changed, and then remembered.

    Args:
        path: the file.
        cache: keeps decoded pictures; `None` for the one that all videos of the process share.

    Raises:
        VideoError: if there is no such file or it holds no video that can be played.
    """
    return PyAVVideo(read_index(path), shared_cache() if cache is None else cache)
