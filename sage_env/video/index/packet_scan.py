"""One pass over all packets of a stream: for containers whose tables are not read directly."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sage_env.errors import VideoError
from sage_env.video.deadline import Deadline
from sage_env.video.index.continuous_times import (
    MPEG_CLOCK,
    NO_DTS,
    ContinuousTimes,
    ContradictingTimes,
    PacketTimes,
    continuous_times,
)
from sage_env.video.index.picture_form import PictureForm
from sage_env.video.index.presentation_order import PacketTable
from sage_env.video.index.renumbered_stream import video_elsewhere
from sage_env.video.index.sample_table import MAX_SAMPLES, SampleTable
from sage_env.video.index.second_header import second_header
from sage_env.video.index.stream import (
    REMEDY,
    aspect_by_container,
    check_reordering,
    demuxed,
    open_container,
    others_start,
    prepare_decoder,
    video_stream,
)

_HEADER = 64
"""Most bytes between a packet's position, as FFmpeg tells it, and its payload.

Matroska's block header is the longest that is sliced: an element id, a size of at most 8 bytes, the
track's number, a time and flags (RFC 9559, 10.2). Not measured; longer headers lead to the demuxer.
"""
_AGAIN = (
    "{}: its times {} at packet {}, as in files joined byte by byte, so that no picture there has "
    "a sure time; join the parts anew (ffmpeg -f concat), or convert it: "
    "ffmpeg -fflags +genpts -i INPUT -c:v libx264 OUTPUT.mp4"
)

Integers = NDArray[np.int64]
_SEEKABLE = frozenset("mov matroska avi mpegts mpeg flv asf".split())
"""FFmpeg's names of containers whose packets have the same times after a seek, or are never sought
(MPEG-PS). Elsewhere the demuxer counts times itself (GIF, raw streams), or may not find them."""
_COLUMNS = 7  # PTS, DTS, duration, offset, size, whether a keyframe, whether shown


class _Rows:
    """The packets of a stream as they come, one row of `_COLUMNS` numbers each.

    Attributes:
        count: rows so far.
        intact: rows up to the last packet that the container does not call damaged.
        sliceable: whether each packet stands in the file as it is.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Start without rows; `file` is where packets are looked for."""
        self.count = self.intact = 0
        self.sliceable = True
        self._file = file
        self._values = array("q")  # 8 bytes a value, where a list of tuples takes 40

    def add(self, packet: Packet[VideoStream]) -> None:
        """Add a packet that has data and a time."""
        if not packet.size or packet.pts is None:
            return
        at = _payload_at(self._file, packet) if self.sliceable else None
        self.sliceable = at is not None
        dts = NO_DTS if packet.dts is None else packet.dts
        length, key = packet.duration or 0, packet.is_keyframe
        self._values.extend(
            (packet.pts, dts, length, at or 0, packet.size, key, not packet.is_discard)
        )
        self.count += 1
        self.intact = self.intact if packet.is_corrupt else self.count

    def columns(self) -> NDArray[np.int64]:
        """Return the intact rows by column, int64 `(_COLUMNS, N)`."""
        return np.array(self._values, dtype=np.int64).reshape(-1, _COLUMNS)[: self.intact].T


def scan_packets(path: Path, deadline: Deadline) -> PacketTable:
    """Read the whole file: list every packet with its times and place, and decode the first frame.

    Args:
        path: the file.
        deadline: when to give up.

    Raises:
        VideoError: if frames have no times, there are too many of them, or none decodes.
        DecodeTimeout: if the file is not read by the deadline.
    """
    with open_container(path, deadline) as container, open(path, "rb") as file:
        stream = video_stream(container, path)
        prepare_decoder(stream.codec_context, strict=True)
        form = container.format.name
        _refuse_joined(path, form, stream.id, deadline)
        named, own = aspect_by_container(stream), None
        others = others_start(container, stream)
        first: av.VideoFrame | None = None
        first_after = 0  # rows that were there when the first frame came out
        rows = _Rows(file)
        for packet in _packets(container, stream, path, deadline):
            rows.add(packet)
            if first is None:
                first, first_after = _decoded(packet), rows.count
                own = stream.codec_context.sample_aspect_ratio
        begins_with_key = _begins_with_key(stream, form)
        missing = max(rows.count, len(stream.index_entries)) - rows.intact
        missing = max(missing, int(_claims_more(file)))
    if first is None or first.pts is None or not rows.intact:
        raise VideoError(f"{path}: its video stream holds no frame that can be decoded; {REMEDY}")
    pts, dts, length, at, size, key, shown = rows.columns()
    key[0] |= begins_with_key
    times = PacketTimes(pts, dts, length, key > 0, shown > 0)
    found = _continuous(times, form, stream, path)
    counted = bool((found.pts != pts).any())
    starts = _starts(times.key, form, counted)
    table = SampleTable(found.pts, length, at, size, starts, times.shown, upright=False)
    return PacketTable(
        table,
        np.where(dts == NO_DTS, pts, dts),
        rows.sliceable,
        missing,
        _first_pts(found, times, first.pts, first_after, path),
        first.height,
        first.width,
        PictureForm.of_first(first, named, own),
        others_start=others,
        joints=found.joints,
        counted=counted or not _SEEKABLE.intersection(form.split(",")),
    )


def _begins_with_key(stream: VideoStream, form: str) -> bool:
    """Return whether the tables of an MP4 file call its first sample a keyframe.

    A parser takes that mark off a damaged one.
    """
    entries = stream.index_entries
    return "mp4" in form.split(",") and len(entries) > 0 and bool(entries[0].is_keyframe)


def _starts(key: NDArray[np.bool_], form: str, counted: bool) -> NDArray[np.bool_]:
    """Return at which packets decoding may start, bool `(M,)`; at the first in any case.

    In MPEG program streams packets have other times after a seek: they are read from the start,
    unless packets are counted anyway.
    """
    starts = key.copy() if form != "mpeg" or counted else np.zeros(len(key), dtype=np.bool_)
    starts[0] = True
    return starts


def _refuse_joined(path: Path, form: str, stream: int, deadline: Deadline) -> None:
    """Refuse a file of several recordings of which FFmpeg would show some.

    Args:
        path: the file.
        form: FFmpeg's name of the container.
        stream: the number that the container gives the video stream.
        deadline: when to give up.

    Raises:
        DecodeTimeout: if the file is not read by the deadline.
        VideoError: if it is one.
    """
    join = "as in files joined byte by byte, and not all would be shown; join the parts anew: "
    if (again := second_header(path, form, deadline)) is not None:
        found = f"a second recording begins at byte {again}"
        raise VideoError(f"{path}: {found}, {join}ffmpeg -f concat")
    if (other := video_elsewhere(path, form, stream, deadline)) is not None:
        found = f"its video goes on as another stream, {other:#x}"
        raise VideoError(f"{path}: {found}, {join}ffmpeg -f concat")


def _continuous(times: PacketTimes, form: str, stream: VideoStream, path: Path) -> ContinuousTimes:
    """Return times that go on through the whole file.

    Args:
        times: of its packets.
        form: FFmpeg's name of the container.
        stream: whose packets they are.
        path: the file.

    Raises:
        VideoError: if the times are such that no picture has a sure time.
    """
    check_reordering(path, form, stream, times.pts)
    try:
        systems = form in ("mpegts", "mpeg")
        anchors = systems and stream.codec_context.name in ("mpeg1video", "mpeg2video")
        found = continuous_times(times, MPEG_CLOCK if systems else 0, anchors=anchors)
    except ContradictingTimes as error:
        raise VideoError(_AGAIN.format(path, "step back", error.packet)) from None
    if found.joints and "mp4" in form.split(","):
        # FFmpeg's demuxer hides the samples of a fragment that is not later than the one before.
        raise VideoError(_AGAIN.format(path, "start again", found.joints[0]))
    return found


def _first_pts(
    found: ContinuousTimes, times: PacketTimes, first_pts: int, known: int, path: Path
) -> int:
    """Return when the video begins, in times that go on.

    That is with the first keyframe, or with the first frame that decodes if that is shown before
    it. A damaged first keyframe is a frame of the video all the same.

    Args:
        found: the times that go on.
        times: of the packets, by the demuxer.
        first_pts: the demuxer's time of the first frame that decodes.
        known: packets that had been read when it came out of the decoder.
        path: the file, for messages.

    Raises:
        VideoError: if nothing decodes of a whole run of times: a joined part would be lost.
    """
    packets = np.flatnonzero(times.pts[:known] == first_pts)
    if found.joints and len(packets) and packets[-1] >= found.joints[0]:
        reason = f"nothing decodes before packet {found.joints[0]}, where its times start again"
        raise VideoError(f"{path}: {reason}; {REMEDY}")
    decoded_pts = int(found.pts[packets[-1]]) if len(packets) else first_pts
    keys = np.flatnonzero(times.key)
    return min(decoded_pts, int(found.pts[keys[0]])) if len(keys) else decoded_pts


def first_frame(
    stream: VideoStream, packets: Iterable[Packet[VideoStream]]
) -> av.VideoFrame | None:
    """Return the first frame that decodes, `None` if none does.

    Args:
        stream: the stream of a file that was opened; nothing was decoded yet.
        packets: its packets from the first on, the empty one at the end included.
    """
    prepare_decoder(stream.codec_context, strict=True)
    frames = (_decoded(packet) for packet in packets)
    return next((frame for frame in frames if frame is not None), None)


def _packets(
    container: InputContainer, stream: VideoStream, path: Path, deadline: Deadline
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of the stream, the empty one at the end included."""
    for number, packet in enumerate(demuxed(container, stream, path)):
        deadline.check(f"{path}: reading it packet by packet")
        if number > MAX_SAMPLES:
            raise VideoError(f"{path}: more than {MAX_SAMPLES} frames; cut it into parts")
        if container.format.name == "flv" and _new_settings(packet, stream):
            raise VideoError(f"{path}: its decoder's settings change at frame {number}; {REMEDY}")
        if packet.size and packet.pts is None and not packet.is_corrupt:
            raise VideoError(f"{path}: its frames have no presentation times; {REMEDY}")
        yield packet


def _new_settings(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    """Return whether a packet brings other decoder settings than the file began with.

    FLV tells them once, where they change: after a seek nobody knows which were in force. MP4 tells
    them after each seek.
    """
    if not packet.has_sidedata("new_extradata"):
        return False
    return bytes(packet.get_sidedata("new_extradata")) != (stream.codec_context.extradata or b"")


def _payload_at(file: BinaryIO, packet: Packet[VideoStream]) -> int | None:
    """Return the byte of the file where the payload starts, `None` if it is not there in one piece.

    Transport and program streams cut payloads into pieces, and some containers compress or strip
    them; a packet that brings new decoder headers is not decoded by its payload alone either.
    """
    if packet.pos is None or packet.has_sidedata("new_extradata"):
        return None
    file.seek(packet.pos)
    at = file.read(packet.size + _HEADER).find(bytes(packet))
    return None if at < 0 else packet.pos + at


def _claims_more(file: BinaryIO) -> bool:
    """Return whether a Matroska, WebM or AVI file names a size beyond its end: it was cut short.

    AVI: the size of the RIFF chunk. Matroska (RFC 9559, 5.1): the size of the Segment element,
    0x18538067, which follows the EBML header (RFC 8794, 11.2.1), 0x1A45DFA3.
    """
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
    """Return where the content of an EBML element starts, and its size; 0 if it is not known.

    The size is a variable-size integer (RFC 8794, 4 and 6.1): one byte more than the first byte has
    leading zeros; the bits behind the first 1 are the value, all ones for "unknown". `0x40 0x02` is
    a size of 2 in two bytes.
    """
    first = head[at] if at < len(head) else 0
    width = 9 - first.bit_length()
    bits = 7 * width
    size = int.from_bytes(head[at : at + width], "big") & ((1 << bits) - 1)
    return at + width, 0 if size == (1 << bits) - 1 else size


def _without_discard(packet: Packet[VideoStream]) -> Packet[VideoStream]:
    """Return a packet whose frame the decoder gives out although an edit list hides it."""
    if not packet.is_discard:
        return packet
    made = cast("Packet[VideoStream]", Packet(bytes(packet)))
    made.pts, made.dts, made.stream = packet.pts, packet.dts, packet.stream
    made.time_base, made.is_keyframe = packet.time_base, packet.is_keyframe
    return made


def _decoded(packet: Packet[VideoStream]) -> av.VideoFrame | None:
    """Return the first frame that comes out of the decoder now; damage gives `None`.

    A frame that an edit list hides counts: others refer to it, and it may say how all are turned.
    """
    try:
        return next(iter(_without_discard(packet).decode()), None)
    except av.FFmpegError:
        return None
