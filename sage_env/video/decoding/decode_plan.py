"""From times to decoding jobs: which frames will do, and which packets have to be decoded for them.

A frame that references others cannot be decoded alone: decoding starts at a keyframe and goes
through every packet that a requested frame depends on. A job is one such run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sage_env.frames import Tolerance
from sage_env.timeline import nearest_places
from sage_env.video.index.video_index import VideoIndex

Integers = NDArray[np.int64]

AUTO_TOLERANCE = 5.0
"""Most seconds that "auto" allows between the time asked for and the frame shown.

Encoders set a keyframe at least every 250 frames unless told otherwise: one is then within it.
"""
# Estimates of `DecodePlan.seconds`: H.264 on one core of a server CPU, measured at 640x360 and
# 1280x720 with the clips of `benchmarks.frame_access`. Within a factor of two or so elsewhere, and
# proportional to what decoding costs; nothing but that estimate depends on them. Revisit for other
# codecs, or where planning comes to compare decoding with something else.
_SECONDS_PER_JOB = 5e-4
_SECONDS_PER_PACKET = 5e-5
_SECONDS_PER_PIXEL = 9e-10


@dataclass(frozen=True, eq=False)
class DecodeJob:
    """One run of a decoder: the packets from a keyframe to the last requested frame of its GOP.

    Attributes:
        gop: number of the keyframe in `VideoIndex.key_pts`.
        start: number of its packet, in decode order.
        stop: the packet after that of the last requested frame.
        frames: the requested frames, in presentation order.
        prefetch: frames to cache if decoding reaches them; missing ones are no error.
    """

    gop: int
    start: int
    stop: int
    frames: tuple[int, ...]
    prefetch: tuple[int, ...] = ()

    @property
    def packets(self) -> int:
        """Return the number of packets from `start` to before `stop`."""
        return self.stop - self.start


@dataclass(frozen=True, eq=False)
class DecodePlan:
    """The frames of a request, and the decoding that brings them if nothing is cached.

    Attributes:
        frames: int64 `(N,)`: the frame for each time, times sorted.
        exact: bool `(N,)`: whether it is the one on screen at that time.
        tolerance: seconds that a frame may be off.
        jobs: what is decoded, the longest job first.
        packets_needed: packets from keyframes to the requested frames, disposable ones included.
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
    """Plan a request. The plan depends on the arguments alone, not on what was read before.

    Args:
        index: the frames of the video.
        seconds: finite times, float64 `(N,)`, in any order, also several times the same.
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
    """The frames that serve a request.

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

    The first line that fits decides; a selection depends on its own time and the tolerance only.

    | tolerance | on screen is | within the tolerance is | selected | exact |
    |---|---|---|---|---|
    | 0 | any frame | | the frame on screen | yes |
    | above 0 | a keyframe | | that keyframe | yes |
    | above 0 | no keyframe | a keyframe | the nearest keyframe | no |
    | above 0 | no keyframe | no keyframe | the first frame shown within it | if on screen |

    The first frame shown within the tolerance is the cheapest to decode of those between two
    keyframes; it is never later than the frame on screen.

    Args:
        index: the frames of the video.
        seconds: finite times, float64 `(N,)`, in any order.
        tolerance: seconds, or "auto": half the smallest distance between two times, at most 5.

    Raises:
        ValueError: if a time is not finite, or the tolerance is negative or not finite.
    """
    times = _sorted_times(seconds)
    if tolerance:
        times = np.minimum(np.maximum(times, 0.0), index.duration)
    within = _auto(times) if tolerance == "auto" else float(tolerance)
    if not 0 <= within < np.inf:
        raise ValueError(f'tolerance must be seconds, 0 or more, or "auto", got {tolerance}')
    on_screen = index.frames_on_screen(times)
    if within == 0 or not len(times):
        return FrameSelection(on_screen, np.ones(len(times), dtype=np.bool_), within)
    keyframes = _shown_keyframes(index)
    nearest = keyframes[nearest_places(index.seconds(keyframes), times)]
    is_near = np.abs(index.seconds(nearest) - times) <= within
    first = np.minimum(index.frames_from(times - within), on_screen)
    frames = np.select([np.isin(on_screen, keyframes), is_near], [on_screen, nearest], first)
    return FrameSelection(frames, frames == on_screen, within)


def _sorted_times(seconds: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return finite times in order, float64 `(N,)`.

    Raises:
        ValueError: if one is not finite, or they are not a flat sequence.
    """
    times = np.array(seconds, dtype=np.float64)
    if times.ndim != 1:
        raise ValueError(f"seconds must be a sequence of finite times, got {seconds}")
    times.sort()  # NaN comes last
    if len(times) and not (math.isfinite(times[0]) and math.isfinite(times[-1])):
        raise ValueError(f"seconds must be a sequence of finite times, got {seconds}")
    return times


def _shown_keyframes(index: VideoIndex) -> Integers:
    """Return the frames that are keyframes; the first frame if an edit list hides all keyframes."""
    frames = np.minimum(np.searchsorted(index.pts, index.key_pts), len(index.pts) - 1)
    frames = frames[index.pts[frames] == index.key_pts]
    return frames if len(frames) else np.zeros(1, dtype=np.int64)


def _auto(times: NDArray[np.float64]) -> float:
    """Return half the smallest distance of two different times, at most `AUTO_TOLERANCE`."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    return min(float(steps.min()) / 2, AUTO_TOLERANCE) if len(steps) else 0.0


def plan_jobs(index: VideoIndex, frames: Integers) -> tuple[DecodeJob, ...]:
    """Return the jobs that decode these frames, the longest first; no packet is in two of them.

    The longest goes first because a request ends with its last job.

    Args:
        index: the frames of the video.
        frames: int64, any shape: numbers of the frames, in any order, also several times the same.
    """
    requested = np.unique(frames)
    packets = index.packet_of_frame[requested]
    gops = _gops_in_file_order(index, index.gops(requested), packets)
    jobs: list[DecodeJob] = []
    for gop in np.unique(gops).tolist():
        mine = gops == gop
        key = int(index.key_packets[gop])
        start, stop = min(key, int(packets[mine].min())), int(packets[mine].max()) + 1
        _append_or_merge(jobs, DecodeJob(gop, start, stop, tuple(requested[mine].tolist())))
    return tuple(sorted(jobs, key=lambda job: -job.packets))


def _gops_in_file_order(index: VideoIndex, gops: Integers, packets: Integers) -> Integers:
    """Return the GOPs of frames, none of which starts behind the frame's own packet.

    `VideoIndex.gops` goes by time. Where times contradict the order in the file (a frame precedes
    the packet of the keyframe shown before it), the last keyframe packet before the frame's counts.

    Args:
        index: the frames of the video.
        gops: int64 `(F,)`, the GOPs by time.
        packets: int64 `(F,)`, the packets of the frames.
    """
    contradicts = index.key_packets[gops] > packets
    if contradicts.any():
        by_packet = np.argsort(index.key_packets)
        in_file = index.key_packets[by_packet]
        places = np.searchsorted(in_file, packets[contradicts], side="right") - 1
        gops = gops.copy()
        gops[contradicts] = by_packet[np.maximum(places, 0)]
    return gops


def _append_or_merge(jobs: list[DecodeJob], job: DecodeJob) -> None:
    """Add a job; if it starts inside the last one, make both one.

    Leading pictures of an open GOP belong to the GOP before, and lie behind the next keyframe in
    the file: the two jobs would decode that keyframe twice.
    """
    if jobs and jobs[-1].start <= job.start < jobs[-1].stop:
        last = jobs.pop()
        frames = tuple(sorted({*last.frames, *job.frames}))
        job = DecodeJob(last.gop, last.start, max(last.stop, job.stop), frames)
    jobs.append(job)
