"""One process per contestant: it reads what a job asks for and measures the cost.

A contestant that hangs or crashes ends its own process alone, and its threads and memory do not
burden the others. The clocks run while it opens the file (if the job is cold) and reads, and stand
still while pictures are checked.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.frame_access.ffmpeg_libraries import library_path
from benchmarks.frame_access.frame_code import read_code
from benchmarks.frame_access.ours import OURS
from benchmarks.frame_access.peers import PEERS, Frames, Reader, ReaderFactory, Size
from benchmarks.timing import clocks, since


@dataclass(frozen=True)
class ReadJob:
    """What a contestant has to read.

    Attributes:
        path: the video file.
        calls: times of each call in seconds, increasing.
        size: `(H, W)` of the pictures, `None` for native ones.
        cold: opening the file is measured too.
        again: the same reader has read everything once before the clocks start.
    """

    path: Path
    calls: tuple[tuple[float, ...], ...]
    size: Size
    cold: bool
    again: bool = False


@dataclass(frozen=True)
class Measured:
    """What a job cost, and which frames came back.

    Attributes:
        cpu_ms: processor time of all threads of the process.
        wall_ms: wall-clock time.
        numbers: number drawn in each picture, `None` where it cannot be read.
        seconds: when each frame is shown; `None` if the reader does not tell.
    """

    cpu_ms: float
    wall_ms: float
    numbers: tuple[int | None, ...]
    seconds: tuple[float, ...] | None


@dataclass(frozen=True)
class Failed:
    """The reason why a job was not measured."""

    reason: str


class Contestant:
    """A contestant's process, seen from the benchmark.

    Attributes:
        name: of the contestant.
        about: "package version"; "" for our own reader.
        absent: why it takes no part (any more); `None` as long as it does.
    """

    def __init__(self, name: str) -> None:
        """Start the process and wait until it has imported what it needs."""
        self.name, self.about = name, ""
        self.absent: str | None = None
        context = get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, there), daemon=True)
        needs_ffmpeg = name in PEERS and PEERS[name].needs_ffmpeg
        with library_path() if needs_ffmpeg else nullcontext():
            self._process.start()
            there.close()
            reply = self._receive(300.0)
        if isinstance(reply, Failed):
            self.absent = reply.reason
            self.close()
        else:
            self.about = str(reply)

    def run(self, job: ReadJob, timeout: float) -> Measured | Failed:
        """Run a job; a contestant that crashes or takes over `timeout` seconds is out afterwards.

        Raises:
            TypeError: if the process sends something else than a result.
        """
        if self.absent is not None:
            return Failed(self.absent)
        self._here.send(job)
        reply = self._receive(timeout)
        if isinstance(reply, Measured | Failed):
            return reply
        raise TypeError(f"{self.name}: expected a measurement, got {reply!r}")

    def _receive(self, timeout: float) -> object:
        try:
            if self._here.poll(timeout):
                return self._here.recv()
            self.absent = f"not done after {timeout:.0f} s"
        except EOFError:
            self._process.join()
            self.absent = f"its process ended with code {self._process.exitcode}"
        self.close()
        return Failed(self.absent)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._here.close()


def _serve(name: str, pipe: Connection) -> None:
    """Run the jobs that come through the pipe until it is closed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # decoders warn a lot
    try:
        opener, about = _find(name)
    except Exception as error:  # whatever a foreign package does when it is imported
        pipe.send(Failed(_first_line(error)))
        return
    pipe.send(about)
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(measure(opener, job))
        except Exception as error:  # a failure of a contestant is a result
            pipe.send(Failed(_first_line(error)))


def _find(name: str) -> tuple[ReaderFactory, str]:
    """Import a contestant; return what makes its readers, and "package version"."""
    if name in OURS:
        return OURS[name], ""
    peer = PEERS[name]
    return peer.opener, peer.load()


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0].strip()[:100]}" if lines else type(error).__name__


def measure(opener: ReaderFactory, job: ReadJob) -> Measured:
    """Run a job in this process and measure it; the numbers are read after the clocks stopped."""
    reader = None if job.cold else opener(job.path, job.size)
    if job.again and reader is not None:
        _read_all(reader, job.calls)
    gc.collect()
    began = clocks()
    reader = opener(job.path, job.size) if reader is None else reader
    batches = _read_all(reader, job.calls)
    spent = since(began)
    numbers = tuple(read_code(picture) for batch in batches for picture in batch.pictures)
    told = [batch.seconds for batch in batches]
    seconds = tuple(s for part in told if part is not None for s in part)
    reader.close()
    return Measured(1e3 * spent.cpu, 1e3 * spent.wall, numbers, None if None in told else seconds)


def _read_all(reader: Reader, calls: Sequence[Sequence[float]]) -> list[Frames]:
    return [reader.read(times) for times in calls]
