"""A video of 17 frames without a file: an index, a codec and a source that do as they are told.

In decode order, with an open GOP: packet 4 is a keyframe, packets 5 to 7 are shown before it.

    packet   0   1   2   3   4   5   6   7   8   9  10  11  12  13  14  15  16
    kind     I   P   b   b   I   B   b   b   P   b   b   P   b   b   P   P   P     b: disposable
    PTS      0   3   1   2   7   5   4   6  10   8   9  13  11  12  14  15  16     also the frame
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np

from sage_env.video.deadline import Deadline
from sage_env.video.decoding.packet_decoder import PacketDecoder
from sage_env.video.decoding.packet_source import SourcePacket
from sage_env.video.index.picture_form import PictureForm
from sage_env.video.index.presentation_order import PacketTable
from sage_env.video.index.sample_table import SampleTable
from sage_env.video.index.stream import StreamConfig
from sage_env.video.index.video_index import VideoIndex, _index

PTS = [0, 3, 1, 2, 7, 5, 4, 6, 10, 8, 9, 13, 11, 12, 14, 15, 16]
KINDS = "IPbbIBbbPbbPbbPPP"
SECOND = 4  # the second keyframe
HEADERS = {"I": 0x65, "P": 0x41, "B": 0x41, "b": 0x01}  # of an H.264 slice: kind, and nal_ref_idc


def scripted_index(depth: int = 2) -> VideoIndex:
    """Return the index of the video; its decoder is to hold back `depth` frames."""
    key = np.array([kind == "I" for kind in KINDS])
    ones = np.ones(len(PTS), dtype=np.int64)
    table = SampleTable(np.array(PTS), ones, ones, ones, key, ones > 0, upright=True)
    packets = PacketTable(table, table.pts, True, 0, 0, 16, 16, PictureForm())
    config = StreamConfig(0, "h264", b"", depth, (0, 2), Fraction(1, 25))
    return _index(config, packets, Path("scripted.mp4"), "scripted")


class ScriptedCodec:
    """Holds back frames as a decoder does, and knows which of them come out whole.

    Attributes:
        fed: numbers of the packets that went in since the last flush.
        bad: packets that raise.
        half_decoded: packets of `bad` whose frames come out all the same, of the half that decoded.
        corrupt: packets whose frames come out flagged as corrupt.
        retimed: other PTS for the frames of some packets.
        recovery: keyframes that do not come out if decoding starts at them, nor anything whole.
    """

    def __init__(self, depth: int = 2) -> None:
        """Hold back `depth` frames."""
        self.reorder_depth = -1
        self.skip_frame = ""
        self.sample_aspect_ratio: Fraction | None = None
        self.fed: list[int] = []
        self.bad: set[int] = set()
        self.half_decoded: set[int] = set()
        self.corrupt: set[int] = set()
        self.retimed: dict[int, int] = {}
        self.recovery: set[int] = set()
        self._depth = depth
        self._held: list[SimpleNamespace] = []
        self._drained = False

    def flush_buffers(self) -> None:
        """Forget everything, and raise the depth, as a decoder may have done meanwhile."""
        self.fed, self._held, self._drained, self.reorder_depth = [], [], False, 9

    def decode(self, packet: Any) -> list[SimpleNamespace]:
        """Return what comes out in PTS order; `None` is the end-of-stream mark."""
        if self._drained:
            raise av.error.EOFError(1, "End of file")
        if packet is None:
            self._drained = True
            return [self._held.pop(0) for _ in range(len(self._held))]
        number = packet.number
        self.fed.append(number)
        if number in self.half_decoded:
            self._held.append(SimpleNamespace(pts=PTS[number], is_corrupt=False, whole=False))
        if number in self.bad:
            raise av.error.InvalidDataError(1, "Invalid data")
        if number == self.fed[0] and number in self.recovery:
            return []
        pts = self.retimed.get(number, PTS[number])
        frame = SimpleNamespace(
            pts=pts, is_corrupt=number in self.corrupt, whole=self._is_whole(number), side_data={}
        )
        self._held = sorted([*self._held, frame], key=lambda held: held.pts)
        return [self._held.pop(0) for _ in range(len(self._held) - self._depth)]

    def _is_whole(self, number: int) -> bool:
        """Return whether all that a frame refers to went in since the last flush, undamaged."""
        closed = PTS[number] >= PTS[SECOND]
        needed = {
            n
            for n in range(SECOND if closed else 0, number)
            if KINDS[n] != "b" and (PTS[n] >= PTS[SECOND] or not closed)
        }
        return needed <= set(self.fed) - self.bad and self.fed[0] not in self.recovery


class ScriptedSource:
    """The packets of the video. A `PacketSource` that gives none twice and loses none.

    Attributes:
        seeks: the packets that were sought.
        damaged: packets that are faulty before any decoding.
    """

    def __init__(self, codec: ScriptedCodec, *, restarts_cheaply: bool = True) -> None:
        """Feed a codec."""
        self.context: Any = codec
        self.restarts_cheaply = restarts_cheaply
        self.seeks: list[int] = []
        self.damaged: set[int] = set()
        self._at = 0

    def read_until(self, deadline: Deadline) -> None:
        """Do nothing."""

    def seek(self, packet: int) -> None:
        """Go to a packet."""
        self.seeks.append(packet)
        self._at = packet

    def packets(self, first: int, stop: int, end: int) -> Iterator[SourcePacket]:
        """Yield packets; the caller has to know where the source is."""
        assert first == self._at and stop <= end
        while self._at < min(end, len(PTS)):
            number, self._at = self._at, self._at + 1
            kind = KINDS[number]
            data = memoryview(bytes([0, 0, 1, HEADERS[kind], 0x55]))
            packet: Any = SimpleNamespace(number=number)
            fault = "is damaged" if number in self.damaged else ""
            yield SourcePacket(number, PTS[number], kind == "I", data, packet, fault)

    def close(self) -> None:
        """Do nothing."""


def scripted_decoder(
    depth: int = 2, *, restarts_cheaply: bool = True, **others: Any
) -> tuple[PacketDecoder, ScriptedSource, ScriptedCodec]:
    """Return a decoder of the video, its source and its codec."""
    codec = ScriptedCodec(depth)
    source = ScriptedSource(codec, restarts_cheaply=restarts_cheaply)
    return PacketDecoder(scripted_index(depth), source, **others), source, codec
