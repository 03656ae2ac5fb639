"""The floor of frame access: decoding alone of the packets that no exact reader can leave out.

For each wanted frame these are its keyframe (a sync sample: ISO/IEC 14496-12, 8.6.2), every
reference picture after it in decode order (`nal_ref_idc` not 0: ITU-T H.264, 7.4.1), and the frame
itself. All are in memory already and go through a bare decoder in one thread, each packet once.
Opening, planning, colour conversion and copies are outside of the measured time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from benchmarks.frame_access.h264_headers import slices


@dataclass(frozen=True, eq=False)
class H264File:
    """All packets of an H.264 track in MP4, in decode order. Edit lists are not applied.

    Attributes:
        payloads: N samples, NAL units with four bytes of length before each.
        pts: int64 `(N,)`, presentation times in ticks (decoding time plus composition offset:
            ISO/IEC 14496-12, 8.6.1.2 and 8.6.1.3).
        key: bool `(N,)`, sync samples.
        reference: bool `(N,)`, pictures that others may refer to.
        ticks_per_second: the time scale of the track.
        decoder: one thread, ready for the first packet.
    """

    payloads: list[bytes]
    pts: NDArray[np.int64]
    key: NDArray[np.bool_]
    reference: NDArray[np.bool_]
    ticks_per_second: float
    decoder: VideoCodecContext


@dataclass(frozen=True, eq=False)
class _GroupPackets:
    """The packets to decode in one group of pictures, and the PTS of its wanted frames."""

    packets: list[Packet[Stream]]
    wanted: frozenset[int]


class BareDecoder:
    """Decodes exactly the needed packets; the plan of a call is made once and remembered."""

    def __init__(self, path: Path) -> None:
        """Read a file into memory; the last one read is still there."""
        self._file = read_h264(path)

    def read(self, times: Sequence[float]) -> list[av.VideoFrame]:
        """Return the frame on screen at each time (seconds after the first frame), in order."""
        found: dict[int, av.VideoFrame] = {}
        decoder = self._file.decoder
        jobs, targets = _plan(self._file, tuple(times))
        for job in jobs:
            for packet in job.packets:
                for frame in decoder.decode(packet):
                    if frame.pts in job.wanted:
                        found[frame.pts] = frame
            for frame in decoder.decode(None):
                if frame.pts in job.wanted:
                    found[frame.pts] = frame
            decoder.flush_buffers()
        return [found[pts] for pts in targets]

    def nearest_keys(self, times: Sequence[float]) -> list[float]:
        """Return for each time (seconds) that of the nearest keyframe, in seconds."""
        keys = np.sort(self._file.pts[self._file.key]) - self._file.pts.min()
        seconds = keys / self._file.ticks_per_second
        distances = np.abs(seconds[:, None] - np.array(times))
        nearest: list[float] = seconds[np.argmin(distances, axis=0)].tolist()
        return nearest


@lru_cache(maxsize=1)
def read_h264(path: Path) -> H264File:
    """Read all packets of a file and make a decoder for them.

    Raises:
        ValueError: if the video is not H.264.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if stream.codec_context.name != "h264" or stream.time_base is None:
            codec = stream.codec_context.name
            raise ValueError(f"{path}: the floor is defined for H.264 in MP4, got {codec}")
        packets = [packet for packet in container.demux(stream) if packet.size]
        payloads = [bytes(packet) for packet in packets]
        decoder = av.CodecContext.create("h264", "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.extradata = stream.codec_context.extradata
        decoder.thread_count, decoder.thread_type = 1, "NONE"
        return H264File(
            payloads=payloads,
            pts=np.array([packet.pts for packet in packets], dtype=np.int64),
            key=np.array([packet.is_keyframe for packet in packets]),
            reference=np.array([_holds_reference(payload) for payload in payloads]),
            ticks_per_second=float(1 / stream.time_base),
            decoder=decoder,
        )


def _holds_reference(payload: bytes) -> bool:
    """Return whether `nal_ref_idc` of a sample's first slice is not 0; `True` without a slice."""
    return next((unit[0] & 0x60 != 0 for unit in slices(payload)), True)


def requested_packets(file: H264File, times: Sequence[float]) -> list[int]:
    """Return the packet of the frame on screen at each time, as its place in decode order.

    Args:
        file: the packets.
        times: seconds after the first frame on screen, in any order.
    """
    order = np.argsort(file.pts)  # presentation order; values are places in decode order
    shown = file.pts[order]
    ticks = np.floor((np.array(times) + 1e-6) * file.ticks_per_second).astype(np.int64)
    places = np.maximum(np.searchsorted(shown, ticks + shown[0], side="right") - 1, 0)
    targets: list[int] = order[places].tolist()
    return targets


def needed_of(
    file: H264File, targets: Sequence[int]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the needed packets, one group of pictures after the other.

    The targets of a group need its keyframe and the reference pictures up to the last target. With
    packets I0 P1 b2 b3 P4 b5 b6 P7 (b: nobody refers to it) and target b3 these are 0, 1, 3.

    Args:
        file: the packets.
        targets: places of packets in decode order, one or more.

    Yields:
        Sorted places of the group's targets, int64 `(T,)`, and of the needed packets, int64 `(M,)`.
    """
    places = np.array(targets)
    keys = np.flatnonzero(file.key)
    # By presentation time: leading pictures of an open GOP are shown before the keyframe that they
    # follow in decode order, and need the one before it.
    starts = keys[np.searchsorted(file.pts[keys], file.pts[places], side="right") - 1]
    for start in np.unique(starts):
        wanted = np.unique(places[starts == start])
        span = np.arange(start, wanted.max() + 1)
        yield wanted, span[file.reference[span] | np.isin(span, wanted)]


@lru_cache(maxsize=64)
def _plan(file: H264File, times: tuple[float, ...]) -> tuple[list[_GroupPackets], list[int]]:
    """Return the packets to decode by group of pictures, and the PTS of the frame of each time."""
    targets = requested_packets(file, times)
    jobs = [
        _GroupPackets([_packet(file, place) for place in needed], _pts_of(file, wanted))
        for wanted, needed in needed_of(file, targets)
    ]
    return jobs, file.pts[targets].tolist()


def _packet(file: H264File, place: int) -> Packet[Stream]:
    packet: Packet[Stream] = Packet(file.payloads[place])
    packet.pts = int(file.pts[place])
    return packet


def _pts_of(file: H264File, places: NDArray[np.int64]) -> frozenset[int]:
    return frozenset(file.pts[places].tolist())
