"""Whether decoding could leave out more than the floor does: what the reference lists name.

    python -m benchmarks.frame_access.reference_lists [VIDEO.mp4 ...] [--uniform 16 64]

The floor of `frame_access.py` is the keyframe and every reference picture up to the wanted one. A
picture leans at most on those that the lists of its slices name (ITU-T H.264, 8.2.4), those on
others, and so on: what no list on the way names need not be decoded. Which entries of a list are
used stands in the compressed pictures alone. Videos are the hour-long clips unless some are named.
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
    """H.264 in MP4; by default the clips of `frame_access.py`."""
    uniform: tuple[int, ...] = (16, 64)
    """Frames spread over each video."""


class ReferencePicture(NamedTuple):
    """A picture that others may lean on: its `frame_num`, display order, number of its packet."""

    number: int
    order: int
    packet: int


@dataclass
class _ReferenceBuffer:
    """The pictures held while packets go by in order of decoding."""

    parameters: StreamParameters
    pictures: list[ReferencePicture] = field(default_factory=list)
    high: int = 0  # of the display order of the last reference picture
    low: int = 0

    def order_of(self, header: SliceHeader, packet: int) -> int:
        """Return the display order of a picture (8.2.1.1); that of decoding for type 2."""
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
        """Return the packets of the pictures that the lists of a slice name (8.2.4.2, 8.2.4.3)."""
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
        """Return a list after a slice's changes, cut to its length."""
        span, number = 1 << self.parameters.frame_num_bits, header.number
        front: list[ReferencePicture] = []
        for move in modifications:
            number = (number + move) % span
            (moved,) = (p for p in self.pictures if p.number == number)
            front.append(moved)
        return [*front, *(p for p in pictures[:length] if p not in front)][:length]

    def _number(self, picture: ReferencePicture, header: SliceHeader) -> int:
        """Return the picture number, which counts back from the slice's `frame_num`."""
        span = 1 << self.parameters.frame_num_bits
        return picture.number - (span if picture.number > header.number else 0)

    def keep(self, header: SliceHeader, order: int, packet: int) -> None:
        """Hold a picture that was decoded, and let go of others (8.2.5)."""
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
    """Return for each packet those that its lists name, and its display order after its keyframe.

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
    """Return the targets, and all that they lean on."""
    found: set[int] = set()
    left = list(targets)
    while left:
        packet = left.pop()
        if packet not in found:
            found.add(packet)
            left += named[packet]
    return found


def floor_of(file: H264File, targets: Sequence[int]) -> set[int]:
    """Return the targets, and all reference pictures from their keyframes on."""
    return {packet for _, needed in needed_of(file, targets) for packet in needed.tolist()}


def main(settings: Settings) -> None:
    """Count and print."""
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
