"""The sample tables of an MP4 or MOV file, from its `moov` box straight into arrays.

Only files of the common kind are read here: one `moov`, no fragments, one sample description, at
most one edit after at most one empty one. What is unusual gives `None`, and is then scanned packet
by packet. Sizes and counts in the file are claims: none is believed beyond what is there.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

MAX_MOOV = 2**28
"""Most bytes of a `moov` box: the tables of a month of video."""
MAX_SAMPLES = 2**24
"""Most frames of a file: six days at 30 a second."""
_MAX_BOXES = 10_000  # at the top of a file
_UPRIGHT = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_MATRIX_AT = {b"tkhd": (40, 52), b"mvhd": (36, 48)}  # in version 0, in version 1

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SampleTable:
    """The samples of one track in the order of decoding. Times are in ticks of the track.

    Attributes:
        pts: int64 `(M,)`, as FFmpeg counts them: edits applied.
        duration: int64 `(M,)`.
        position: int64 `(M,)`, the byte of the file where the sample starts.
        size: int64 `(M,)`, bytes.
        key: bool `(M,)`, whether decoding can start there.
        shown: bool `(M,)`, false for what an edit hides.
        upright: whether the picture is shown as it is coded, not turned.
    """

    pts: Integers
    duration: Integers
    position: Integers
    size: Integers
    key: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    upright: bool


class _Unusual(Exception):
    """The file is not of the kind that is read here."""


def read_sample_table(path: Path, track: int) -> SampleTable | None:
    """Return the samples of the track with this id, `None` if the file is not of the common kind.

    Raises:
        OSError: if the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            moov = _children(_moov(file))
        return _read_track(moov, track)
    except (_Unusual, KeyError, struct.error):
        return None


def _moov(file: BinaryIO) -> memoryview:
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
    raise _Unusual


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and content of the boxes that lie one behind the other."""
    at = 0
    while at + 8 <= len(data):
        size, start = struct.unpack_from(">I", data, at)[0], 8
        if size == 1:
            size, start = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or len(data) - at
        if size < start or at + size > len(data):
            raise _Unusual
        yield bytes(data[at + 4 : at + 8]), data[at + start : at + size]
        at += size


def _children(data: memoryview) -> dict[bytes, list[memoryview]]:
    """Return the boxes inside a box, by kind."""
    children: dict[bytes, list[memoryview]] = {}
    for kind, content in _boxes(data):
        children.setdefault(kind, []).append(content)
    return children


def _only(boxes: dict[bytes, list[memoryview]], kind: bytes) -> memoryview:
    """Return the one box of a kind that must be there once."""
    (box, *more) = boxes[kind]
    if more:
        raise _Unusual
    return box


def _read_track(moov: dict[bytes, list[memoryview]], track: int) -> SampleTable:
    """Return the samples of a track."""
    if b"mvex" in moov or b"cmov" in moov:  # fragments follow; compressed
        raise _Unusual
    for box in moov[b"trak"]:
        trak = _children(box)
        header = _only(trak, b"tkhd")
        if struct.unpack_from(">I", header, 20 if header[0] else 12)[0] == track:
            break
    else:
        raise _Unusual
    movie = _only(moov, b"mvhd")
    mdia = _children(_only(trak, b"mdia"))
    edits = _children(_only(trak, b"edts")).get(b"elst", []) if b"edts" in trak else []
    table = _children(_only(_children(_only(mdia, b"minf")), b"stbl"))
    size = _sizes(table)
    delta = _per_sample(_only(table, b"stts"), ">u4", len(size))
    shift = np.zeros_like(size)
    if b"ctts" in table:  # signed whatever the version says: writers do so
        shift = _per_sample(_only(table, b"ctts"), ">i4", len(size))
    shown_at = np.cumsum(delta) - delta + shift
    pts, shown = _edited(shown_at, edits, _timescale(movie), _timescale(_only(mdia, b"mdhd")))
    position = _positions(table, size)
    upright = _is_upright(b"tkhd", header) and _is_upright(b"mvhd", movie)
    return SampleTable(pts, delta, position, size, _keys(table, len(size)), shown, upright)


def _timescale(header: memoryview) -> int:
    """Return the ticks per second that an `mvhd` or `mdhd` box names."""
    ticks: int = struct.unpack_from(">I", header, 20 if header[0] else 12)[0]
    if not ticks:
        raise _Unusual
    return ticks


def _is_upright(kind: bytes, header: memoryview) -> bool:
    """Return whether the matrix of a header leaves the picture as it is."""
    at = _MATRIX_AT[kind][header[0] > 0]
    return bytes(header[at : at + 36]) == _UPRIGHT


def _entries(box: memoryview, dtype: str, columns: int, at: int = 4) -> Integers:
    """Return the entries of a table `(rows, columns)`; the count at byte `at` is in front."""
    (count,) = struct.unpack_from(">I", box, at)
    width = np.dtype(dtype).itemsize * columns
    if count > (len(box) - at - 4) // width:
        raise _Unusual
    values = np.frombuffer(box, dtype=dtype, count=count * columns, offset=at + 4)
    return values.reshape(count, columns).astype(np.int64)


def _sizes(table: dict[bytes, list[memoryview]]) -> Integers:
    """Return the bytes of each sample."""
    box = _only(table, b"stsz")
    fixed, count = struct.unpack_from(">II", box, 4)
    if not 0 < count <= MAX_SAMPLES:
        raise _Unusual
    if fixed:
        return np.full(count, fixed, dtype=np.int64)
    return _entries(box, ">u4", 1, at=8)[:, 0]


def _per_sample(box: memoryview, dtype: str, count: int) -> Integers:
    """Return the value for each sample of a table of runs `(samples, value)`."""
    samples = _entries(box, ">u4", 2)[:, 0]
    if samples.sum() != count:
        raise _Unusual
    return np.repeat(_entries(box, dtype, 2)[:, 1], samples)


def _positions(table: dict[bytes, list[memoryview]], size: Integers) -> Integers:
    """Return where in the file each sample starts."""
    if b"co64" in table:
        chunks = _entries(_only(table, b"co64"), ">i8", 1)[:, 0]
    else:
        chunks = _entries(_only(table, b"stco"), ">u4", 1)[:, 0]
    first, count, description = _entries(_only(table, b"stsc"), ">u4", 3).T
    runs = np.diff(np.append(first - 1, len(chunks)))
    if len(first) == 0 or first[0] != 1 or (runs < 1).any() or (description != 1).any():
        raise _Unusual
    if (count > len(size)).any() or (count * runs).sum() != len(size):
        raise _Unusual
    in_chunk = np.repeat(count, runs)
    before = np.cumsum(size) - size
    starts = before[np.minimum(np.cumsum(in_chunk) - in_chunk, len(size) - 1)]
    positions: Integers = np.repeat(chunks - starts, in_chunk) + before
    return positions


def _keys(table: dict[bytes, list[memoryview]], count: int) -> NDArray[np.bool_]:
    """Return which samples decoding can start at."""
    groups = [bytes(box[4:8]) for box in table.get(b"sgpd", [])]
    (descriptions,) = struct.unpack_from(">I", _only(table, b"stsd"), 4)
    if descriptions != 1 or b"stps" in table or b"rap " in groups or b"sync" in groups:
        raise _Unusual
    if b"stss" not in table:
        return np.ones(count, dtype=np.bool_)
    numbers = _entries(_only(table, b"stss"), ">u4", 1)[:, 0] - 1
    if len(numbers) == 0 or numbers.min() < 0 or numbers.max() >= count:
        raise _Unusual
    key = np.zeros(count, dtype=np.bool_)
    key[numbers] = True
    return key


def _edited(
    shown_at: Integers, boxes: list[memoryview], movie_ticks: int, ticks: int
) -> tuple[Integers, NDArray[np.bool_]]:
    """Return PTS and which samples are shown after the edits: a wait, then one stretch."""
    if not boxes:
        return shown_at, np.ones(len(shown_at), dtype=np.bool_)
    (box,) = boxes
    (count,) = struct.unpack_from(">I", box, 4)
    form, width = (">QqhH", 20) if box[0] else (">IihH", 12)
    if not 0 < count <= 2:
        raise _Unusual
    edits = [struct.unpack_from(form, box, 8 + width * number) for number in range(count)]
    length, start, rate, _ = edits[-1]
    if count == 2 and edits[0][1] != -1 or start < 0 or rate != 1:
        raise _Unusual
    wait = _rescaled(edits[0][0], ticks, movie_ticks) if count == 2 else 0
    end = start + _rescaled(length, ticks, movie_ticks)
    shown = (shown_at >= start) & (shown_at < end)
    if not shown.any() or max(end, wait) >= 2**62:
        raise _Unusual
    return shown_at - shown_at[shown].min() + wait, shown


def _rescaled(value: int, ticks: int, per: int) -> int:
    """Return `value * ticks / per`, rounded to the nearest, a half up."""
    return int((2 * value * ticks + per) // (2 * per))
