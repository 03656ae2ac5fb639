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

_HIDDEN_PICTURES = frozenset({"vp8", "vp9", "libdav1d", "av1"})
"""FFmpeg's decoders of codecs with packets that bring no picture: VP8's alternate reference frames
(RFC 6386, 9.1: `show_frame`) may lie in packets of their own, at the time of the frame after."""
_MOST_LEADING = 64
"""Usual distances of frames between the first leading picture and its keyframe. Encoders make GOPs
of pyramids of up to 32 pictures; the double is room for frames of uneven length."""


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
        joints: numbers of the packets where times of the file start again; see `VideoIndex`.
        counted: whether a demuxer's packets have to be counted; see `VideoIndex`.
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
    joints: tuple[int, ...] = ()
    counted: bool = False
    others_start: Fraction | None = None


@dataclass(frozen=True, eq=False)
class PresentationOrder:
    """The shown frames of a table by PTS. Packets are numbered in decode order, from 0.

    Attributes:
        pts: int64 `(N,)`, increasing, ticks.
        packet_of_frame: int64 `(N,)`: the number of each frame's packet.
        packet_pts: int64 `(M,)`: the PTS of each packet.
        key_pts: int64 `(K,)`, increasing: PTS of the frames where decoding can start, in ticks.
        key_packets: int64 `(K,)`: the numbers of their packets.
        last: ticks for which the last frame is shown, 0 if not known.
    """

    pts: Integers
    packet_of_frame: Integers
    packet_pts: Integers
    key_pts: Integers
    key_packets: Integers
    last: int


def order_frames(table: SampleTable, first_pts: int, codec: str) -> PresentationOrder:
    """Return the frames of a table from `first_pts` on.

    Leading pictures of the first keyframe reference frames that were cut from the file: they do not
    decode, and are no frames of the video.

    Of frames at one time, each is shown one tick after the one decoded before it: all of them come
    out of the decoder, and the last is on screen. Where frames are reordered, so that nobody knows
    which of them is the last, or where a packet may bring no picture (`_HIDDEN_PICTURES`), packets
    at one time are one frame, with the number of the first.

    Args:
        table: the packets in decode order.
        first_pts: PTS of the first frame that decodes, in ticks.
        codec: name of FFmpeg's decoder.
    """
    shown = table.shown & (table.pts >= first_pts)
    order = table.by_time[shown[table.by_time]]
    pts, packet_pts = table.pts[order], table.pts
    distinct = np.append(len(pts) > 0, np.diff(pts) > 0)[: len(pts)]
    if distinct.all():
        pass
    elif codec in _HIDDEN_PICTURES or (np.diff(order) < 0).any():
        pts, order = pts[distinct], order[distinct]
    else:
        places = np.arange(len(pts))
        pts = np.maximum.accumulate(pts - places) + places
        packet_pts = packet_pts.copy()
        packet_pts[order] = pts
    keys = np.flatnonzero(table.key)
    key_pts, key_places = np.unique(packet_pts[keys], return_index=True)
    last = int(table.duration[order[-1]]) if len(order) else 0
    if last <= 0 and len(pts) > 1:  # many containers name no duration: take the usual distance
        last = round(float(np.median(np.diff(pts))))
    found = PresentationOrder(pts, order, packet_pts, key_pts, keys[key_places], last)
    for array in (found.pts, found.packet_of_frame, found.key_pts, found.key_packets):
        array.setflags(write=False)  # an index is shared by all readers of the file
    return found


def first_stray(table: SampleTable, first_pts: int) -> int | None:
    """Return a packet that `order_frames` leaves out, though it is no leading picture.

    Leading pictures follow the first keyframe in the file, with nothing between, and are shown
    right before it. A packet further back, or of a later GOP, was given a time that is not its own.

    Args:
        table: the packets in decode order.
        first_pts: PTS of the first frame that decodes, in ticks.

    Returns:
        Its number, `None` if there is none. What precedes the first frame in the file does not
        count: its keyframe is not there.
    """
    if not len(table.pts) or first_pts <= table.pts[table.by_time[0]]:
        return None
    first = int(np.argmax(table.pts == first_pts))
    left_out = first + np.flatnonzero((table.shown & (table.pts < first_pts))[first:])
    if not len(left_out):
        return None
    distance = max(1, round(float(np.median(np.diff(table.pts[table.by_time])))))
    keys = np.flatnonzero(table.key[first + 1 :])
    gop_end = first + 1 + int(keys[0]) if len(keys) else len(table.pts)
    far = (left_out >= gop_end) | (table.pts[left_out] < first_pts - _MOST_LEADING * distance)
    return int(left_out[np.argmax(far)]) if far.any() else None


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
