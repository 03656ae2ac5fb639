"""Where the scenes of a video are cut: between which two frames nearly the whole picture changes.

Encoders set keyframes at most cuts, and between two keyframes of the same colours there is rarely
one. So keyframes are compared first, and only stretches are decoded whose ends differ, or that hold
a frame that takes as many bytes as a keyframe does. What is missed: cuts between scenes of the same
colours, and dissolves, which are no cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sage_env.picture_geometry import fitted
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.deadline import Deadline
from sage_env.video.index.video_index import VideoIndex, read_index
from sage_env.video.video_file import PyAVVideo

_SIDE = (32, 32)
"""`(H, W)` that the pictures to compare are fitted into: noise and grain are averaged away."""
_SPACING = 1.0
"""Seconds between keyframes that are compared at least; files of keyframes alone have many more."""
_OTHER_COLOURS = 0.25
"""Half the sum of differences between two histograms from which scenes are taken to differ."""
_CHANGED = 0.5
"""Share of the pixels that change at a cut at least: what appears in a scene covers less."""
_VISIBLE = 24
"""Steps of 255 by which a pixel must differ in a channel to count as changed."""
_HEAVY = 0.5
"""Bytes of a frame, relative to those of the keyframes, from which it may begin a scene."""
_HEAVIER = 3
"""The same, relative to the upper quarter of the other frames: some videos have hardly any gain
between keyframes."""
_BINS = 4
"""Bins of a histogram in each channel."""
_AT_ONCE = 256
"""Frames that are compared at once: 0.8 MB."""


def find_cuts(path: Path, seconds: float) -> tuple[float, ...]:
    """Return when the first frame of each scene but the first is shown, in seconds.

    Args:
        path: the video.
        seconds: how long it may take.

    Raises:
        VideoError: if the video cannot be read, or it takes longer (`DecodeTimeout`).
    """
    deadline = Deadline.after(seconds)
    index = read_index(path, deadline)
    size = fitted(*index.size, _SIDE)
    with PyAVVideo(index, FrameCache(0), threads=1, timeout=seconds) as video:
        probes = _probes(index)
        shown = _pictures(video, index, probes, size, deadline)
        colours = [_histogram(picture) for picture in shown]
        cuts: list[int] = []
        heavy = _heavy(index)
        for k in range(1, len(probes)):
            first, last = probes[k - 1], probes[k]
            differ = _distance(colours[k - 1], colours[k]) > _OTHER_COLOURS
            if differ or heavy[first + 1 : last].any():
                cuts += _between(video, index, (first, last), size, deadline)
    return tuple(index.seconds(np.array(cuts, np.int64)).tolist())


def _probes(index: VideoIndex) -> list[int]:
    """Return the frames to compare first: keyframes that are not close to each other, the last."""
    numbers = index.pts.searchsorted(index.key_pts).tolist()
    kept = [0]
    times = index.seconds(np.arange(len(index.pts)))
    for number in numbers:
        if number < len(times) and times[number] >= times[kept[-1]] + _SPACING:
            kept.append(number)
    last = len(times) - 1
    return kept if kept[-1] == last else [*kept, last]


def _heavy(index: VideoIndex) -> NDArray[np.bool_]:
    """Return of each frame whether it takes as many bytes as half a keyframe, though it is none."""
    size = index.packet_size[index.packet_of_frame]
    key = index.packet_key[index.packet_of_frame]
    if key.all() or not key.any():
        return np.zeros(len(size), np.bool_)
    least = max(_HEAVY * np.median(size[key]), _HEAVIER * np.percentile(size[~key], 75))
    heavy: NDArray[np.bool_] = (size >= least) & ~key
    return heavy


def _between(
    video: PyAVVideo,
    index: VideoIndex,
    ends: tuple[int, int],
    size: tuple[int, int],
    deadline: Deadline,
) -> list[int]:
    """Return the first frames of scenes that begin after one frame and up to another.

    Args:
        video: is read.
        index: of it.
        ends: numbers of the two frames.
        size: `(H, W)` of pictures that are compared.
        deadline: of it all.
    """
    cuts: list[int] = []
    first, last = ends
    while first < last:
        until = min(first + _AT_ONCE, last)
        shown = _pictures(video, index, range(first, until + 1), size, deadline)
        cuts += [first + 1 + k for k in _jumps(shown)]
        first = until
    return cuts


def _jumps(shown: NDArray[np.uint8]) -> list[int]:
    """Return the places of pictures after which nearly all of the picture is another."""
    difference = np.abs(np.diff(shown.astype(np.int16), axis=0)).max(-1) > _VISIBLE
    changed = difference.mean((1, 2))
    return [
        place
        for place in np.flatnonzero(changed >= _CHANGED).tolist()
        if _distance(_histogram(shown[place]), _histogram(shown[place + 1])) > _OTHER_COLOURS
    ]


def _pictures(
    video: PyAVVideo,
    index: VideoIndex,
    numbers: Sequence[int],
    size: tuple[int, int],
    deadline: Deadline,
) -> NDArray[np.uint8]:
    """Return small pictures of frames, uint8 `(N, h, w, 3)`.

    Args:
        video: is read.
        index: of it.
        numbers: of the frames, increasing.
        size: `(H, W)` of the pictures.
        deadline: of it all; looked at between requests.
    """
    parts = []
    for first in range(0, len(numbers), _AT_ONCE):
        deadline.check(f"{index.path.name}: looking for its scenes")
        some = np.array(numbers[first : first + _AT_ONCE], np.int64)
        parts.append(video.frames_at(index.seconds(some).tolist(), size=size).pixels)
    return np.concatenate(parts)


def _histogram(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the shares of the colours of a picture, `(_BINS ** 3,)`."""
    bins = (picture.astype(np.int64) * _BINS) >> 8
    number = (bins[..., 0] * _BINS + bins[..., 1]) * _BINS + bins[..., 2]
    counts = np.bincount(number.ravel(), minlength=_BINS**3)
    shares: NDArray[np.float64] = counts / number.size
    return shares


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the share of pixels, 0 to 1, that have to change colour to make one of the other."""
    return float(np.abs(one - other).sum() / 2)
