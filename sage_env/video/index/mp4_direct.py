"""Plain MP4 files: opened from their tables alone, without FFmpeg's demuxer.

The demuxer takes 10 ms to open an hour of video, since it reads every table entry by entry. A file
is plain if its only video track is H.264 or HEVC, shown as a whole and not turned by its container,
and all of it in the file; sound beside it does no harm. Its tables say everything but the size of
the pictures and how the stream turns them, for which the first one is decoded.
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

from sage_env.video.index.edit_list import wait_of
from sage_env.video.index.mp4_boxes import (
    Boxes,
    UnsupportedLayout,
    boxes_of,
    children,
    read_moov,
    single_box,
)
from sage_env.video.index.picture_form import PictureForm
from sage_env.video.index.presentation_order import PacketTable
from sage_env.video.index.sample_table import (
    SampleTable,
    edits_of,
    shown_size,
    table_of,
    timescale,
)
from sage_env.video.index.stream import StreamConfig, prepare_decoder

# Sample entries and the boxes of their decoder configuration (ISO/IEC 14496-15, clauses 5 and 8).
_CODECS = {b"avc1": ("h264", b"avcC"), b"hvc1": ("hevc", b"hvcC"), b"hev1": ("hevc", b"hvcC")}
# Handlers of tracks that hold neither sound nor pictures (14496-12, clause 12; QuickTime); what the
# others hold, FFmpeg tells by their samples.
_NEITHER = frozenset(b"text sbtl subt clcp tmcd meta hint odsm sdsm".split())
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
            number, trak, sound = _video_track(moov)
            others = _start(moov, sound)
            config, named = _stream_config(trak, number)
            length = os.fstat(file.fileno()).st_size
            table = table_of(moov, trak, length)
            if not _is_whole(table, length):
                return None
            config = config._replace(reorder_depth=_reorder_depth(table))
            frame, own = _first_frame(file, config, table)
    except (UnsupportedLayout, KeyError, IndexError, struct.error, av.FFmpegError):
        return None
    if frame is None:
        return None
    first, size = int(table.pts[0]), (frame.height, frame.width)
    form = PictureForm.of_first(frame, None if named == own else named, own)
    return config, PacketTable(
        table, table.pts, True, 0, first, *size, form, start=0, others_start=others
    )


def _video_track(moov: Boxes) -> tuple[int, Boxes, list[Boxes]]:
    """Return number and boxes of the only video track, and the boxes of the tracks of sound.

    `hdlr` (8.4.3) has the type `vide` or `soun`.
    """
    found: list[tuple[int, Boxes]] = []
    sound: list[Boxes] = []
    for number, box in enumerate(moov[b"trak"]):
        trak = children(box)
        handler = single_box(children(single_box(trak, b"mdia")), b"hdlr")
        kind = bytes(handler[8:12])
        if kind == b"vide":
            found.append((number, trak))
        elif kind == b"soun":
            sound.append(trak)
        elif kind not in _NEITHER:
            raise UnsupportedLayout
    if len(found) != 1:
        raise UnsupportedLayout
    return *found[0], sound


def _start(moov: Boxes, tracks: list[Boxes]) -> Fraction | None:
    """Return the seconds at which the first of some tracks begins; `None` if none has samples."""
    ticks = timescale(single_box(moov, b"mvhd"))
    waits = [Fraction(wait_of(edits_of(trak)), ticks) for trak in tracks if _has_samples(trak)]
    return min(waits, default=None)


def _has_samples(trak: Boxes) -> bool:
    """Return whether a track holds anything (`stsz`, 8.7.3.2)."""
    (count,) = struct.unpack_from(">I", single_box(_sample_boxes(trak), b"stsz"), 8)
    return bool(count)


def _sample_boxes(trak: Boxes) -> Boxes:
    """Return the boxes that describe a track's samples (`stbl`, 8.5.1)."""
    media = children(single_box(trak, b"mdia"))
    return children(single_box(children(single_box(media, b"minf")), b"stbl"))


def _stream_config(trak: Boxes, number: int) -> tuple[StreamConfig, Fraction | None]:
    """Return how the samples of a track are coded, as its one sample entry says (`stsd`, 8.5.2).

    With it comes the shape of the pixels, `None` if the track does not say.
    """
    mdia = children(single_box(trak, b"mdia"))
    kind, entry = _only_entry(single_box(_sample_boxes(trak), b"stsd")[8:])
    codec, configuration = _CODECS[kind]
    parts = children(entry[_ENTRY:])
    if b"sinf" in parts:  # encrypted (8.12.1)
        raise UnsupportedLayout
    extradata = bytes(single_box(parts, configuration))
    colors = _colors(single_box(parts, b"colr")) if b"colr" in parts else _UNKNOWN
    ticks = Fraction(1, timescale(single_box(mdia, b"mdhd")))
    named = _aspect(parts, entry, single_box(trak, b"tkhd"))
    return StreamConfig(number, codec, extradata, 0, colors, ticks), named


def _aspect(parts: Boxes, entry: memoryview, header: memoryview) -> Fraction | None:
    """Return the width of a pixel over its height as the track says, `None` if it does not.

    Either `pasp` says so (ISO/IEC 14496-12, 12.1.4), or the size on the screen in `tkhd` (8.3.2)
    other than that of the sample entry (12.1.3), whole pixels of both, as FFmpeg has it.
    """
    if b"pasp" in parts:
        width, height = struct.unpack_from(">II", single_box(parts, b"pasp"))
        if max(width, height) >= 2**31:
            raise UnsupportedLayout
        if width and height:
            return Fraction(width, height)
    coded_width, coded_height = struct.unpack_from(">HH", entry, 24)
    height, width = shown_size(header)
    if not (width and height and coded_width and coded_height):
        return None
    if (width, height) == (coded_width, coded_height):
        return None
    return Fraction(coded_height * width, coded_width * height)


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


def _first_frame(
    file: BinaryIO, config: StreamConfig, table: SampleTable
) -> tuple[av.VideoFrame | None, Fraction | None]:
    """Return the first sample, decoded as every other will be; `None` if no picture comes out.

    With it comes the shape of its pixels as the stream says.
    """
    context = cast(VideoCodecContext, av.CodecContext.create(config.codec, "r"))
    prepare_decoder(context, strict=not table.open_gops)
    context.extradata = config.extradata
    file.seek(int(table.offset[0]))
    packet = Packet(file.read(int(table.size[0])))
    packet.is_keyframe = True
    frames = [*context.decode(packet), *context.decode(None)]
    sound = len(frames) == 1 and not frames[0].is_corrupt
    return frames[0] if sound else None, context.sample_aspect_ratio
