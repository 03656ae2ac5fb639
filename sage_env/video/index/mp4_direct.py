"""Plain MP4 files: opened from their tables alone, without FFmpeg's demuxer.

The demuxer takes 10 ms to open an hour of video, since it reads every table entry by entry. A file
is plain if its only video track is H.264 or HEVC, shown as a whole and upright, and all of it in
the file; sound beside it does no harm. Its tables say everything but the size of the pictures, for
which the first one is decoded.
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

# Sample entries and the boxes of their decoder configuration (ISO/IEC 14496-15, clauses 5 and 8).
_CODECS = {b"avc1": ("h264", b"avcC"), b"hvc1": ("hevc", b"hvcC"), b"hev1": ("hevc", b"hvcC")}
_ENTRY = 78  # bytes of a visual sample entry before its boxes (ISO/IEC 14496-12, 12.1.3)
_UNKNOWN = (0, 2)  # AVCOL_RANGE_UNSPECIFIED, AVCOL_SPC_UNSPECIFIED: no range, no matrix named


def open_directly(path: Path) -> tuple[StreamConfig, PacketTable] | None:
    """Return the stream's configuration and the packets of a plain file; `None` for other files.

    Raises:
        OSError: if the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            moov = children(read_moov(file))
            number, trak = _video_track(moov)
            config = _stream_config(trak, number)
            length = os.fstat(file.fileno()).st_size
            table = table_of(moov, trak, length)
            if not _is_whole(table, length):
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
    """Return number and boxes of the only video track (`hdlr` of type `vide`, 8.4.3)."""
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
    """Return how the samples of a track are coded, as its one sample entry says (`stsd`, 8.5.2)."""
    mdia = children(single_box(trak, b"mdia"))
    table = children(single_box(children(single_box(mdia, b"minf")), b"stbl"))
    kind, entry = _only_entry(single_box(table, b"stsd")[8:])
    codec, configuration = _CODECS[kind]
    parts = children(entry[_ENTRY:])
    if b"sinf" in parts:  # encrypted (8.12.1)
        raise UnsupportedLayout
    extradata = bytes(single_box(parts, configuration))
    colors = _colors(single_box(parts, b"colr")) if b"colr" in parts else _UNKNOWN
    ticks = Fraction(1, timescale(single_box(mdia, b"mdhd")))
    return StreamConfig(number, codec, extradata, 0, colors, ticks)


def _only_entry(data: memoryview) -> tuple[bytes, memoryview]:
    """Return kind and content of the one box that must be there, and alone."""
    found = list(boxes_of(data))
    if len(found) != 1:
        raise UnsupportedLayout
    return found[0]


def _colors(box: memoryview) -> tuple[int, int]:
    """Return range and matrix of a `colr` box (ISO/IEC 14496-12, 12.1.5) by FFmpeg's numbers.

    FFmpeg's `AVColorRange` has 1 for limited and 2 for full range, 0 where nothing is said. Its
    `AVColorSpace` has the numbers of ITU-T H.273, as the box does.
    """
    kind, matrix = bytes(box[:4]), struct.unpack_from(">H", box, 8)[0]
    if kind == b"nclx":
        return 2 if box[10] & 0x80 else 1, matrix
    if kind == b"nclc":
        return 0, matrix
    raise UnsupportedLayout  # an ICC profile: left to FFmpeg


def _is_whole(table: SampleTable, end: int) -> bool:
    """Return whether all samples are in the file and shown, the first of them a keyframe's."""
    held = (table.offset >= 0) & (table.size > 0) & (table.offset + table.size <= end)
    shown = bool(held.all() and table.shown.all() and table.upright and table.key[0])
    return shown and int(table.pts[0]) == int(table.pts.min()) and int(table.duration[-1]) > 0


def _reorder_depth(table: SampleTable) -> int:
    """Return the most places by which a sample is decoded after its place by presentation time.

    A decoder has to hold back as many frames to put them in order. Samples decoded as 0, 3, 1, 2
    by their place in presentation order have `by_time` 0, 2, 3, 1, which less 0, 1, 2, 3 is 0, 1,
    1, -2: one frame is held back.
    """
    return max(0, int((table.by_time - np.arange(len(table.by_time))).max()))


def _first_frame(file: BinaryIO, config: StreamConfig, table: SampleTable) -> av.VideoFrame | None:
    """Return the first sample, decoded as every other will be; `None` if no picture comes out."""
    context = cast(VideoCodecContext, av.CodecContext.create(config.codec, "r"))
    prepare_decoder(context, strict=not table.open_gops)
    context.extradata = config.extradata
    file.seek(int(table.offset[0]))
    packet = Packet(file.read(int(table.size[0])))
    packet.is_keyframe = True
    frames = [*context.decode(packet), *context.decode(None)]
    return frames[0] if len(frames) == 1 and not frames[0].is_corrupt else None
