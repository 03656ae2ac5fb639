"""The boxes of an MP4 or MOV file (ISO/IEC 14496-12, 4.2): a size, a kind of four bytes, content.

Sizes in a file are claims: each is compared with the bytes that are there before it is believed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

MAX_MOOV = 2**28
"""Most bytes of a `moov` box.

Tables take at most 20 bytes a frame (`stsz` 4, `ctts` 8, `co64` 8): five days at 30 a second even
then. A limit on memory, not a measured figure.
"""
_MAX_BOXES = 10_000
"""Most boxes at the top of a file: bounds the time spent on a file that is one long row of them.

Fragmented files have two a fragment, and are read packet by packet anyway.
"""

# Boxes whose content is boxes, wherever they stand.
_CONTAINERS = frozenset(
    b"moov trak mdia minf stbl edts dinf mvex moof traf udta wave sinf schi".split()
)
_DEEPEST = 10
"""Most boxes inside each other; FFmpeg's demuxer stops there too (`MAX_ATOM_DEPTH`)."""
_PLACES = {
    kind: parent
    for parent, kinds in {
        b"moov": b"mvhd trak mvex cmov",
        b"trak": b"tkhd edts mdia",
        b"edts": b"elst",
        b"mdia": b"mdhd minf",
        b"minf": b"stbl",
        b"stbl": b"stsd stts ctts stsc stsz stz2 stco co64 stss stps sgpd sbgp",
    }.items()
    for kind in kinds.split()
}
"""The boxes that decide what is shown when, and the one box that each belongs into."""

Boxes = dict[bytes, list[memoryview]]
"""The contents of boxes by their kind."""


class UnsupportedLayout(Exception):
    """The file is laid out in a way that is not read here; it is then read through FFmpeg."""


def read_moov(file: BinaryIO) -> memoryview:
    """Return the content of the only `moov` box (ISO/IEC 14496-12, 8.2.1).

    Raises:
        UnsupportedLayout: if there is none, there are two, a box before it reaches beyond the end
            of the file, or one in it stands where it does not belong.
        OSError: if the file cannot be read.
    """
    end = os.fstat(file.fileno()).st_size
    found: list[tuple[int, int]] = []
    for number, (kind, start, size) in enumerate(top_boxes(file)):
        if number == _MAX_BOXES or (start + size > end and not found):
            raise UnsupportedLayout
        if kind == b"moov":
            found.append((start, size))
    if len(found) != 1 or found[0][1] > MAX_MOOV:
        raise UnsupportedLayout
    file.seek(found[0][0])
    moov = memoryview(file.read(found[0][1]))
    check_places(moov)
    return moov


def top_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, first byte and size of the content of each box of a file, as the boxes claim it.

    The content of the last one may reach beyond the end of the file, which was then cut short. What
    is no row of boxes ends the walk.

    Raises:
        OSError: if the file cannot be read.
    """
    end, at = os.fstat(file.fileno()).st_size, 0
    while at < end:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        size, start = struct.unpack(">I", head[:4])[0], 8
        if size == 1:  # the size is too large for 32 bits and follows as 64
            if len(head) < 16:
                return
            size, start = struct.unpack(">Q", head[8:16])[0], 16
        size = size or end - at  # 0: up to the end of the file
        if size < start:
            return
        yield head[4:8], at + start, size - start
        at += size


def boxes_of(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and content of boxes that lie one behind the other.

    Raises:
        UnsupportedLayout: if one of them reaches beyond `data`.
    """
    at = 0
    while at + 8 <= len(data):
        size, start = struct.unpack_from(">I", data, at)[0], 8
        if size == 1:
            size, start = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or len(data) - at
        if size < start or at + size > len(data):
            raise UnsupportedLayout
        yield bytes(data[at + 4 : at + 8]), data[at + start : at + size]
        at += size


def boxes_inside(
    data: memoryview, parent: bytes = b"", depth: int = 1
) -> Iterator[tuple[bytes, bytes, memoryview]]:
    """Yield parent, kind and content of all boxes inside a box, at any depth, as FFmpeg finds them.

    A box that reaches beyond the one around it ends there.

    Args:
        data: the content of the box.
        parent: its kind.
        depth: boxes around it, that box included.
    """
    at = 0
    while at + 8 <= len(data):
        size, start = struct.unpack_from(">I", data, at)[0], 8
        if size == 1 and at + 16 <= len(data):
            size, start = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or len(data) - at
        if size < start:
            return
        kind, content = bytes(data[at + 4 : at + 8]), data[at + start : at + size]
        yield parent, kind, content
        if kind in _CONTAINERS and depth < _DEEPEST:
            yield from boxes_inside(content, kind, depth + 1)
        at += size


def check_places(moov: memoryview) -> None:
    """Refuse a movie in which a box stands where it does not belong.

    FFmpeg's demuxer takes a box for what it is wherever it stands, for the track that came last.

    Raises:
        UnsupportedLayout: if there is one.
    """
    for parent, kind, _ in boxes_inside(moov, b"moov"):
        if _PLACES.get(kind, parent) != parent:
            raise UnsupportedLayout


def children(data: memoryview) -> Boxes:
    """Return the boxes inside a box, by kind."""
    found: Boxes = {}
    for kind, content in boxes_of(data):
        found.setdefault(kind, []).append(content)
    return found


def single_box(boxes: Boxes, kind: bytes) -> memoryview:
    """Return the content of the box of a kind that must be there exactly once.

    Raises:
        UnsupportedLayout: if there are several.
        KeyError: if there is none.
    """
    (box, *more) = boxes[kind]
    if more:
        raise UnsupportedLayout
    return box
