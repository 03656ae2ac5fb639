"""Packets through FFmpeg's demuxer, counted from the start: where times do not name them.

A time that a file holds twice cannot be sought, nor one that the demuxer counts from where it is
(GIF, raw streams). What the scan counted, a second pass over the file counts again.
"""

from __future__ import annotations

from collections.abc import Iterator

from av.packet import Packet
from av.video.stream import VideoStream

from sage_env.video.deadline import NO_LIMIT, Deadline
from sage_env.video.decoding.demuxed_packets import DemuxedPackets
from sage_env.video.decoding.packet_source import SourcePacket
from sage_env.video.index.stream import decoding_errors
from sage_env.video.index.video_index import VideoIndex

_EMPTY = memoryview(b"")
_FALSE_ALARM = 2
"""Packets before a joint whose damage is not believed.

The packets of a transport stream are numbered, and where two streams were joined FFmpeg flags the
last picture before the joint as damaged, or, as its parser goes on ahead, the one before that. What
really is damaged there is left for the decoder to report.
"""


class CountedPackets(DemuxedPackets):
    """The packets of a file whose times do not lead to them. A `PacketSource`."""

    def __init__(self, index: VideoIndex, deadline: Deadline = NO_LIMIT) -> None:
        """Open the file.

        Args:
            index: the frames of the video.
            deadline: when to give up opening it.

        Raises:
            VideoError: if it can no longer be opened.
        """
        super().__init__(index, deadline)
        self._unread = True  # whether the container is as it was opened
        self._lost = False  # whether nobody knows what comes next, because reading failed
        self._excused = {joint - n for joint in index.joints for n in range(1, _FALSE_ALARM + 1)}

    def seek(self, packet: int) -> None:
        """Make the packet with this number the next packet.

        Packets ahead are reached by reading on; for others the file is opened again.
        """
        if self._unread or self._lost or packet < self._next:
            if not self._unread:
                self._lost = True  # unless it can be opened again
                self.close()
                with decoding_errors(self._index.path, "opening it"):
                    self._open(self._file.deadline)
            self._demuxed = self._counted()
            self._unread, self._lost, self._next = False, False, 0
        while self._next < packet and next(self._demuxed, None) is not None:
            self._next += 1

    def _counted(self) -> Iterator[Packet[VideoStream]]:
        """Yield the packets that the scan counted, from the start of the file on."""
        try:
            for packet in self._packets_from_here():
                if packet.size and packet.pts is not None:
                    yield packet
        except Exception:
            self._lost = True
            raise

    def packets(self, first: int, stop: int, end: int) -> Iterator[SourcePacket]:
        """Yield the packets up to before `end`, with the times of the index; see `PacketSource`.

        None is yielded beyond a joint unless it is needed: where pictures change their size, a
        decoder drops what it holds back.

        Args:
            first: number of the next packet, which is known here as well.
            stop: the packet after the last that is needed.
            end: the packet after the last to yield.
        """
        end = min([end, len(self._index.packet_pts), *(j for j in self._index.joints if j >= stop)])
        for number in range(self._next, end):
            packet = next(self._demuxed, None)
            if packet is None:
                self._file.check()  # a demuxer may take an error for the end of the file
                return
            self._next = number + 1
            pts, key = int(self._index.packet_pts[number]), bool(self._index.packet_key[number])
            if packet.is_corrupt and number not in self._excused:
                yield SourcePacket(number, pts, False, _EMPTY, None, "is damaged")
            else:  # made anew of its bytes, without the flag and with the time of the index
                yield SourcePacket(number, pts, key, memoryview(packet))
