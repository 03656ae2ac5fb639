"""A comparison of FFmpeg's demuxer with the sample tables that were read without it.

The comparison takes the place of trust: FFmpeg applies edit lists, QuickTime habits and repairs of
its own, and a table that was read otherwise would name other frames. Where both agree, the tables
serve; else the file is scanned.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import tee
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from sage_env.video.deadline import Deadline
from sage_env.video.index.packet_scan import first_frame
from sage_env.video.index.picture_form import PictureForm, sane_aspect
from sage_env.video.index.presentation_order import PacketTable, cut_table
from sage_env.video.index.sample_table import SampleTable, read_sample_table
from sage_env.video.index.stream import aspect_by_container, demuxed, others_start

SLICEABLE = frozenset({"h264", "hevc", "vp8", "vp9", "libdav1d", "av1"})
"""FFmpeg's decoders that take a container's samples as they lie in the file, cut out of it.

Others need what a demuxer adds: a parser that joins or splits packets, or headers in front.
"""
_TURNED_BY_STREAM = frozenset({"h264", "hevc"})
"""Decoders of streams that can say themselves how the picture is turned, in an SEI message."""
_LOOKS = 9
"""Entries of FFmpeg's index that are compared with the tables, evenly spread, both ends among them.

Each is read through PyAV in microseconds, while all of an hour would take longer than the tables
themselves. Not measured against kinds of damage: a shift of the tables shows in any of them."""


def read_tables(
    container: InputContainer, stream: VideoStream, path: Path, deadline: Deadline
) -> PacketTable | None:
    """Return the packets that the tables of an MP4 or MOV file name, if FFmpeg agrees.

    Args:
        container: the file, opened by FFmpeg; the first packets are taken from it.
        stream: the video stream of the container.
        path: the file.
        deadline: when to give up.

    Returns:
        `None` if the file is not of the common kind, or FFmpeg finds other samples, other times or
        nothing to decode: then it has to be scanned.

    Raises:
        OSError: if the file cannot be read.
    """
    if "mp4" not in container.format.name.split(",") or stream.codec_context.name not in SLICEABLE:
        return None
    whole = read_sample_table(path, stream.id)
    start, table = (0, None) if whole is None else _as_indexed(whole, stream)
    compared, packets = tee(demuxed(container, stream, path))
    if table is None or not _first_time_agrees(compared, table):
        return None
    del compared  # which would keep what is read from here on
    end = os.stat(path).st_size
    # A file that was cut short holds its first packets only.
    held = (table.offset >= 0) & (table.size > 0) & (table.offset + table.size <= end)
    count = len(held) if held.all() else int(np.argmin(held))
    table = cut_table(table, slice(0, count))
    if not table.key.any():
        return None
    key_pts = int(table.pts[np.argmax(table.key)])
    context, missing = stream.codec_context, len(held) - count
    named = aspect_by_container(stream)
    own = context.sample_aspect_ratio
    form = PictureForm(aspect=sane_aspect(named or own), aspect_fixed=named is not None)
    first_pts, height, width = key_pts, context.height, context.width
    # Only a decoded frame tells how it is turned, and which leading pictures before it are lost.
    unclear = not table.upright or bool((table.shown & (table.pts < key_pts)).any())
    if unclear or context.name in _TURNED_BY_STREAM:
        first = first_frame(stream, _in_time(packets, path, deadline))
        if first is not None and first.pts is not None:
            first_pts = first.pts if unclear else key_pts
            height, width, form = first.height, first.width, form.turned_as(first)
        elif unclear:
            return None
    return PacketTable(
        table,
        table.pts,
        True,
        missing,
        first_pts,
        height,
        width,
        form,
        start=start,
        others_start=others_start(container, stream),
    )


def _in_time(
    packets: Iterable[Packet[VideoStream]], path: Path, deadline: Deadline
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets while there is time: of a damaged file a frame may be sought to its end."""
    for packet in packets:
        deadline.check(f"{path}: looking for a frame that decodes")
        yield packet


def _as_indexed(table: SampleTable, stream: VideoStream) -> tuple[int, SampleTable | None]:
    """Return the number of the first sample that FFmpeg lists, and the samples that it lists.

    FFmpeg leaves out samples before the keyframe that the edit list's stretch needs, and after its
    end. `(0, None)` if it lists others than the table, by comparing `_LOOKS` of them.
    """
    entries = stream.index_entries
    count = len(entries)
    if not count:
        return 0, None
    start = int(np.argmax(table.offset == entries[0].pos))
    if start + count > len(table.pts) or (count < len(table.pts) and table.shown.all()):
        return 0, None
    part = cut_table(table, slice(start, start + count))
    for number in np.linspace(0, count - 1, _LOOKS).astype(int).tolist():
        entry = entries[number]
        found = part.offset[number], part.size[number], part.key[number]
        if found != (entry.pos, entry.size, entry.is_keyframe):
            return 0, None
    return start, part if part.shown.any() else None


def _first_time_agrees(packets: Iterator[Packet[VideoStream]], table: SampleTable) -> bool:
    """Return whether the demuxer's first packets have the PTS and the places of the table.

    Up to the first that is shown: the times of hidden ones may differ.
    """
    places = zip(table.offset.tolist(), table.pts.tolist(), table.shown.tolist(), strict=True)
    for packet, (offset, pts, shown) in zip(packets, places, strict=False):
        if not packet.size or packet.is_corrupt or packet.pos != offset:
            return False
        if shown:
            return packet.pts == pts and not packet.is_discard
        if not packet.is_discard:
            return False
    return False
