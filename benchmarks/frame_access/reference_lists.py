"""Reference lists of H.264: do they rule out more packets than the decode floor leaves out?

    python -m benchmarks.frame_access.reference_lists [VIDEO.mp4 ...] [--uniform 16 64]

The floor of `benchmarks.frame_access` decodes the keyframe and every reference picture up to the
wanted one. A picture refers at most to those that the reference lists of its slices name (ITU-T
H.264, 8.2.4), these refer to others, and so on. Packets outside this transitive closure need not be
decoded. The closure is an upper bound of what is needed: which entries of a list a slice really
uses stands in its compressed macroblocks alone. Videos are the hour-long clips unless some are
named. It prints a table; `reports/frame_access.md` quotes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import tyro

from algos.evaluation.tables import format_table
from benchmarks.frame_access.clips import LONG, make_clip
from benchmarks.frame_access.decode_floor import H264File, needed_of, read_h264, requested_packets
from benchmarks.frame_access.h264_headers import (
    SliceHeader,
    StreamParameters,
    read_parameters,
    slice_headers,
)

HEADER = ("video", "frames", "floor", "named by lists", "share")


@dataclass(frozen=True)
class Settings:
    """Settings of the count."""

    videos: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """H.264 in MP4; by default the hour-long clips of `benchmarks.frame_access`."""
    uniform: tuple[int, ...] = (16, 64)
    """Frames spread over each video."""


class ReferencePicture(NamedTuple):
    """A picture that others may refer to.

    Attributes:
        number: its `frame_num`.
        order: its picture order count, which counts from its IDR picture.
        packet: its place in decode order in the file.
    """

    number: int
    order: int
    packet: int


@dataclass
class _ReferenceBuffer:
    """The reference pictures that a decoder holds, updated packet by packet in decode order.

    Attributes:
        parameters: of the stream.
        pictures: short-term reference pictures, the oldest first.
        high: `prevPicOrderCntMsb`, the high part of the last reference picture's order count.
        low: `prevPicOrderCntLsb`, its low bits.
    """

    parameters: StreamParameters
    pictures: list[ReferencePicture] = field(default_factory=list)
    high: int = 0
    low: int = 0

    def order_of(self, header: SliceHeader, packet: int) -> int:
        """Return the picture order count of a picture: its place on screen after its IDR picture.

        Type 0 (8.2.1.1): headers carry the low bits alone, and the high part moves by one span when
        they wrap. With 4 bits (span 16), low bits 14 and then 2 are 14 and 18. Type 2 (8.2.1.3):
        pictures are shown in decode order, and the packet's number stands for it.
        """
        if header.key:
            self.pictures, self.high, self.low = [], 0, 0
        if not self.parameters.order_count_bits:
            return packet
        span, high = 1 << self.parameters.order_count_bits, self.high
        if self.low - header.order >= span // 2:
            high += span
        elif header.order - self.low > span // 2:
            high -= span
        if header.is_reference:
            self.high, self.low = high, header.order
        return high + header.order

    def named(self, header: SliceHeader, order: int) -> set[int]:
        """Return the packets of the pictures that the lists of a slice name.

        A P slice has one list, by falling picture number (8.2.4.2.1). A B slice has two, by
        distance in display order: past before future in list 0, future before past in list 1, whose
        first two entries are swapped if both lists would be equal (8.2.4.2.3).
        """
        if header.kind == "P":
            lists = [sorted(self.pictures, key=lambda p: self._number(p, header), reverse=True)]
        elif header.kind == "B":
            past = sorted((p for p in self.pictures if p.order < order), key=lambda p: -p.order)
            future = sorted((p for p in self.pictures if p.order > order), key=lambda p: p.order)
            lists = [past + future, future + past]
            if len(lists[1]) > 1 and lists[0] == lists[1]:
                lists[1][:2] = lists[1][1::-1]
        else:
            lists = []
        found: set[int] = set()
        for pictures, length, modifications in zip(
            lists, header.lengths, header.modifications, strict=False
        ):
            found |= {p.packet for p in self._moved(pictures, length, modifications, header)}
        return found

    def _moved(
        self,
        pictures: list[ReferencePicture],
        length: int,
        modifications: Iterable[int],
        header: SliceHeader,
    ) -> list[ReferencePicture]:
        """Return a list as a slice modifies it (8.2.4.3), cut to its length.

        Pictures that are moved come first, in the order of the modifications. Each is told by the
        difference of its picture number from the one before; the first from the slice's own. With
        list 7, 6, 5 of a slice with number 8, modifications -3, +1 move 5, then 6: 5, 6, 7.

        Args:
            pictures: the list as it is made from the pictures held.
            length: number of its entries in this slice.
            modifications: signed differences of picture numbers.
            header: of the slice.
        """
        span, number = 1 << self.parameters.frame_num_bits, header.number
        front: list[ReferencePicture] = []
        for move in modifications:
            number = (number + move) % span
            (moved,) = (p for p in self.pictures if p.number == number)
            front.append(moved)
        return [*front, *(p for p in pictures[:length] if p not in front)][:length]

    def _number(self, picture: ReferencePicture, header: SliceHeader) -> int:
        """Return the picture number: `frame_num`, minus a span if it wrapped since (8.2.4.1)."""
        span = 1 << self.parameters.frame_num_bits
        return picture.number - (span if picture.number > header.number else 0)

    def keep(self, header: SliceHeader, order: int, packet: int) -> None:
        """Mark a decoded picture as a reference, and unmark those that the header says (8.2.5)."""
        if not header.is_reference:
            return
        if header.unmarked is not None:
            span = 1 << self.parameters.frame_num_bits
            gone = {(header.number - difference) % span for difference in header.unmarked}
            self.pictures = [p for p in self.pictures if p.number not in gone]
        elif len(self.pictures) >= self.parameters.max_references:
            self.pictures.remove(min(self.pictures, key=lambda p: self._number(p, header)))
        self.pictures.append(ReferencePicture(header.number, order, packet))


def read_lists(file: H264File) -> tuple[list[set[int]], list[int]]:
    """Return for each packet those that its lists name, and its picture order count.

    Args:
        file: N packets in decode order.

    Returns:
        N sets of packet numbers, and N counts, which start anew at each IDR picture.

    Raises:
        UnsupportedStream: if headers use what is not read here.
    """
    parameters = read_parameters(bytes(file.decoder.extradata or b""))
    buffer = _ReferenceBuffer(parameters)
    named: list[set[int]] = []
    orders: list[int] = []
    for packet, payload in enumerate(file.payloads):
        headers = list(slice_headers(payload, parameters))
        order = buffer.order_of(headers[0], packet)
        named.append(set().union(*(buffer.named(header, order) for header in headers)))
        orders.append(order)
        buffer.keep(headers[0], order, packet)
    return named, orders


def closure(named: Sequence[set[int]], targets: Iterable[int]) -> set[int]:
    """Return the targets with all packets that they refer to, directly or through others."""
    found: set[int] = set()
    left = list(targets)
    while left:
        packet = left.pop()
        if packet not in found:
            found.add(packet)
            left += named[packet]
    return found


def floor_of(file: H264File, targets: Sequence[int]) -> set[int]:
    """Return the targets with all reference pictures between their keyframes and them."""
    return {packet for _, needed in needed_of(file, targets) for packet in needed.tolist()}


def main(settings: Settings) -> None:
    """Print packets of the floor, and those named by lists, per video and number of frames."""
    rows = []
    for path in settings.videos or [make_clip(recipe).path for recipe in LONG]:
        file = read_h264(path)
        named, _ = read_lists(file)
        for count in settings.uniform:
            duration = float(np.ptp(file.pts)) / file.ticks_per_second
            targets = requested_packets(
                file, ((np.arange(count) + 0.5) * duration / count).tolist()
            )
            floor, needed = floor_of(file, targets), closure(named, targets)
            share = f"{len(needed) / len(floor):.3f}"
            rows.append((path.name, str(count), str(len(floor)), str(len(needed)), share))
    print(format_table(HEADER, rows))


if __name__ == "__main__":
    main(tyro.cli(Settings))
