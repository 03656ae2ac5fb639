"""Mutations of MP4 files: of bits and runs of bytes, of whole boxes, of single fields of tables.

Each mutation takes the bytes of a file and a random generator, and returns other bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_PARENTS = frozenset(b"moov trak mdia minf stbl edts dinf mvex moof traf udta".split())
_ODD = (0, 1, 2, 3, *(2**n for n in (15, 16, 20, 24, 28, 30, 31)), 2**31 - 1, 2**32 - 2, 2**32 - 1)
"""Counts and sizes at which programs trip."""

Mutation = Callable[[bytes, np.random.Generator], bytes]


class Box(NamedTuple):
    """One box of a file.

    Attributes:
        kind: four bytes.
        start: byte of its size.
        end: the byte after its last.
        content: byte of its content.
        parents: the starts of the boxes around it, outermost first.
    """

    kind: bytes
    start: int
    end: int
    content: int
    parents: tuple[int, ...]


def boxes(data: bytes) -> list[Box]:
    """Return all boxes of a sound file, a box before those inside it."""
    found: list[Box] = []

    def walk(at: int, end: int, parents: tuple[int, ...]) -> None:
        while at + 8 <= end:
            size = struct.unpack_from(">I", data, at)[0] or end - at
            if size < 8 or at + size > end:
                return
            box = Box(data[at + 4 : at + 8], at, at + size, at + 8, parents)
            found.append(box)
            if box.kind in _PARENTS:
                walk(box.content, box.end, (*parents, at))
            at += size

    walk(0, len(data), ())
    return found


def _replaced(data: bytes, box: Box, new: bytes) -> bytes:
    """Return the file with other bytes in a box's place; the sizes of boxes around it fit."""
    changed = bytearray(data[: box.start] + new + data[box.end :])
    for parent in box.parents:
        size = struct.unpack_from(">I", changed, parent)[0]
        struct.pack_into(">I", changed, parent, size + len(new) - (box.end - box.start))
    return bytes(changed)


def _picked(data: bytes, rng: np.random.Generator, kinds: frozenset[bytes] | None = None) -> Box:
    """Return a box at random, of one of the kinds if there is any; never the pictures' `mdat`."""
    found = [box for box in boxes(data) if box.kind != b"mdat"]
    fitting = [box for box in found if kinds is None or box.kind in kinds] or found
    return fitting[int(rng.integers(len(fitting)))]


def _odd(rng: np.random.Generator) -> int:
    return int(rng.choice(_ODD)) if rng.random() < 0.6 else int(rng.integers(2**32))


def flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip one to eight bits anywhere."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        changed[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def flip_bits_of_tables(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip one to four bits outside of the pictures."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        box = _picked(data, rng)
        changed[int(rng.integers(box.start, box.end))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def overwrite_run(data: bytes, rng: np.random.Generator) -> bytes:
    """Overwrite up to 200 bytes with zeros, ones, noise, or bytes from elsewhere."""
    at, length = int(rng.integers(len(data))), int(rng.integers(1, 200))
    other = int(rng.integers(len(data)))
    runs = (bytes(length), b"\xff" * length, rng.bytes(length), data[other : other + length])
    return data[:at] + runs[int(rng.integers(4))] + data[at + length :]


def truncate(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut the file short."""
    return data[: int(rng.integers(1, len(data)))]


def resize_box(data: bytes, rng: np.random.Generator) -> bytes:
    """Let a box claim another size."""
    box, changed = _picked(data, rng), bytearray(data)
    true = box.end - box.start
    size = _odd(rng) if rng.random() < 0.5 else max(0, true + int(rng.integers(-40, 41)))
    struct.pack_into(">I", changed, box.start, size % 2**32)
    return bytes(changed)


def remove_box(data: bytes, rng: np.random.Generator) -> bytes:
    """Leave out a box."""
    return _replaced(data, _picked(data, rng), b"")


def duplicate_box(data: bytes, rng: np.random.Generator) -> bytes:
    """Put a box there twice."""
    box = _picked(data, rng)
    return _replaced(data, box, data[box.start : box.end] * 2)


def swap_boxes(data: bytes, rng: np.random.Generator) -> bytes:
    """Exchange the kinds of two boxes."""
    one, other, changed = _picked(data, rng), _picked(data, rng), bytearray(data)
    changed[one.start + 4 : one.start + 8] = other.kind
    changed[other.start + 4 : other.start + 8] = one.kind
    return bytes(changed)


def move_box(data: bytes, rng: np.random.Generator) -> bytes:
    """Put a copy of a box into another one, in place of its content."""
    box, target = _picked(data, rng), _picked(data, rng, _PARENTS)
    content = data[box.start : box.end]
    return _replaced(data, target, struct.pack(">I", 8 + len(content)) + target.kind + content)


def nest_box(data: bytes, rng: np.random.Generator) -> bytes:
    """Put a box into up to 200 others."""
    box = _picked(data, rng)
    inside = data[box.start : box.end]
    kind = bytes(rng.choice(sorted(_PARENTS)))
    for _ in range(int(rng.integers(1, 200))):
        inside = struct.pack(">I", 8 + len(inside)) + kind + inside
    return _replaced(data, box, inside)


def _set_fields(kinds: bytes, widths: tuple[int, ...] = (4,)) -> Mutation:
    """Return a mutation that puts odd numbers into fields of boxes of some kinds."""
    wanted = frozenset(kinds.split())

    def mutate(data: bytes, rng: np.random.Generator) -> bytes:
        box, changed = _picked(data, rng, wanted), bytearray(data)
        for _ in range(int(rng.integers(1, 3))):
            width = int(rng.choice(widths))
            places = range(box.content, box.end - width + 1, width)
            if len(places):
                place = places[int(rng.integers(len(places)))]
                value = _odd(rng) % 256**width if width < 8 else _odd(rng) << 32 | _odd(rng)
                changed[place : place + width] = value.to_bytes(width, "big")
        return bytes(changed)

    mutate.__name__ = f"set_fields({kinds.decode()})"
    return mutate


def set_count(data: bytes, rng: np.random.Generator) -> bytes:
    """Let a table claim another number of rows, or another size for all samples."""
    box = _picked(data, rng, frozenset(b"stts ctts stsc stco stss stsz elst stsd trun".split()))
    changed = bytearray(data)
    place = box.content + (8 if box.kind == b"stsz" and rng.random() < 0.7 else 4)
    struct.pack_into(">I", changed, place, _odd(rng))
    if box.kind == b"stsz" and rng.random() < 0.5:
        struct.pack_into(">I", changed, box.content + 4, int(rng.integers(1, 100)))
    return bytes(changed)


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    flip_bits_of_tables,
    overwrite_run,
    truncate,
    resize_box,
    remove_box,
    duplicate_box,
    swap_boxes,
    move_box,
    nest_box,
    set_count,
    _set_fields(b"stco stsc"),  # chunks that are not in the file
    _set_fields(b"stsz"),
    _set_fields(b"stts ctts"),
    _set_fields(b"elst", (4, 8)),
    _set_fields(b"mvhd mdhd tkhd", (1, 2, 4, 8)),
    _set_fields(b"stss stsd avcC", (1, 2)),
    _set_fields(b"trun tfhd tfdt trex mfhd", (1, 4)),
)
