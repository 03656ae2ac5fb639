"""Is what a reader serves what FFmpeg shows, decoding the same file from its first packet on?"""

from __future__ import annotations

import re
import time
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from benchmarks.robustness.clips.graded_clips import FRAMES, GOP, RATE, SIDE, number_of
from sage_env.errors import VideoError
from sage_env.frames import FrameBatch
from sage_env.video import open_video
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.video_file import PyAVVideo

_LOOKS = 8
"""Times that are asked for in each file."""
_MOST_MEMORY = 96 << 20
"""Bytes by which reading a mutated file of a few kB may raise the memory of the process.

Opening and reading a sound one takes some 15 MB, of which FFmpeg's probing is the most.
"""
_SAME = 2.0
"""Levels of brightness, of 255, by which a picture may differ from itself: what turns or stretches
it rounds anew. Neighbours differ by 4."""
_TICK = 2e-3
"""Seconds by which equal times may differ: Matroska counts in milliseconds."""


_BESIDE = 2
"""Frames that FFmpeg may lose or keep at a joint."""


class _Shown(NamedTuple):
    """One frame of a sequential decode.

    Attributes:
        pts: in seconds, by the file's own clock.
        picture: RGB, uint8 `(H, W, 3)`.
        whole: whether no packet failed up to here, and FFmpeg does not call it corrupt.
    """

    pts: float
    picture: NDArray[np.uint8]
    whole: bool


class _Served(NamedTuple):
    """One frame that the reader served.

    Attributes:
        number: in the order of the reader.
        pts: in seconds, by the clock of the reader's index.
        after: seconds after the reader's first frame.
        picture: RGB, uint8 `(H, W, 3)`.
    """

    number: int
    pts: float
    after: float
    picture: NDArray[np.uint8]


class _Reading(NamedTuple):
    """What the reader served of a file.

    Attributes:
        served: the frames.
        frames: how many the reader knows.
        joined: whether times of the file start again.
        says_so: whether it says that something is missing, or refused some.
    """

    served: list[_Served]
    frames: int
    joined: bool
    says_so: bool


def check_reading(
    path: Path, *, hidden: int = 0, strange_times: bool = False, timeout: float = 5.0
) -> tuple[str, str]:
    """Open a file, read a few frames, and compare them; return how it ended and the fault.

    A fault is: an error that is no `VideoError`, one that does not name the file, more time or
    memory than a small file is worth, a frame that sequential decoding does not show at that time,
    frames that are lost and not counted as absent.

    Args:
        path: the file.
        hidden: frames of the sound clip before the first that it shows.
        strange_times: whether pictures that FFmpeg shows at other times than the sound clip are
            times that were changed, and not damage.
        timeout: seconds for each request.
    """
    _forget_peak()
    before, began = _peak(), time.monotonic()
    served: list[_Served] = []
    frames, absent, refused, joined, lies = 0, 0, "", False, ""
    try:
        with open_video(path, cache=FrameCache(0), threads=1, timeout=timeout) as video:
            frames, absent = len(video._index.pts), video.absent
            joined = bool(video._index.joints)
            for second in np.linspace(0.0, min(video.duration, 1e9), _LOOKS):
                try:
                    batch = video.frames_at([float(second)])
                    served.append(_served(video, batch))
                    if not np.allclose(batch.seconds, video._index.seconds(batch.index)):
                        lies = f"frame {batch.index} is said to be shown at {batch.seconds} s"
                except VideoError as error:
                    refused = _said(error, path)
    except VideoError as error:
        refused = _said(error, path)
        if not refused.startswith("!"):
            refused = f"refused: {refused}"
    grown, took = _peak() - before, time.monotonic() - began
    if refused.startswith("!"):
        return "an error without the file", refused
    if grown > _MOST_MEMORY:
        return "memory", f"{grown >> 20} MB"
    if took > _LOOKS * timeout:
        return "slow", f"{took:.1f} s"
    if not served:
        return refused or "nothing was served", ""
    found = _Reading(served, frames, joined, bool(absent or refused))
    fault = lies or _wrong(path, found, hidden, strange_times=strange_times)
    return ("some frames, " + refused if refused else "all that was asked for"), fault


def _served(video: PyAVVideo, batch: FrameBatch) -> _Served:
    """Return the one frame of a batch, with its time by the index."""
    index, number = video._index, int(batch.index[0])
    pts, first = (float(int(index.pts[n]) * index.time_base) for n in (number, 0))
    return _Served(number, pts, pts - first, batch.pixels[0].copy())


def _said(error: VideoError, path: Path) -> str:
    """Return the kind of an error; "!" and its text if it does not name the file."""
    return type(error).__name__ if path.name in str(error) else f"!{error}"


def _wrong(path: Path, found: _Reading, hidden: int, *, strange_times: bool) -> str:
    """Return what is wrong with frames that were served, "" if nothing is.

    If FFmpeg shows all pictures of the sound clip, or a row of them, then a frame has to be what
    FFmpeg shows at that time. Else pictures were damaged, and what FFmpeg makes up depends on what
    it decoded before: a frame then has to be right only where FFmpeg shows the right one. Of a file
    whose times start again, the n-th frame has to be the n-th of FFmpeg, or one beside it where
    frames were lost at the joint.

    Frames are counted by their times: of two at one time, one may stand for both.

    Args:
        path: the file.
        found: what the reader served.
        hidden: frames of the sound clip before the first that it shows.
        strange_times: see `check_reading`.
    """
    shown = _sequential(path)
    if not shown:
        return ""  # FFmpeg shows nothing: what the tables alone give has no judge here
    numbers = [number_of(each.picture) for each in shown]
    distinct = min(len(set(numbers)), len({round(each.pts / _TICK) for each in shown}))
    if not found.says_so and distinct > found.frames:
        return f"{distinct - found.frames} of {distinct} frames are lost, absent is 0"
    undamaged = all(each.whole for each in shown) and all(b - a == 1 for a, b in pairwise(numbers))
    if not strange_times:
        places = [round((each.pts - shown[0].pts) * RATE) for each in shown]
        undamaged = undamaged and all(
            n - numbers[0] == p for n, p in zip(numbers, places, strict=True)
        )
    for frame in found.served:
        number, right = number_of(frame.picture), hidden + round(frame.after * RATE)
        if found.joined:
            there = shown[max(0, frame.number - _BESIDE) : frame.number + _BESIDE + 1]
            right = -1
        else:
            there = [
                each
                for each in shown
                if min(abs(each.pts - frame.pts), abs(each.pts - shown[0].pts - frame.after))
                <= _TICK
            ]
        seen = [number_of(each.picture) for each in there]
        start = right // GOP * GOP  # what refers to a picture that was lost is right by chance
        complete = set(range(start, min(start + GOP, FRAMES))) <= set(numbers)
        judged = undamaged or found.joined or (right in seen and complete)
        same = any(_equal(frame.picture, each.picture) for each in there)
        if judged and not same and number != right:
            return f"at {frame.pts:.4f} s frame {number} is served, FFmpeg shows {seen}"
    return ""


def _equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Return whether two pictures are of one brightness, so that they show one frame."""
    return abs(float(one.mean()) - float(other.mean())) <= _SAME


def _sequential(path: Path) -> list[_Shown]:
    """Return the frames of a file in the order in which they come out of one decoder.

    Packets that do not decode are passed over, as FFmpeg's own players do.
    """
    shown: list[_Shown] = []
    whole = True
    try:
        with av.open(str(path), metadata_errors="replace") as file:
            stream = file.streams.best("video")
            if not isinstance(stream, VideoStream) or stream.codec_context is None:
                return []
            stream.codec_context.thread_count = 1
            for packet in islice(file.demux(stream), 10 * FRAMES):
                try:
                    for frame in packet.decode():
                        if frame.pts is not None and stream.time_base is not None:
                            rgb: Any = frame.reformat(SIDE, SIDE, "rgb24").to_ndarray()
                            whole = whole and not frame.is_corrupt
                            shown.append(_Shown(float(frame.pts * stream.time_base), rgb, whole))
                except av.FFmpegError:
                    whole = False
    except (av.FFmpegError, IndexError, OverflowError):
        pass
    return shown


def _peak() -> int:
    """Return the most bytes of memory that the process has had since `_forget_peak`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(found[1]) << 10 if found else 0


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
