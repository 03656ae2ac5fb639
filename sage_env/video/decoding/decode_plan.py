"""From times to decoding jobs: which frames, and what has to be decoded for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sage_env.frames import Tolerance
from sage_env.video.index.video_index import VideoIndex

Integers = NDArray[np.int64]

AUTO_TOLERANCE = 5.0
"""Most seconds that "auto" allows between the time asked for and the frame shown.

Encoders set a keyframe at least every 250 frames unless told otherwise: one is then within it.
"""
# H.264 on one core of a server CPU, measured at 360p and 720p: right within a factor of two or so
# elsewhere, and proportional to what decoding costs.
_SECONDS_PER_JOB = 5e-4
_SECONDS_PER_PACKET = 5e-5
_SECONDS_PER_PIXEL = 9e-10


@dataclass(frozen=True, eq=False)
class DecodeJob:
    """One run of a decoder: from a keyframe to the last wanted frame that leans on it.

    Attributes:
        gop: number of the keyframe in `VideoIndex.key_pts`.
        start: number of its packet, in order of decoding.
        stop: the packet after that of the last wanted frame.
        frames: the wanted frames, in order of presentation.
        prefetch: frames that are welcome if they come out on the way; nothing is amiss if not.
    """

    gop: int
    start: int
    stop: int
    frames: tuple[int, ...]
    prefetch: tuple[int, ...] = ()

    @property
    def packets(self) -> int:
        """Return the number of packets that lie between."""
        return self.stop - self.start


@dataclass(frozen=True, eq=False)
class DecodePlan:
    """What serves a request, if nothing is cached.

    Attributes:
        frames: int64 `(N,)`: the frame for each time, times sorted.
        exact: bool `(N,)`: whether it is the one on screen at that time.
        tolerance: seconds that a frame may be off.
        jobs: the longest first.
        packets_needed: packets from keyframes to the wanted frames.
        seconds: estimated time to decode them on one core.
    """

    frames: Integers
    exact: NDArray[np.bool_]
    tolerance: float
    jobs: tuple[DecodeJob, ...]
    packets_needed: int
    seconds: float


def plan_frames(
    index: VideoIndex, seconds: Sequence[float] | NDArray[np.float64], tolerance: Tolerance = 0.0
) -> DecodePlan:
    """Plan a request; it depends on nothing but the arguments.

    Args:
        index: the frames of the video.
        seconds: finite times in any order, also several times the same.
        tolerance: how far in seconds a frame may be from its time; see `select_frames`.

    Raises:
        ValueError: if a time is not finite, or the tolerance is not as above.
    """
    frames, exact, within = select_frames(index, seconds, tolerance)
    jobs = plan_jobs(index, frames)
    packets = sum(job.packets for job in jobs)
    per_packet = _SECONDS_PER_PACKET + _SECONDS_PER_PIXEL * index.height * index.width
    cost = len(jobs) * _SECONDS_PER_JOB + packets * per_packet
    return DecodePlan(frames, exact, within, jobs, packets, cost)


class FrameSelection(NamedTuple):
    """Which frames will do for a request.

    Attributes:
        frames: int64 `(N,)`: the frame for each time, times sorted.
        exact: bool `(N,)`: whether it is the one on screen at that time.
        tolerance: seconds that a frame may be off.
    """

    frames: Integers
    exact: NDArray[np.bool_]
    tolerance: float


def select_frames(
    index: VideoIndex, seconds: Sequence[float] | NDArray[np.float64], tolerance: Tolerance = 0.0
) -> FrameSelection:
    """Return the frame for each time, times sorted, and whether it is the one on screen then.

    Without tolerance it is. With one, a keyframe on screen is taken first, then the nearest
    keyframe within the tolerance, then the first frame shown within it, which is the cheapest of
    those without a keyframe among them. A choice depends on its own time and the tolerance only.

    Args:
        index: the frames of the video.
        seconds: finite times `(N,)` in any order.
        tolerance: seconds, or "auto": half the smallest distance between two times, at most 5.

    Raises:
        ValueError: if a time is not finite, or the tolerance is negative or not finite.
    """
    times = np.array(seconds, dtype=np.float64)
    if times.ndim != 1:
        raise ValueError(f"seconds must be a sequence of finite times, got {seconds}")
    times.sort()  # NaN comes last
    if len(times) and not (math.isfinite(times[0]) and math.isfinite(times[-1])):
        raise ValueError(f"seconds must be a sequence of finite times, got {seconds}")
    if tolerance:
        times = np.minimum(np.maximum(times, 0.0), index.duration)
    within = _auto(times) if tolerance == "auto" else float(tolerance)
    if not 0 <= within < np.inf:
        raise ValueError(f'tolerance must be seconds, 0 or more, or "auto", got {tolerance}')
    on_screen = index.frames_on_screen(times)
    if within == 0 or not len(times):
        return FrameSelection(on_screen, np.ones(len(times), dtype=np.bool_), within)
    keys = np.minimum(np.searchsorted(index.pts, index.key_pts), len(index.pts) - 1)
    keys = keys[index.pts[keys] == index.key_pts]
    if not len(keys):  # all of them are hidden
        keys = on_screen[:1] * 0
    first = np.minimum(index.frames_from(times - within), on_screen)
    near = _nearest(index.seconds(keys), times)
    close = np.abs(index.seconds(keys)[near] - times) <= within
    frames = np.where(close, keys[near], first)
    frames = np.where(np.isin(on_screen, keys), on_screen, frames).astype(np.int64)
    return FrameSelection(frames, frames == on_screen, within)


def _auto(times: NDArray[np.float64]) -> float:
    """Return half the smallest distance of two different times, at most `AUTO_TOLERANCE`."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    return min(float(steps.min()) / 2, AUTO_TOLERANCE) if len(steps) else 0.0


def _nearest(places: NDArray[np.float64], times: NDArray[np.float64]) -> Integers:
    """Return the number of the nearest place for each time; of two equally near, the earlier."""
    after = np.minimum(np.searchsorted(places, times), len(places) - 1)
    before = np.maximum(after - 1, 0)
    nearer = times - places[before] <= places[after] - times
    return np.where(nearer, before, after).astype(np.int64)


def plan_jobs(index: VideoIndex, frames: Integers) -> tuple[DecodeJob, ...]:
    """Return the jobs that decode these frames, the longest first; no packet is in two of them.

    Jobs that would overlap are one: leading pictures of an open GOP lie behind its keyframe.
    """
    wanted = np.unique(frames)
    packets = index.packet_of_frame[wanted]
    gops = index.gops(wanted)
    early = index.key_packets[gops] > packets  # times that contradict the order in the file
    if early.any():
        by_packet = np.argsort(index.key_packets)
        places = np.searchsorted(index.key_packets[by_packet], packets[early], side="right") - 1
        gops[early] = by_packet[np.maximum(places, 0)]
    jobs: list[DecodeJob] = []
    for gop in np.unique(gops).tolist():
        mine = gops == gop
        start, stop = int(index.key_packets[gop]), int(packets[mine].max()) + 1
        job = DecodeJob(
            gop, min(start, int(packets[mine].min())), stop, tuple(wanted[mine].tolist())
        )
        if jobs and jobs[-1].start <= job.start < jobs[-1].stop:
            last = jobs.pop()
            both = tuple(sorted({*last.frames, *job.frames}))
            job = DecodeJob(last.gop, last.start, max(last.stop, job.stop), both)
        jobs.append(job)
    return tuple(sorted(jobs, key=lambda job: -job.packets))
