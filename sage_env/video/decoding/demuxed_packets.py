"""Packets through FFmpeg's demuxer: for containers whose packets are not in the file in one piece.

Those are transport and program streams, and whatever `packet_scan` could not find by offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import dropwhile
from typing import cast

import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream

from sage_env.video.deadline import NO_LIMIT, Deadline
from sage_env.video.decoding.packet_source import SourcePacket
from sage_env.video.decoding.timed_file import TimedFile
from sage_env.video.index.stream import decoding_errors, demuxed, open_container, prepare_decoder
from sage_env.video.index.video_index import VideoIndex

_EMPTY = memoryview(b"")


class DemuxedPackets:
    """The packets of an open container. A `PacketSource`.

    The demuxer reads through a `TimedFile`: one that is written over meanwhile is an error,
    processes that were forked with it open do not move each other's place in it, and a long way to
    the next packet ends in time.
    """

    restarts_cheaply = False  # seeking in a transport stream reads it in several places

    def __init__(self, index: VideoIndex, deadline: Deadline = NO_LIMIT) -> None:
        """Open the file.

        Args:
            index: the frames of the video.
            deadline: when to give up opening it.

        Raises:
            VideoError: if it can no longer be opened, or is another version than that of the index.
        """
        self._index = index
        with decoding_errors(index.path, "opening it"):
            self._open(deadline)
        self.context = self._stream.codec_context
        prepare_decoder(self.context, strict=not index.open_gops)
        self._demuxed: Iterator[Packet[VideoStream]] = iter(())
        self._next = 0  # number of the next packet

    def _open(self, deadline: Deadline) -> None:
        self._file = TimedFile(self._index.path, self._index.fingerprint)
        self._file.deadline = deadline
        self._container = open_container(self._file, deadline)
        self._stream = cast(VideoStream, self._container.streams[self._index.config.stream])

    def read_until(self, deadline: Deadline) -> None:
        """Give up seeking and reading from here on at another time."""
        self._file.deadline = deadline

    def seek(self, packet: int) -> None:
        """Make the keyframe with this packet number the next packet.

        Many containers seek to somewhere before the keyframe; what lies between is dropped. A
        packet that is no keyframe's stands for the first keyframe.
        """
        gop = int(np.argmax(self._index.key_packets == packet))
        key_pts = int(self._index.key_pts[gop])
        self._container.seek(int(self._index.key_dts[gop]), stream=self._stream)
        packets = (p for p in self._packets_from_here() if p.size)
        self._demuxed = dropwhile(lambda p: p.pts != key_pts, packets)
        self._next = int(self._index.key_packets[gop])

    def _packets_from_here(self) -> Iterator[Packet[VideoStream]]:
        return demuxed(self._container, self._stream, self._index.path)

    def packets(self, first: int, stop: int, end: int) -> Iterator[SourcePacket]:
        """Yield the packets up to before `end`; see `PacketSource`.

        Args:
            first: number of the next packet, which is known here as well.
            stop: plays no part: a demuxer reads as it likes.
            end: the packet after the last.
        """
        end = min(end, len(self._index.packet_pts))
        while self._next < end:
            packet = next(self._demuxed, None)
            if packet is None:
                self._file.check()  # a demuxer may take an error for the end of the file
                return
            number = self._number_of(packet)
            self._next = number + 1
            if packet.is_corrupt or packet.pts is None:
                pts = int(self._index.packet_pts[number])
                yield SourcePacket(number, pts, False, _EMPTY, None, "is damaged")
            else:
                key = packet.is_keyframe
                yield SourcePacket(number, packet.pts, key, memoryview(packet), packet)

    def close(self) -> None:
        """Close the file."""
        self._container.close()
        self._file.close()

    def _number_of(self, packet: Packet[VideoStream]) -> int:
        """Return the number of the packet that the demuxer gave next.

        The demuxer gives the packets of the scan in the order of the scan. After damage it may
        leave some out, or give one that the scan had no time for: the first moves the count on, the
        second leaves it where it was.
        """
        times = self._index.packet_pts
        if times[self._next] == packet.pts or packet.pts is None:
            return self._next
        ahead = np.flatnonzero(times[self._next :] == packet.pts)
        return self._next + int(ahead[0]) if len(ahead) else max(self._next - 1, 0)
