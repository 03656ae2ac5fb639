"""Which frame to show in place of one that does not decode: the nearest in time that does."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from sage_env.video.index.video_index import VideoIndex


def frames_of_gop(index: VideoIndex, gop: int) -> range:
    """Return the numbers of the frames of a GOP, in presentation order.

    They are shown from its keyframe up to before the next; GOP 0 also owns frames before its
    keyframe.
    """
    first = int(np.searchsorted(index.pts, index.key_pts[gop])) if gop else 0
    is_last = gop + 1 == len(index.key_pts)
    stop = len(index.pts) if is_last else int(np.searchsorted(index.pts, index.key_pts[gop + 1]))
    return range(first, stop)


def nearest_good_frame(
    index: VideoIndex, frame: int, good_frames: Callable[[int], Iterable[int]]
) -> int | None:
    """Return the frame nearest in time among those that decode; of two equally near, the earlier.

    GOPs are tried from the frame's own outwards, 1, 2, 3 away on both sides, since trying one means
    to decode it whole. A GOP whose nearest frame is farther than the best one found is left out;
    the search ends where that holds for all GOPs that remain.

    Args:
        index: the frames of the video.
        frame: number of the frame that does not decode.
        good_frames: gives the numbers of the frames of a GOP that decode.

    Returns:
        `None` if no frame of the video decodes.
    """
    pts = int(index.pts[frame])
    home = int(index.gops(np.array([frame]))[0])
    best: tuple[int, int] | None = None  # distance in ticks, number: the smallest tuple wins
    for away in range(len(index.key_pts)):
        near = []
        if home - away >= 0:
            near.append(home - away)
        if away and home + away < len(index.key_pts):
            near.append(home + away)
        for gop in near:
            frames = frames_of_gop(index, gop)
            if not frames:
                continue
            closest = min(max(frame, frames[0]), frames[-1])
            if best is not None and abs(int(index.pts[closest]) - pts) > best[0]:
                continue
            found = [(abs(int(index.pts[good]) - pts), good) for good in good_frames(gop)]
            best = min([*found, best] if best is not None else found, default=None)
        if best is not None and away and _all_farther(index, home, away, pts, best[0]):
            break
    return None if best is None else best[1]


def _all_farther(index: VideoIndex, home: int, away: int, pts: int, distance: int) -> bool:
    """Return whether all frames more than `away` GOPs from the home GOP are farther off.

    The nearest of them on the left is shown before the keyframe of the GOP `away` to the left, the
    nearest on the right is the keyframe of the next GOP.
    """
    left, right = home - away, home + away + 1
    before = left <= 0 or pts - int(index.key_pts[left]) > distance
    after = right >= len(index.key_pts) or int(index.key_pts[right]) - pts > distance
    return before and after
