"""Runs decoding jobs side by side: warm single-thread decoders, and threads that stay."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from sage_env.errors import CorruptFrame, DecodeTimeout
from sage_env.frames import Box
from sage_env.storage.forking import on_fork, reset_each_on_fork
from sage_env.video.deadline import Deadline
from sage_env.video.decoding.counted_packets import CountedPackets
from sage_env.video.decoding.decode_plan import DecodeJob, plan_jobs
from sage_env.video.decoding.demuxed_packets import DemuxedPackets
from sage_env.video.decoding.frame_converter import FrameConverter
from sage_env.video.decoding.packet_decoder import OnFrame, PacketDecoder
from sage_env.video.decoding.packet_source import PacketSource
from sage_env.video.decoding.sliced_packets import SlicedPackets
from sage_env.video.index.video_index import VideoIndex

_PATIENCE = 5.0
"""Seconds past the deadline to wait for threads that look at it themselves, between packets.

A packet takes milliseconds; a thread that is this late hangs in a read or in FFmpeg. Not measured.
"""

Picture = NDArray[np.uint8]
Result = tuple[int, Picture] | BaseException | None
"""What a helping thread hands over: a picture, its error, or that it has no more."""


def default_threads() -> int:
    """Return how many threads decode one request unless told otherwise: 2, or 1 on one core.

    A GOP is decoded by one thread, so that few requests have work for more; and environments run
    beside each other.
    """
    return min(2, os.cpu_count() or 1)


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    """Return the threads that help all videos of the process; they stay until it ends.

    One pool for all: its threads are bounded by the cores, however many videos are open.
    """
    return ThreadPoolExecutor(max(1, os.cpu_count() or 1), thread_name_prefix="sage-decode")


on_fork(_threads.cache_clear)  # threads do not survive a fork


@dataclass(eq=False)
class _DecoderSlot:
    """A decoder and the converter of its frames: used by one thread at a time."""

    decoder: PacketDecoder
    pictures: FrameConverter


class DecodePool:
    """The decoders of one video. Used by one thread at a time, which other threads then help.

    Decoders stay open from request to request: a warm one resumes where the next request goes on.

    Attributes:
        threads: most decoders at work at the same time.
    """

    def __init__(self, index: VideoIndex, threads: int, on_frame: OnFrame | None = None) -> None:
        """Open nothing yet.

        Args:
            index: the frames of the video.
            threads: most decoders at work at the same time, at least 1.
            on_frame: is shown every frame that comes out of a decoder, by several threads at once.

        Raises:
            ValueError: if `threads` is below 1.
        """
        if threads < 1:
            raise ValueError(f"threads must be 1 or more, got {threads}")
        self.threads = threads
        self._index = index
        self._on_frame = on_frame
        self._slots: list[_DecoderSlot] = []
        self._decoded = 0  # by decoders that were closed
        _pools.add(self)

    @property
    def decoded(self) -> int:
        """Return how many frames came out of the decoders so far."""
        return self._decoded + sum(slot.decoder.decoded for slot in self._slots)

    def close(self) -> None:
        """Close files and decoders; a later read opens them again."""
        self._decoded = self.decoded
        for slot in self._slots:
            slot.decoder.close()
        self._slots.clear()

    def read(
        self,
        jobs: Sequence[DecodeJob],
        size: tuple[int, int] | None,
        box: Box | None,
        deadline: Deadline,
    ) -> Iterator[tuple[int, Picture]]:
        """Yield the frames of the jobs, requested and prefetched, as pictures, as they come.

        The calling thread decodes as well, so that nothing waits for threads that are busy with
        other videos. A job that fails ends the others.

        Args:
            jobs: in the order in which to begin them.
            size: `(H, W)` of the pictures, `None` for native pixels.
            box: the region to show, `None` for the whole picture.
            deadline: when to give up.

        Yields:
            The number of a frame, and its picture, uint8 `(H, W, 3)`.

        Raises:
            VideoError: the first error of a job.
        """
        count = min(self.threads, len(jobs))
        self._open_slots(count, deadline)
        # All of them, not `count`: a later one may be the one that can resume.
        request = _Request(self._index.path, list(jobs), self._slots, size, box, deadline)
        helpers: list[Future[None]] = []
        with suppress(RuntimeError):  # the interpreter shuts down: no new threads
            for _ in range(count - 1):
                helpers.append(_threads().submit(request.help))
        try:
            yield from request.take_part(helpers)
        finally:
            if not request.stop(helpers):
                self._slots.clear()  # one of them is still in use, and cannot be closed

    def good_frames(self, frames: Sequence[int], deadline: Deadline) -> list[int]:
        """Return the numbers of those frames that decode; no pictures are made of them.

        Args:
            frames: their numbers, in any order.
            deadline: when to give up.

        Raises:
            DecodeTimeout: if it takes too long.
            VideoError: if the file can no longer be read.
        """
        decoder = self._open_slots(1, deadline)[0].decoder
        good: list[int] = []
        for job in plan_jobs(self._index, np.array(frames, dtype=np.int64)):
            with suppress(CorruptFrame):
                for frame, _ in decoder.read(job, deadline):
                    good.append(frame)
        return good

    def _open_slots(self, count: int, deadline: Deadline) -> list[_DecoderSlot]:
        """Return the first `count` decoders, opened where they are not."""
        while len(self._slots) < count:
            self._slots.append(self._new_slot(deadline))
        return self._slots[:count]

    def _leave_slots(self) -> None:
        """Go on in a forked process with decoders of its own.

        One that a thread of the parent had in hand is half changed; even to free it could crash.
        """
        self._decoded = self.decoded
        _left_behind.extend(self._slots)
        self._slots = []

    def _new_slot(self, deadline: Deadline) -> _DecoderSlot:
        index = self._index
        decoder = PacketDecoder(index, _source_of(index, deadline), self._on_frame)
        return _DecoderSlot(decoder, FrameConverter(index.size))


def _source_of(index: VideoIndex, deadline: Deadline) -> PacketSource:
    """Return what brings the packets of a file, the cheapest that its index allows."""
    if index.sliceable:
        return SlicedPackets(index)
    return (CountedPackets if index.counted else DemuxedPackets)(index, deadline)


_pools = reset_each_on_fork(DecodePool._leave_slots)
_left_behind: list[_DecoderSlot] = []  # decoders of the parent of this process, never used again


class _Request:
    """The jobs of one request: who takes which, and what came of them."""

    def __init__(
        self,
        path: Path,
        jobs: list[DecodeJob],
        slots: Sequence[_DecoderSlot],
        size: tuple[int, int] | None,
        box: Box | None,
        deadline: Deadline,
    ) -> None:
        """Begin nothing yet.

        Args:
            path: the file, for messages.
            jobs: in the order in which to begin them.
            slots: the decoders, at least as many as threads that take part.
            size: `(H, W)` of the pictures, `None` for native pixels.
            box: the region to show, `None` for the whole picture.
            deadline: when to give up.
        """
        self._path = path
        self._idle = list(slots)
        self._jobs, self._size, self._box, self._deadline = jobs, size, box, deadline
        self._lock = Lock()
        self._stopped = False
        self._results: SimpleQueue[Result] = SimpleQueue()

    def help(self) -> None:
        """Do jobs in a helping thread until none is left; what comes of them goes to the queue."""
        try:
            while (taken := self._take()) is not None:
                for result in self._run(*taken):
                    self._results.put(result)
        except BaseException as error:
            self._results.put(error)
        finally:
            self._results.put(None)

    def take_part(self, helpers: Sequence[Future[None]]) -> Iterator[tuple[int, Picture]]:
        """Do jobs in the calling thread and yield all pictures, those of the helpers included.

        1. Take jobs until none is left; after each picture of one's own, hand on what helpers made.
        2. Call off the helpers that have not begun: others keep the pool's threads busy.
        3. Wait for the others to end.

        Args:
            helpers: the other threads at this request.

        Raises:
            DecodeTimeout: if helpers take longer than the deadline allows.
            VideoError: the first error of a helper.
        """
        ended = 0
        while (taken := self._take()) is not None:
            for picture in self._run(*taken):
                yield picture
                while not self._results.empty():
                    result = self._results.get()
                    ended += result is None
                    yield from _unwrapped(result)
        running = sum(not helper.cancel() for helper in helpers)
        while ended < running:
            try:
                result = self._results.get(timeout=min(self._deadline.left + _PATIENCE, 1e6))
            except Empty:
                raise DecodeTimeout(
                    f"{self._path}: a decoder took more than {_PATIENCE:g} s over one packet"
                ) from None
            ended += result is None
            yield from _unwrapped(result)

    def stop(self, helpers: Sequence[Future[None]]) -> bool:
        """Wait until no helper uses a decoder any more; return false if one goes on."""
        self._stopped = True
        return not wait([h for h in helpers if not h.cancel()], timeout=_PATIENCE).not_done

    def _take(self) -> tuple[DecodeJob, _DecoderSlot] | None:
        """Return the next job and a decoder for it; `None` if no job is left.

        A decoder that can resume with the job comes first, then one that no later job can resume
        with. There are at least as many decoders as threads that ask, so that one is always idle.
        """
        with self._lock:
            if not self._jobs:
                return None
            job = self._jobs.pop(0)
            slot = max(
                self._idle,
                key=lambda slot: (
                    slot.decoder.can_resume(job),
                    not any(slot.decoder.can_resume(later) for later in self._jobs),
                ),
            )
            self._idle.remove(slot)
            return job, slot

    def _run(self, job: DecodeJob, slot: _DecoderSlot) -> Iterator[tuple[int, Picture]]:
        """Yield the pictures of one job."""
        for frame, decoded in slot.decoder.read(job, self._deadline):
            yield frame, slot.pictures.convert(decoded, slot.decoder.form, self._size, self._box)
            if self._stopped:
                break
        with self._lock:
            self._idle.append(slot)


def _unwrapped(result: Result) -> Iterator[tuple[int, Picture]]:
    """Yield a helper's picture, raise its error."""
    if isinstance(result, BaseException):
        raise result
    if result is not None:
        yield result
