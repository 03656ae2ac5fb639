"""Frames decoded anew as the policy saw them, without black bars; what cannot be had is said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from algos.viewer.pictures.wanted_frames import Look
from algos.viewer.view_data import Box
from sage_env.deadlines.timed_call import timed_call
from sage_env.errors import DecodeTimeout, VideoError, error_text
from sage_env.framing.picture_region import picture_regions
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.video_file import PyAVVideo, open_video

Picture = NDArray[np.uint8]
"""uint8 `(h, w, 3)`, RGB, without bars."""
_AT_ONCE = 32
"""Frames of one request at most: the time is looked at in between."""
_PIXELS_AT_ONCE = 2**24
"""Pixels of one request at most, held together: 48 MB."""
_SAME = 0.002
"""Seconds between a recorded time and that of a frame, which are still the same frame: times that
went through a text of milliseconds."""


@dataclass(frozen=True, eq=False)
class VideoFrames:
    """What one video gave.

    Attributes:
        pictures: of each look that could be had, as `keep` left it.
        inexact: looks whose time is not that of a frame: the picture is that on screen then.
        failed: why looks have no picture, in a sentence; "" where all have one.
    """

    pictures: dict[Look, Picture] = field(default_factory=dict)
    inexact: set[Look] = field(default_factory=set)
    failed: str = ""


def decode_looks(
    path: Path,
    looks: Sequence[Look],
    keep: Callable[[Picture], Picture],
    *,
    seconds: float,
    cache: FrameCache,
) -> VideoFrames:
    """Return the pictures of looks at one video; whatever is wrong with it is no exception.

    Args:
        path: the video.
        looks: at it, in any order.
        keep: makes of each picture what is kept of it: large ones are made small at once.
        seconds: how long it all may take; what is decoded by then is returned.
        cache: keeps decoded frames.
    """
    found = VideoFrames()
    deadline = time.monotonic() + seconds
    try:
        timed_call(
            _decode,
            (path, looks, keep, found, deadline, cache),
            seconds + 2.0,
            DecodeTimeout,
            f"{path.name}: reading its frames",
        )
        failed = ""
    except (VideoError, OSError, ValueError) as error:
        failed = sentence(error, path)
    got = dict(found.pictures)  # a thread that is left behind may still write to the other
    return VideoFrames(got, {look for look in found.inexact if look in got}, failed)


def sentence(error: Exception, path: Path) -> str:
    """Return an error in words, without the folders of this machine, with a full stop."""
    text = error_text(error).replace(str(path), path.name).strip().rstrip(".")
    return f"{text[:300]}."


def _decode(
    path: Path,
    looks: Sequence[Look],
    keep: Callable[[Picture], Picture],
    found: VideoFrames,
    deadline: float,
    cache: FrameCache,
) -> None:
    """Fill `found` in the order of time, whole frames before boxes."""
    left = max(0.1, deadline - time.monotonic())
    with open_video(path, cache=cache, threads=1, timeout=left) as video:
        for (size, box), times in _requests(looks):
            step = max(1, min(_AT_ONCE, _PIXELS_AT_ONCE // (size[0] * size[1])))
            for first in range(0, len(times), step):
                if time.monotonic() > deadline:
                    raise DecodeTimeout(f"{path.name}: its frames took too long to decode")
                _read(video, times[first : first + step], size, box, keep, found)
            late = [look for look in looks if look.second > video.duration + _SAME]
            if late:
                raise VideoError(
                    f"{path.name} ends at {video.duration:.2f} s, before {len(late)} of the "
                    "recorded times: it is not the video that was played, or it was cut"
                )


def _requests(
    looks: Sequence[Look],
) -> Iterator[tuple[tuple[tuple[int, int], Box | None], list[Look]]]:
    """Yield size and box with the looks of them, in order of time; whole frames first."""

    def form(look: Look) -> tuple[bool, Box, tuple[int, int]]:
        return look.box is not None, look.box or (0.0, 0.0, 1.0, 1.0), look.size

    ordered = sorted(looks, key=lambda look: (form(look), look.second))
    for _, group in groupby(ordered, key=form):
        same = list(group)
        yield (same[0].size, same[0].box), same


def _read(
    video: PyAVVideo,
    looks: Sequence[Look],
    size: tuple[int, int],
    box: Box | None,
    keep: Callable[[Picture], Picture],
    found: VideoFrames,
) -> None:
    """Read looks of one size and box, in order of time, and cut the bars.

    Args:
        video: is read.
        looks: those that the video is long enough for are read.
        size: `(H, W)` of the frames.
        box: of them all.
        keep: as in `decode_looks`.
        found: gets the pictures.
    """
    looks = [look for look in looks if look.second <= video.duration + _SAME]
    if not looks:
        return
    batch = video.frames_at([look.second for look in looks], size=size, box=box)
    regions = picture_regions(batch.pixels, video.size, box).tolist()
    for look, frame, shown, region in zip(
        looks, batch.pixels, batch.seconds.tolist(), regions, strict=True
    ):
        top, bottom, left, right = region
        found.pictures[look] = keep(frame[top:bottom, left:right])
        if abs(shown - look.second) > _SAME:
            found.inexact.add(look)
