"""The edit list of an MP4 track (ISO/IEC 14496-12, 8.6.6): a wait, and which stretch is shown.

An entry is `(duration, media time, rate)`: the duration in ticks of the *movie*, the media time in
ticks of the *track*, -1 for an empty edit, during which nothing is shown.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sage_env.video.index.mp4_boxes import UnsupportedLayout

Integers = NDArray[np.int64]


class _Edit(NamedTuple):
    """The one stretch of a track that is shown, in ticks of the track.

    Attributes:
        wait: how long nothing is shown before it.
        start: time in the track, before edits, where it begins.
        end: time in the track where it ends, exclusive.
    """

    wait: int
    start: int
    end: int


def _read_edit_list(box: memoryview, movie_ticks: int, ticks: int) -> _Edit:
    """Return the edit of an `elst` box: at most one empty edit, then one of normal speed.

    With 600 ticks a second in the movie and 1000 in the track, `(300, -1, 1), (1200, 40, 1)` is a
    wait of 500 ticks of the track, then the track from 40 to 2040.

    Raises:
        UnsupportedLayout: if the list is longer, or the rate another.
    """
    (count,) = struct.unpack_from(">I", box, 4)
    if box[0] > 1:  # versions that are not defined: FFmpeg reads them as it likes
        raise UnsupportedLayout
    form, width = (">QqhH", 20) if box[0] else (">IihH", 12)
    if not 0 < count <= 2:
        raise UnsupportedLayout
    edits = [struct.unpack_from(form, box, 8 + width * number) for number in range(count)]
    length, start, rate, _ = edits[-1]
    if count == 2 and edits[0][1] != -1 or start < 0 or rate != 1:
        raise UnsupportedLayout
    wait = _rescaled(edits[0][0], ticks, movie_ticks) if count == 2 else 0
    return _Edit(wait, start, start + _rescaled(length, ticks, movie_ticks))


def wait_of(boxes: list[memoryview]) -> int:
    """Return how long a track waits before anything of it is shown, in ticks of the movie.

    Args:
        boxes: the `elst` boxes of the track, none or one.

    Raises:
        UnsupportedLayout: if it waits more than once.
    """
    if not boxes:
        return 0
    if len(boxes) != 1 or boxes[0][0] > 1:
        raise UnsupportedLayout
    (box,) = boxes
    (count,) = struct.unpack_from(">I", box, 4)
    form, width = (">Qq", 20) if box[0] else (">Ii", 12)
    edits = [struct.unpack_from(form, box, 8 + width * k) for k in range(min(count, 2))]
    waits = [length for length, start in edits if start == -1]
    if len(waits) > 1:
        raise UnsupportedLayout
    return waits[0] if edits and edits[0][1] == -1 else 0


def apply_edit_list(
    shown_at: Integers, boxes: list[memoryview], movie_ticks: int, ticks: int
) -> tuple[Integers, NDArray[np.bool_]]:
    """Return PTS, int64 `(M,)`, and which samples are shown, bool `(M,)`, after the edit list.

    An edit that waits for 500 ticks and then shows 40 to 2040, samples in decode order:

    | time in the track | shown | PTS |
    |---|---|---|
    | 0 | no | 460 |
    | 40 | yes | 500 |
    | 120 | yes | 580 |
    | 80 | yes | 540 |

    The first shown sample comes when the wait is over, as FFmpeg has it, even where the edit starts
    between two samples. Hidden samples keep their distance: others may reference them.

    Args:
        shown_at: int64 `(M,)`, times in the track before edits, in ticks.
        boxes: the `elst` boxes of the track, none or one.
        movie_ticks: ticks per second of the movie.
        ticks: ticks per second of the track.

    Raises:
        UnsupportedLayout: if the list is not of the common kind or hides everything.
    """
    if not boxes:
        return shown_at, np.ones(len(shown_at), dtype=np.bool_)
    if len(boxes) != 1:
        raise UnsupportedLayout
    (box,) = boxes
    edit = _read_edit_list(box, movie_ticks, ticks)
    shown = (shown_at >= edit.start) & (shown_at < edit.end)
    if not shown.any() or max(edit.end, edit.wait) >= 2**62:
        raise UnsupportedLayout
    return shown_at - shown_at[shown].min() + edit.wait, shown


def _rescaled(value: int, ticks: int, per: int) -> int:
    """Return `value * ticks / per`, rounded to the nearest, a half up."""
    return int((2 * value * ticks + per) // (2 * per))
