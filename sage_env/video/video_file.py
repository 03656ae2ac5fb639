"""Exact frames of a video file at any times, through PyAV and a shared cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sage_env.frames import Box, FrameBatch, Tolerance
from sage_env.picture_geometry import box_size
from sage_env.video.cache.buffer_pool import pixel_buffers
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.process_cache import shared_cache
from sage_env.video.cache.proxy_file import FrameProxy
from sage_env.video.cache.proxy_recorder import ProxyRecorder
from sage_env.video.deadline import Deadline
from sage_env.video.decoding.decode_plan import (
    DecodePlan,
    FrameSelection,
    plan_frames,
    select_frames,
)
from sage_env.video.decoding.decode_pool import DecodePool, Picture, default_threads
from sage_env.video.decoding.prefetch import prefetch_step
from sage_env.video.frame_reader import FrameReader, OnError
from sage_env.video.index.video_index import VideoIndex, read_index
from sage_env.video.read_turns import ReadTurns

TIMEOUT = 120.0
"""Seconds that one request may take unless told otherwise.

Room for requests that go through long GOPs on a busy machine; longer ones are taken to hang. Not
measured.
"""
_SELECTED, _SUBSTITUTE, _PROXY = 0, 1, 2
"""Where the picture at one place of a request comes from: the frame that was selected, a substitute
for one that does not decode, the proxy. Only the first can be exact."""


@dataclass(frozen=True)
class ReadStats:
    """The cost of reading a video, since it was opened.

    Attributes:
        decoded: frames that came out of the decoder, those on the way to a requested one included.
        hits: frames that came from the cache.
        seconds: wall time spent on frames that did not.
    """

    decoded: int = 0
    hits: int = 0
    seconds: float = 0.0


class PyAVVideo:
    """A video file, as `open_video` says.

    The file is opened with the first frame that the cache does not have. Threads may share a video:
    their reads come one after the other, since decoders belong to one thread at a time. For reads
    side by side open the file once for each thread; the cache is shared. `close` in one thread ends
    the read of another with a `VideoError`.

    Attributes:
        duration: seconds from time 0 to the end of the last frame.
        fps: average frames per second, from the first frame on.
        size: native `(H, W)` of the first picture as it is shown: upright, with square pixels.
        absent: frames that the file announces but does not hold; above 0 it was cut short,
            and `duration` is that of what is there.
        self_timed: true: reads end in time by themselves, so that nobody else needs to see to it.
    """

    self_timed = True

    def __init__(
        self,
        index: VideoIndex,
        cache: FrameCache,
        *,
        threads: int | None = None,
        timeout: float | None = TIMEOUT,
        proxy: FrameProxy | None = None,
        prefetch: bool = False,
    ) -> None:
        """Read the frames of an index; see `open_video`.

        Args:
            index: the frames of the video.
            cache: keeps decoded pictures.
            threads: most threads that decode one request; `None` for 2, or 1 on a single core.
            timeout: seconds that one request may take; `None` for no limit.
            proxy: keeps small pictures of the frames that come out of decoders, and serves them
                where a tolerance allows it; `None` for none.
            prefetch: whether to cache frames for closer looks on the way.
        """
        self.duration = index.duration
        self.fps = len(index.pts) / (index.duration - index.lead)
        self.size = index.size
        self.absent = index.missing_frames
        self._index = index
        self._prefetch = prefetch
        self._doing = f"{index.path}: reading it"
        self._timeout = Deadline.after(timeout).seconds
        self._recorder = None if proxy is None else ProxyRecorder(index, proxy)
        on_frame = None if self._recorder is None else self._recorder.on_frame
        self._pool = DecodePool(index, default_threads() if threads is None else threads, on_frame)
        self._reader = FrameReader(index, cache, self._pool)
        self._turns = ReadTurns(self._pool.close)

    def __repr__(self) -> str:
        """Show the file and its measures."""
        height, width = self.size
        cut = f", cut short by {self.absent} frames" if self.absent else ""
        return f"PyAVVideo({self._index.path}, {width}x{height}, {self.duration:.2f} s{cut})"

    @property
    def stats(self) -> ReadStats:
        """Return what reading has cost so far."""
        return ReadStats(self._pool.decoded, self._reader.hits, self._reader.seconds)

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
        on_error: OnError = "raise",
    ) -> FrameBatch:
        """Return the frames on screen at the given times: the last shown at or before each.

        Args:
            seconds: finite times in any order; before the first frame means the first, after the
                last the last. A time may fall short of a frame by a microsecond of rounding.
            size: `(H, W)` to fit the picture into, aspect kept, black bars; `None` for native
                pixels: `PyAVVideo.size`, or the box's part of it.
            box: the region to show, in fractions of each frame's own picture as it is shown,
                cropped before it is fitted; `None` for the whole picture.
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
            DecodeTimeout: if it takes longer than the `timeout` of `open_video`, the wait for other
                threads' reads of this video included.
            VideoError: if the file can no longer be read, or another thread closes the video.
        """
        if on_error not in ("raise", "nearest"):
            raise ValueError(f'on_error must be "raise" or "nearest", got {on_error!r}')
        shape = self._shape(size, box)
        selection = select_frames(self._index, seconds, tolerance)
        with self._turns.reading(self._timeout, self._doing) as deadline:
            from_proxy = self._from_proxy(selection, seconds, size, box)
            selected: list[int] = selection.frames.tolist()
            asked = [f for place, f in enumerate(selected) if place not in from_proxy]
            read, pictures = self._reader.read(
                asked,
                size,
                box,
                on_error=on_error,
                deadline=deadline,
                prefetch_step=prefetch_step(seconds) if self._prefetch else None,
            )
        if read == selected:  # the usual case, kept short: a hit costs little more than its copy
            shown = [pictures[frame] for frame in read]
            return self._batch(selection.frames, selection.exact, shown, shape)
        return self._mixed_batch(selection, from_proxy, read, pictures, shape)

    def plan(self, seconds: Sequence[float], *, tolerance: Tolerance = 0.0) -> DecodePlan:
        """Return which frames `frames_at` would give, and what decoding them takes uncached.

        Args:
            seconds: as in `frames_at`.
            tolerance: as in `frames_at`.

        Raises:
            ValueError: if a time is not finite, or the tolerance is not as in `frames_at`.
        """
        return plan_frames(self._index, seconds, tolerance)

    def close(self) -> None:
        """Let go of the file and its decoders; a later read opens them again.

        A read that another thread is at fails soon, and lets go of them itself: this never waits.
        """
        self._turns.close()

    def _mixed_batch(
        self,
        selection: FrameSelection,
        from_proxy: dict[int, tuple[int, Picture]],
        read: list[int],
        pictures: dict[int, Picture],
        shape: tuple[int, int],
    ) -> FrameBatch:
        """Return frames of several sources: those selected, substitutes, those of the proxy.

        Args:
            selection: the frames that were selected, N of them.
            from_proxy: number and picture of the frames from the proxy, by place in the selection.
            read: numbers of the frames at the other places, substitutes among them.
            pictures: the pictures of `read`, by number.
            shape: `(H, W)` of the pictures.
        """
        source = np.full(len(selection.frames), _SELECTED)
        source[list(from_proxy)] = _PROXY
        frames = selection.frames.copy()
        frames[source == _SELECTED] = read
        source[frames != selection.frames] = _SUBSTITUTE
        for place, (frame, _) in from_proxy.items():
            frames[place] = frame
        shown = [
            from_proxy[place][1] if place in from_proxy else pictures[frame]
            for place, frame in enumerate(frames.tolist())
        ]
        return self._batch(frames, selection.exact & (source == _SELECTED), shown, shape)

    def _batch(
        self,
        frames: NDArray[np.int64],
        exact: NDArray[np.bool_],
        shown: Sequence[Picture],
        shape: tuple[int, int],
    ) -> FrameBatch:
        """Return frames in order of time, copied into one array of the caller's own.

        Substitutes and frames of a proxy may come out of order. Pictures in the cache are shared
        and read-only, hence the copy.
        """
        if (frames[1:] < frames[:-1]).any():
            order = np.argsort(frames, kind="stable")
            frames, exact = frames[order], exact[order]
            shown = [shown[place] for place in order.tolist()]
        pixels = pixel_buffers.empty((len(frames), *shape, 3))
        for row, picture in zip(pixels, shown, strict=True):
            row[:] = picture
        return FrameBatch(pixels, self._index.seconds(frames), frames, exact)

    def _from_proxy(
        self,
        selection: FrameSelection,
        seconds: Sequence[float],
        size: tuple[int, int] | None,
        box: Box | None,
    ) -> dict[int, tuple[int, Picture]]:
        """Return the frames of the proxy that will do: number and picture, by place of their time.

        The proxy has small pictures of whole frames, near the times: nothing for requests without
        tolerance, of native pixels, or of a box.
        """
        if self._recorder is None or not selection.tolerance or size is None or box is not None:
            return {}
        times = np.clip(np.sort(np.asarray(seconds, dtype=np.float64)), 0.0, self.duration)
        return self._recorder.near(times, selection.tolerance, size)

    def _shape(self, size: tuple[int, int] | None, box: Box | None) -> tuple[int, int]:
        """Return `(H, W)` of the pictures, after checking what was asked for."""
        native = box_size(box, *self.size)
        if size is None:
            return native
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size must be (H, W), at least 1 each, got {size}")
        return size


def open_video(
    path: str | Path,
    *,
    cache: FrameCache | None = None,
    threads: int | None = None,
    timeout: float | None = TIMEOUT,
    proxy_folder: str | Path | None = None,
    prefetch: bool = False,
) -> PyAVVideo:
    """Open a video file.

    Time 0 is where the first of picture and sound begins, in every container, as players and
    FFmpeg's `start_time` have it. With sound from 0 s and the first frame at 3 s, that frame has
    the time 3.0, and comes back for earlier times too; without sound it has 0.0.

    Pictures are those that FFmpeg shows with `-autorotate` and square pixels: turned and mirrored
    as the stream itself says, else the container (to the nearest quarter turn), and stretched along
    the longer side of a pixel as the container says, else the stream. `clap` is not applied. Where
    a stream changes size, format or any of this, each frame is shown whole. See
    `video.index.picture_form`.

    Only files that hold video are opened: the format, whatever the name says, must be one of
    `video.index.stream.FORMATS`. No text, picture, playlist or script is played, and no other file
    or address that a file names is opened. Convert others, or give the environment an `opener`.

    Among several video streams FFmpeg's best is taken (more pixels, then more frames), not simply
    the first. A file that was cut short is played as far as it goes: see
    `PyAVVideo.absent`.

    Parts joined byte by byte are one video in .ts, .m2ts, .mpg and .vob: times go on where a part
    ends (a gap stays one). Refused are second parts behind a header (.mp4, .mov, .mkv, .webm, .avi,
    .flv, .wmv, …), fragments of MP4 that start again, streams numbered anew at the joint, and times
    that step back without a keyframe. Frames at one time follow each other by a tick of the clock;
    of reordered ones, where nobody knows which comes last, the first decoded stands for them.

    Args:
        path: the file.
        cache: keeps decoded pictures; `None` for the one that all videos of the process share.
        threads: most threads that decode one request; `None` for 2, or 1 on a single core.
        timeout: seconds that opening, and then each request, may take; `None` for no limit. It is
            looked at whenever FFmpeg reads; what hangs in the system itself, such as a network
            drive that does not answer, is beyond its reach.
        proxy_folder: keeps small pictures, one a second, of what is decoded anyway, and serves them
            where a tolerance allows it, so that a video becomes cheaper where it is looked at.
            What comes back then depends on what was looked at before. `None` for none.
        prefetch: caches, of the frames that decoding passes on its way, those that a look half as
            long would show, at least half a second apart: for looks on a grid that others share
            (`timeline.snapped`). What comes back is the same.

    Raises:
        VideoError: if there is no such file or it holds no video that can be played.
        DecodeTimeout: if opening it takes longer than `timeout`.
        ValueError: if `threads` or `timeout` is not as above.
    """
    shared = shared_cache() if cache is None else cache
    index = read_index(path, Deadline.after(timeout))
    proxy = None if proxy_folder is None else FrameProxy(proxy_folder, index.content_id)
    return PyAVVideo(
        index, shared, threads=threads, timeout=timeout, proxy=proxy, prefetch=prefetch
    )
