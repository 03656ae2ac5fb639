"""Health of a video file: whether all of it can be played, and what it costs to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sage_env.errors import VideoError
from sage_env.video.deadline import Deadline
from sage_env.video.decoding.decode_pool import DecodePool
from sage_env.video.decoding.nearest_frame import frames_of_gop
from sage_env.video.index.video_index import VideoIndex, read_index

VIDEO_SUFFIXES = frozenset(
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ts .webm .wmv".split()
)
"""Endings of files that are taken for videos."""


@dataclass(frozen=True)
class VideoHealth:
    """The findings about one video file.

    Attributes:
        path: the file.
        error: why it cannot be opened, else ""; the rest then says nothing.
        codec: FFmpeg's name of the decoder.
        size: native `(H, W)` of the first picture as it is shown: upright, with square pixels.
        duration: seconds from time 0 to the end of the last frame.
        fps: average frames per second.
        variable_rate: whether the distances between frames differ by more than one tick.
        keyframe_seconds: mean distance between keyframes: what an exact frame costs grows with it.
        longest_gap: longest distance between keyframes, or from the last to the end, in seconds.
        sliceable: whether packets are cut out of the file without a demuxer, which is faster.
        absent: frames that the file announces but does not hold.
        undecodable: `(start, end)` in seconds of the stretches that do not decode.
    """

    path: Path
    error: str = ""
    codec: str = ""
    size: tuple[int, int] = (0, 0)
    duration: float = 0.0
    fps: float = 0.0
    variable_rate: bool = False
    keyframe_seconds: float = 0.0
    longest_gap: float = 0.0
    sliceable: bool = False
    absent: int = 0
    undecodable: tuple[tuple[float, float], ...] = ()

    @property
    def sound(self) -> bool:
        """Return whether the file is whole and every frame that was tried decodes."""
        return not (self.error or self.absent or self.undecodable)

    def __str__(self) -> str:
        """Say it in one line."""
        if self.error:
            return f"BROKEN  {self.path}: {self.error.removeprefix(f'{self.path}: ')}"
        height, width = self.size
        rate = f"{self.fps:.3g} fps" + (", variable" if self.variable_rate else "")
        keys = f"keyframes every {self.keyframe_seconds:.1f} s, at most {self.longest_gap:.1f} s"
        parts = [f"{self.codec} {width}x{height}", f"{self.duration:.1f} s", rate, keys]
        if not self.sliceable:
            parts.append("read through a demuxer")
        if self.absent:
            parts.append(f"CUT SHORT by {self.absent} frames or more")
        if self.undecodable:
            shown = ", ".join(f"{a:.2f}-{b:.2f} s" for a, b in self.undecodable[:5])
            more = f" and {len(self.undecodable) - 5} more" if len(self.undecodable) > 5 else ""
            parts.append(f"UNDECODABLE {shown}{more}")
        return f"{'ok    ' if self.sound else 'BROKEN'}  {self.path}: {', '.join(parts)}"


def check_health(path: Path, *, quick: bool = False, timeout: float | None = None) -> VideoHealth:
    """Open a video file, decode it, and say what was found.

    Args:
        path: the file.
        quick: try the keyframes only; an hour then takes seconds.
        timeout: seconds for the whole file; `None` for no limit. What is not tried by then counts
            as an error.

    Returns:
        The findings. Whatever goes wrong with the file is one of them, and no exception.
    """
    try:
        return _health(path, quick, Deadline.after(timeout))
    except VideoError as error:
        return VideoHealth(path, error=str(error))
    except Exception as error:  # whatever one file does, the others are to be checked
        return VideoHealth(path, error=f"checking it failed ({type(error).__name__}: {error})")


def first_fault(path: Path, *, timeout: float | None = None) -> str:
    """Say why a video cannot be used, from three pictures: of its start, middle and end.

    It takes milliseconds, however long the video is. What else is damaged `check_health` finds.

    Args:
        path: the file.
        timeout: seconds for the file; `None` for no limit.

    Returns:
        What is wrong; "" where the three keyframes decode.
    """
    try:
        deadline = Deadline.after(timeout)
        index = read_index(path, deadline)
        gops = len(index.key_pts)
        bad = _undecodable(index, True, deadline, sorted({0, gops // 2, gops - 1}))
    except VideoError as error:
        return str(error)
    except Exception as error:  # whatever one file does, the others are to be checked
        return f"{path}: opening it failed ({type(error).__name__}: {error})"
    return f"{path}: {bad[0][0]:.2f}-{bad[0][1]:.2f} s does not decode" if bad else ""


def _health(path: Path, quick: bool, deadline: Deadline) -> VideoHealth:
    """Return what is found in a file that can be opened; see `check_health`."""
    index = read_index(path, deadline)
    undecodable = _undecodable(index, quick, deadline)
    steps = np.diff(index.pts)
    seconds = float(index.time_base)
    first, span = int(index.pts[0]), index.duration - index.lead
    keys = (np.maximum(index.key_pts, first) - first) * seconds
    gaps = np.diff(np.append(keys, span))
    return VideoHealth(
        path,
        codec=index.config.codec,
        size=index.size,
        duration=index.duration,
        fps=len(index.pts) / span,
        variable_rate=bool(len(steps) and np.ptp(steps) > 1),
        keyframe_seconds=float(span / len(keys)),
        longest_gap=float(gaps.max()),
        sliceable=index.sliceable,
        absent=index.missing_frames,
        undecodable=undecodable,
    )


def _undecodable(
    index: VideoIndex, quick: bool, deadline: Deadline, gops: Sequence[int] | None = None
) -> tuple[tuple[float, float], ...]:
    """Return the stretches that do not decode; of a keyframe, that of its GOP.

    Args:
        index: of the file.
        quick: try the keyframes only.
        deadline: of it all.
        gops: numbers of those to try; `None` for all.

    Raises:
        VideoError: if there is nothing that decodes, or the time is over.
    """
    bad = np.zeros(len(index.pts) + 1, dtype=np.bool_)
    pool = DecodePool(index, threads=1)
    for gop in range(len(index.key_pts)) if gops is None else gops:
        frames = frames_of_gop(index, gop)
        if not frames:
            continue
        tried = frames[:1] if quick else frames
        good = pool.good_frames(tried, deadline)
        bad[frames[0] : frames[-1] + 1] = not good if quick else True
        bad[good] = False
    pool.close()
    if bad[:-1].all():
        raise VideoError(f"{index.path}: no frame decodes; download or make it again")
    ends = np.append(index.seconds(np.arange(len(index.pts))), index.duration)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], bad])))
    return tuple((float(ends[a]), float(ends[b])) for a, b in edges.reshape(-1, 2))
