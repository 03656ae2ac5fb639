"""From packets in decode order to frames in presentation order.

Frames that reference a later one are decoded after it: the file's I0 P3 B1 B2 is shown as 0 1 2 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sage_env.video.index.picture_form import PictureForm
from sage_env.video.index.sample_table import SampleTable

_LONGEST_LEAD = 3600.0
"""Seconds of sound before the first frame; beyond, both count as having clocks of their own.

Bounds what a damaged header can claim; no video is known that shows its first frame later."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PacketTable:
    """The packets of a file's video stream, and what else was found on the way to them.

    Attributes:
        table: the packets, in decode order.
        dts: int64 `(M,)`, ticks: the time to seek to in order to find each.
        sliceable: whether every payload lies in the file in one piece, at `table.offset`.
        missing_frames: frames that the file announces but does not hold.
        first_pts: PTS of the first frame that decodes, in ticks.
        height: of the first picture as coded.
        width: of the first picture as coded.
        form: how the first picture is shown.
        start: which sample of the file's own tables is the first of `table`; -1 if they are unused.
        others_start: seconds at which the first of the other streams begins, sound or picture, on
            the clock of the PTS; `None` if there is no other.
    """

    table: SampleTable
    dts: Integers
    sliceable: bool
    missing_frames: int
    first_pts: int
    height: int
    width: int
    form: PictureForm
    start: int = -1
    others_start: Fraction | None = None


@dataclass(frozen=True, eq=False)
class PresentationOrder:
    """The shown frames of a table by PTS. Packets are numbered in decode order, from 0.

    Attributes:
        pts: int64 `(N,)`, increasing, ticks.
        packet_of_frame: int64 `(N,)`: the number of each frame's packet.
        key_pts: int64 `(K,)`, increasing: PTS of the frames where decoding can start, in ticks.
        key_packets: int64 `(K,)`: the numbers of their packets.
        last: ticks for which the last frame is shown, 0 if not known.
    """

    pts: Integers
    packet_of_frame: Integers
    key_pts: Integers
    key_packets: Integers
    last: int


def order_frames(table: SampleTable, first_pts: int) -> PresentationOrder:
    """Return the frames of a table from `first_pts` on; of two at one time, the first decoded.

    Leading pictures of the first keyframe reference frames that were cut from the file: they do not
    decode, and are no frames of the video.

    Args:
        table: the packets in decode order.
        first_pts: PTS of the first frame that decodes, in ticks.
    """
    shown = table.shown & (table.pts >= first_pts)
    order = table.by_time[shown[table.by_time]]
    pts = table.pts[order]
    distinct = np.append(len(pts) > 0, np.diff(pts) > 0)[: len(pts)]
    pts, order = pts[distinct], order[distinct]
    keys = np.flatnonzero(table.key)
    key_pts, key_places = np.unique(table.pts[keys], return_index=True)
    last = int(table.duration[order[-1]]) if len(order) else 0
    if last <= 0 and len(pts) > 1:  # many containers name no duration: take the usual distance
        last = round(float(np.median(np.diff(pts))))
    found = PresentationOrder(pts, order, key_pts, keys[key_places], last)
    for array in (found.pts, found.packet_of_frame, found.key_pts, found.key_packets):
        array.setflags(write=False)  # an index is shared by all readers of the file
    return found


def cut_table(table: SampleTable, part: slice) -> SampleTable:
    """Return a part of the samples, as views of the same arrays."""
    return SampleTable(
        table.pts[part],
        table.duration[part],
        table.offset[part],
        table.size[part],
        table.key[part],
        table.shown[part],
        table.upright,
    )


def lead_of(first: Fraction, others: Fraction | None) -> float:
    """Return the seconds from time 0 to the first frame.

    Time 0 is where the first of picture and sound begins, as FFmpeg's `start_time` has it and as
    players count. Sound before the zero of the container's own clock is no part of it: decoders of
    sound need some to begin with, and nobody hears it.

    Args:
        first: when the first frame is shown, in seconds on the container's clock.
        others: when the first other stream begins, on the same clock; `None` if there is no other.
    """
    lead = 0.0 if others is None else float(first - max(others, Fraction(0)))
    return lead if 0 < lead <= _LONGEST_LEAD else 0.0
