"""Which frames that decoding passes are worth keeping: those that a closer look would ask for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sage_env.video.decoding.decode_plan import DecodeJob
from sage_env.video.index.video_index import VideoIndex

FINEST = 0.5
"""Least seconds between frames that are kept on the way."""


def prefetch_step(seconds: Sequence[float] | NDArray[np.float64]) -> float | None:
    """Return the seconds between frames to keep while these times are read, `None` for none.

    That is half of the grid that `timeline.snapped` puts such times on, which a look half as long
    would be put on: half the largest power of two not above their smallest distance.
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
    lacking: Callable[[list[int]], list[int]],
) -> tuple[DecodeJob, ...]:
    """Return the jobs with the frames that they pass at multiples of `step`, wanted ones left out.

    Args:
        index: the frames of the video.
        jobs: as `plan_jobs` made them.
        step: seconds.
        lacking: returns those of some frames that are worth having.
    """
    return tuple(replace(job, prefetch=tuple(lacking(_passed(index, job, step)))) for job in jobs)


def _passed(index: VideoIndex, job: DecodeJob, step: float) -> list[int]:
    """Return the frames on screen at multiples of `step` that one job passes after its keyframe."""
    pts = index.packet_pts[job.start : job.stop]
    first, last = np.searchsorted(index.pts, (index.key_pts[job.gop], pts.max()))
    ends = index.seconds(np.minimum((first, last), len(index.pts) - 1))
    times = np.arange(math.ceil(ends[0] / step), math.floor(ends[1] / step) + 1) * step
    frames = np.unique(index.frames_on_screen(times))
    packets = index.packet_of_frame[frames]
    frames = frames[(packets >= job.start) & (packets < job.stop)]
    return [frame for frame in frames.tolist() if frame not in job.frames]
