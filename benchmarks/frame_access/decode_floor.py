"""The floor of frame access: what the decoder alone costs for the packets that nobody can avoid.

For each wanted frame that is its keyframe, every reference picture from there on, and the frame
itself: all already in memory, fed to a bare decoder in one thread, each packet once. Nothing is
opened, planned, converted or copied while the clock runs.
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
    """All packets of an H.264 MP4 file, in the order of decoding."""

    payloads: list[bytes]
    pts: NDArray[np.int64]
    key: NDArray[np.bool_]
    reference: NDArray[np.bool_]
    ticks_per_second: float
    decoder: VideoCodecContext


@dataclass(frozen=True, eq=False)
class _GroupPackets:
    """The packets of one group of pictures, and the PTS of the frames that are wanted of it."""

    packets: list[Packet[Stream]]
    wanted: frozenset[int]


class BareDecoder:
    """Decodes what must be decoded. Times that were asked for before are not planned again."""

    def __init__(self, path: Path) -> None:
        """Read the file into memory, unless it is the one that was read last."""
        self._file = read_h264(path)

    def read(self, times: Sequence[float]) -> list[av.VideoFrame]:
        """Return the frames on screen at the given times, one per time."""
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
        """Return the times of the keyframes nearest to the given ones, in seconds."""
        keys = np.sort(self._file.pts[self._file.key]) - self._file.pts.min()
        seconds = keys / self._file.ticks_per_second
        distances = np.abs(seconds[:, None] - np.array(times))
        nearest: list[float] = seconds[np.argmin(distances, axis=0)].tolist()
        return nearest


@lru_cache(maxsize=1)
def read_h264(path: Path) -> H264File:
    """Read all packets and make a decoder for them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if stream.codec_context.name != "h264" or stream.time_base is None:
            raise ValueError(f"{path}: the floor needs H.264 in MP4")
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
    """Return whether other pictures may lean on that of an MP4 sample (`nal_ref_idc`)."""
    return next((unit[0] & 0x60 != 0 for unit in slices(payload)), True)


def requested_packets(file: H264File, times: Sequence[float]) -> list[int]:
    """Return the packet, numbered in order of decoding, of the frame on screen at each time."""
    order = np.argsort(file.pts)  # of presentation; its values are places in the file
    shown = file.pts[order]
    ticks = np.floor((np.array(times) + 1e-6) * file.ticks_per_second).astype(np.int64)
    places = np.maximum(np.searchsorted(shown, ticks + shown[0], side="right") - 1, 0)
    targets: list[int] = order[places].tolist()
    return targets


def needed_of(
    file: H264File, targets: Sequence[int]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield, for each group of pictures, the targets in it and the packets that they need."""
    places = np.array(targets)
    keys = np.flatnonzero(file.key)
    starts = keys[np.searchsorted(file.pts[keys], file.pts[places], side="right") - 1]
    for start in np.unique(starts):
        wanted = np.unique(places[starts == start])
        passed = np.arange(start, wanted.max() + 1)
        yield wanted, passed[file.reference[passed] | np.isin(passed, wanted)]


@lru_cache(maxsize=64)
def _plan(file: H264File, times: tuple[float, ...]) -> tuple[list[_GroupPackets], list[int]]:
    """Return the packets needed, group of pictures by group, and the PTS of each time's frame."""
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
