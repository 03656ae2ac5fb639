"""Plain MP4 files: opened without FFmpeg's demuxer, which takes 10 ms over an hour of video.

Plain is one H.264 or HEVC track that is shown as a whole, upright, beside any sound, all of it in
the file. Its tables say everything but the size of the pictures: the first one is decoded for that.
"""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, cast

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from sage_env.video.index.mp4_boxes import (
    Boxes,
    UnsupportedLayout,
    boxes_of,
    children,
    read_moov,
    single_box,
)
from sage_env.video.index.presentation_order import PacketTable
from sage_env.video.index.sample_table import SampleTable, table_of, timescale
from sage_env.video.index.stream import StreamConfig, prepare_decoder

_CODECS = {b"avc1": ("h264", b"avcC"), b"hvc1": ("hevc", b"hvcC"), b"hev1": ("hevc", b"hvcC")}
_ENTRY = 78  # bytes of a visual sample entry before its boxes
_UNKNOWN = (0, 2)  # FFmpeg's numbers for a range and a matrix that nobody names


def open_directly(path: Path) -> tuple[StreamConfig, PacketTable] | None:
    """Return how the pictures of a plain file are coded, and where they are; `None` for others.

    Raises:
        OSError: if the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            moov = children(read_moov(file))
            number, trak = _video_track(moov)
            config = _stream_config(trak, number)
            table = table_of(moov, trak)
            if not _is_whole(table, os.fstat(file.fileno()).st_size):
                return None
            config = config._replace(reorder_depth=_reorder_depth(table))
            frame = _first_frame(file, config, table)
    except (UnsupportedLayout, KeyError, IndexError, struct.error, av.FFmpegError):
        return None
    if frame is None:
        return None
    first = int(table.pts[0])
    return config, PacketTable(table, table.pts, True, 0, first, frame.height, frame.width, 0, 0)


def _video_track(moov: Boxes) -> tuple[int, Boxes]:
    """Return number and boxes of the only video track."""
    found = []
    for number, box in enumerate(moov[b"trak"]):
        trak = children(box)
        handler = single_box(children(single_box(trak, b"mdia")), b"hdlr")
        if bytes(handler[8:12]) == b"vide":
            found.append((number, trak))
    if len(found) != 1:
        raise UnsupportedLayout
    return found[0]


def _stream_config(trak: Boxes, number: int) -> StreamConfig:
    """Return how the samples of a track are coded, as its one description says."""
    mdia = children(single_box(trak, b"mdia"))
    table = children(single_box(children(single_box(mdia, b"minf")), b"stbl"))
    ((kind, entry),) = _only_entry(single_box(table, b"stsd")[8:])
    codec, configuration = _CODECS[kind]
    parts = children(entry[_ENTRY:])
    if b"sinf" in parts:  # encrypted
        raise UnsupportedLayout
    extradata = bytes(single_box(parts, configuration))
    colors = _colors(single_box(parts, b"colr")) if b"colr" in parts else _UNKNOWN
    ticks = Fraction(1, timescale(single_box(mdia, b"mdhd")))
    return StreamConfig(number, codec, extradata, 0, colors, ticks)


def _only_entry(data: memoryview) -> list[tuple[bytes, memoryview]]:
    """Return the one box that must be there."""
    found = list(boxes_of(data))
    if len(found) != 1:
        raise UnsupportedLayout
    return found


def _colors(box: memoryview) -> tuple[int, int]:
    """Return range and matrix by FFmpeg's numbers, which for the matrix are the standard's."""
    kind, matrix = bytes(box[:4]), struct.unpack_from(">H", box, 8)[0]
    if kind == b"nclx":
        return 2 if box[10] & 0x80 else 1, matrix
    if kind == b"nclc":
        return 0, matrix
    raise UnsupportedLayout  # a profile: FFmpeg's business


def _is_whole(table: SampleTable, end: int) -> bool:
    """Return whether all samples are in the file and shown, from a keyframe on."""
    held = (table.offset >= 0) & (table.size > 0) & (table.offset + table.size <= end)
    shown = bool(held.all() and table.shown.all() and table.upright and table.key[0])
    return shown and int(table.pts[0]) == int(table.pts.min()) and int(table.duration[-1]) > 0


def _reorder_depth(table: SampleTable) -> int:
    """Return how many samples at most come earlier than where their time would place them."""
    return max(0, int((table.by_time - np.arange(len(table.by_time))).max()))


def _first_frame(file: BinaryIO, config: StreamConfig, table: SampleTable) -> av.VideoFrame | None:
    """Return the first sample decoded as every other will be; `None` if it gives no picture."""
    context = cast(VideoCodecContext, av.CodecContext.create(config.codec, "r"))
    prepare_decoder(context, strict=not table.open_gops)
    context.extradata = config.extradata
    file.seek(int(table.offset[0]))
    packet = Packet(file.read(int(table.size[0])))
    packet.is_keyframe = True
    frames = [*context.decode(packet), *context.decode(None)]
    return frames[0] if len(frames) == 1 and not frames[0].is_corrupt else None
