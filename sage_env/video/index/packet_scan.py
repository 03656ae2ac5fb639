"""One pass over the packets of a stream: for containers whose tables are not read directly."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from sage_env.errors import VideoError
from sage_env.video.deadline import Deadline
from sage_env.video.index.presentation_order import PacketTable
from sage_env.video.index.sample_table import MAX_SAMPLES, SampleTable
from sage_env.video.index.stream import REMEDY, open_container, prepare_decoder, video_stream

_HEADER = 64  # bytes that a container may write between a packet's position and its payload


def scan_packets(path: Path, deadline: Deadline) -> PacketTable:
    """Read the whole file and decode the first frame.

    Raises:
        VideoError: if frames have no times, there are too many of them, or none decodes.
        DecodeTimeout: if the file is not read by the deadline.
    """
    with open_container(path) as container, open(path, "rb") as file:
        stream = video_stream(container, path)
        prepare_decoder(stream.codec_context, strict=True)
        # In MPEG program streams packets have other times after a seek: read them from the start.
        seekable = container.format.name != "mpeg"
        first: av.VideoFrame | None = None
        rows: list[tuple[int, int, int, int, int, bool, bool]] = []
        sound = 0  # packets up to the last that is not damaged
        sliceable = True
        for packet in _packets(container, stream, path, deadline):
            if packet.size and packet.pts is not None:
                at = _payload_at(file, packet) if sliceable else None
                sliceable = at is not None
                key = (packet.is_keyframe and seekable) or not rows
                dts = packet.pts if packet.dts is None else packet.dts
                length, shown = packet.duration or 0, not packet.is_discard
                rows.append((packet.pts, dts, length, at or 0, packet.size, key, shown))
                sound = sound if packet.is_corrupt else len(rows)
            if first is None:
                first = _decoded(packet)
        missing = max(len(rows), len(stream.index_entries)) - sound
        missing = max(missing, int(_claims_more(file)))
    if first is None or first.pts is None or not sound:
        raise VideoError(f"{path}: its video stream holds no frame that can be decoded; {REMEDY}")
    pts, dts, length, at, size, key, shown = np.array(rows[:sound], dtype=np.int64).T
    table = SampleTable(pts, length, at, size, key > 0, shown > 0, upright=False)
    turns = round(first.rotation / 90) % 4
    return PacketTable(table, dts, sliceable, missing, first.pts, first.height, first.width, turns)


def first_frame(path: Path) -> av.VideoFrame | None:
    """Return the first frame of a file that decodes, `None` if none does.

    Raises:
        VideoError: if the file holds no video.
    """
    with open_container(path) as container:
        stream = video_stream(container, path)
        prepare_decoder(stream.codec_context, strict=True)
        frames = (_decoded(packet) for packet in container.demux(stream))
        return next((frame for frame in frames if frame is not None), None)


def _packets(
    container: InputContainer, stream: VideoStream, path: Path, deadline: Deadline
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of the stream, the empty one at the end included."""
    for number, packet in enumerate(container.demux(stream)):
        deadline.check(f"{path}: reading it packet by packet")
        if number > MAX_SAMPLES:
            raise VideoError(f"{path}: more than {MAX_SAMPLES} frames; cut it into parts")
        if packet.size and packet.pts is None and not packet.is_corrupt:
            raise VideoError(f"{path}: its frames have no presentation times; {REMEDY}")
        yield packet


def _payload_at(file: BinaryIO, packet: Packet[VideoStream]) -> int | None:
    """Return the byte of the file where the payload starts, `None` if it is not in one piece."""
    if packet.pos is None or packet.has_sidedata("new_extradata"):
        return None
    file.seek(packet.pos)
    at = file.read(packet.size + _HEADER).find(bytes(packet))
    return None if at < 0 else packet.pos + at


def _claims_more(file: BinaryIO) -> bool:
    """Return whether a Matroska, WebM or AVI file was longer when it was written."""
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(4096)
    if head[:4] == b"RIFF":
        return int.from_bytes(head[4:8], "little") + 8 > length
    if head[:4] != b"\x1a\x45\xdf\xa3":
        return False
    at, size = _ebml_size(head, 4)
    if head[at + size : at + size + 4] != b"\x18\x53\x80\x67":
        return False
    at, size = _ebml_size(head, at + size + 4)
    return at + size > length


def _ebml_size(head: bytes, at: int) -> tuple[int, int]:
    """Return where the content of an element starts, and its bytes; 0 if they are not known."""
    first = head[at] if at < len(head) else 0
    width = 9 - first.bit_length()  # the leading zeros say how many bytes there are
    bits = 7 * width
    size = int.from_bytes(head[at : at + width], "big") & ((1 << bits) - 1)
    return at + width, 0 if size == (1 << bits) - 1 else size


def _decoded(packet: Packet[VideoStream]) -> av.VideoFrame | None:
    """Return the first frame that comes out now; damage at the start is passed over."""
    try:
        return next(iter(packet.decode()), None)
    except av.FFmpegError:
        return None
