"""Prefetch: which frames that decoding passes anyway are worth caching for a closer look.

A decoder on its way to a requested frame decodes all that it depends on. Where looks are on a grid
of times that all spans share (`timeline.snapped`), the frames that a look half as long would ask
for are known beforehand: those on half the grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sage_env.video.decoding.decode_plan import DecodeJob
from sage_env.video.index.video_index import VideoIndex

FINEST = 0.5
"""Least seconds between frames that are prefetched.

Each costs its conversion to RGB and room in the cache, looked at or not; half a second is the grid
of a look at 8 frames of 4 seconds. Not measured by itself; the gain of prefetch as a whole is in
`benchmarks/reports/rollout_access.md`.
"""


def prefetch_step(seconds: Sequence[float] | NDArray[np.float64]) -> float | None:
    """Return the seconds between frames to prefetch while times are read, `None` for no prefetch.

    That is the grid that `timeline.snapped` puts a look half as long on: half the largest power of
    two that is not above the smallest distance of the times, at least `FINEST`. Times 0, 5, 12 have
    5 as smallest distance, a grid of 4, and give 2.

    Args:
        seconds: float64 `(N,)`, in any order; fewer than two different ones give `None`.
    """
    steps = np.diff(np.sort(np.asarray(seconds, dtype=np.float64)))
    steps = steps[steps > 0]
    if not len(steps):
        return None
    _, exponent = math.frexp(float(steps.min()))
    return max(FINEST, math.ldexp(1.0, exponent - 2))


def add_prefetch(
    index: VideoIndex,
    jobs: Sequence[DecodeJob],
    step: float,
    absent: Callable[[list[int]], list[int]],
) -> tuple[DecodeJob, ...]:
    """Return the jobs, each with the frames to prefetch: those it passes at multiples of `step`.

    Args:
        index: the frames of the video.
        jobs: as `plan_jobs` made them.
        step: seconds between the frames to prefetch.
        absent: returns those of some frames that no cache holds yet.
    """
    return tuple(
        replace(job, prefetch=tuple(absent(_on_the_way(index, job, step)))) for job in jobs
    )


def _on_the_way(index: VideoIndex, job: DecodeJob, step: float) -> list[int]:
    """Return the frames on screen at multiples of `step` that one job passes, unless requested.

    Frames before the job's keyframe do not count: leading pictures reference the GOP before.
    """
    pts = index.packet_pts[job.start : job.stop]
    first, last = np.searchsorted(index.pts, (index.key_pts[job.gop], pts.max()))
    ends = index.seconds(np.minimum((first, last), len(index.pts) - 1))
    # A frame is on screen at a multiple if at the last one before it, as times are rounded, or at
    # the next. Not all multiples: between two frames may lie hours.
    shown = index.seconds(np.arange(first, min(last, len(index.pts) - 1) + 1))
    multiples = np.unique(np.floor(shown / step)[:, None] + (0.0, 1.0)) * step
    inside = (multiples >= ends[0]) & (multiples <= ends[1])
    frames = np.unique(index.frames_on_screen(multiples[inside]))
    packets = index.packet_of_frame[frames]
    frames = frames[(packets >= job.start) & (packets < job.stop)]
    return [frame for frame in frames.tolist() if frame not in job.frames]
