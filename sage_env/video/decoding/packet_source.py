"""The protocol of a packet source, which brings a decoder the packets of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, cast

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from sage_env.video.deadline import Deadline


class SourcePacket(NamedTuple):
    """One packet on its way to the decoder.

    Attributes:
        number: in decode order, from 0, as `VideoIndex` numbers packets.
        pts: when its frame is shown, in ticks.
        key: whether decoding can start at it.
        data: its bytes; empty if it is faulty.
        packet: as the demuxer gave it; `None` if it has yet to be made of `data`.
        fault: what is wrong with it before any decoding, as the end of a sentence; "" if nothing.
    """

    number: int
    pts: int
    key: bool
    data: memoryview
    packet: Packet[VideoStream] | None = None
    fault: str = ""

    def decodable(self) -> Packet[VideoStream]:
        """Return what PyAV decodes: the demuxer's packet, or one made of the bytes."""
        if self.packet is not None:
            return self.packet
        # PyAV copies the bytes, with FFmpeg's padding behind; it takes any buffer, its stubs bytes.
        made = cast("Packet[VideoStream]", Packet(cast(bytes, self.data)))
        made.pts, made.is_keyframe = self.pts, self.key
        return made


class PacketSource(Protocol):
    """The packets of one video stream, in decode order, from any keyframe on.

    Attributes:
        context: the decoder of the stream, set up and not open yet. The source only makes it.
        restarts_cheaply: whether to begin anew at a keyframe costs next to nothing, so that a
            decoder may be drained as soon as it was fed what was requested.
    """

    context: VideoCodecContext
    restarts_cheaply: bool

    def read_until(self, deadline: Deadline) -> None:
        """Give up with `DecodeTimeout` at that time, if the way to one packet may be long."""

    def seek(self, packet: int) -> None:
        """Make the keyframe with this packet number the next packet.

        If it is not found, there is no next packet.
        """

    def packets(self, first: int, stop: int, end: int) -> Iterator[SourcePacket]:
        """Yield the packets `[first, end)`; fewer if the file ends before.

        A packet that was yielded counts as gone: the next call goes on after it.

        Args:
            first: number of the next packet: where the last call ended, or where `seek` went.
            stop: the packet after the last that is known to be needed, to read up to it in one go.
            end: the packet after the last to yield.
        """

    def close(self) -> None:
        """Close the file."""
