"""The boxes of an MP4 or MOV file. Sizes in it are claims: none is believed without a look."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

MAX_MOOV = 2**28
"""Most bytes of a `moov` box: the tables of a month of video."""
_MAX_BOXES = 10_000  # at the top of a file

Boxes = dict[bytes, list[memoryview]]
"""The contents of boxes by their kind."""


class UnsupportedLayout(Exception):
    """The file is not of the kind that is read here."""


def read_moov(file: BinaryIO) -> memoryview:
    """Return the content of the first `moov` box; boxes after a cut-off one are not looked for."""
    end, at = os.fstat(file.fileno()).st_size, 0
    for _ in range(_MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            break
        size, start = struct.unpack(">I", head[:4])[0], 8
        if size == 1:
            size, start = struct.unpack(">Q", head[8:16])[0], 16
        size = size or end - at
        if size < start or at + size > end:
            break
        if head[4:8] == b"moov":
            if size > MAX_MOOV:
                break
            file.seek(at + start)
            return memoryview(file.read(size - start))
        at += size
    raise UnsupportedLayout


def boxes_of(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and content of the boxes that lie one behind the other."""
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


def children(data: memoryview) -> Boxes:
    """Return the boxes inside a box, by kind."""
    found: Boxes = {}
    for kind, content in boxes_of(data):
        found.setdefault(kind, []).append(content)
    return found


def single_box(boxes: Boxes, kind: bytes) -> memoryview:
    """Return the one box of a kind that must be there once."""
    (box, *more) = boxes[kind]
    if more:
        raise UnsupportedLayout
    return box
