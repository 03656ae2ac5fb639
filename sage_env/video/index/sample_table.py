"""The sample tables of an MP4 or MOV file, from its `moov` box straight into arrays.

Only files of the common kind are read here: one `moov`, no fragments, one sample description, at
most one edit after at most one empty one. What is unusual gives `None`, and is then scanned packet
by packet. Sizes and counts in the file are claims: none is believed beyond what is there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sage_env.video.index.mp4_boxes import Boxes, UnsupportedLayout, children, read_moov, single_box

MAX_SAMPLES = 2**24
"""Most frames of a file: six days at 30 a second."""
_UPRIGHT = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_MATRIX_AT = {b"tkhd": (40, 52), b"mvhd": (36, 48)}  # in version 0, in version 1

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SampleTable:
    """The samples of one track in the order of decoding. Times are in ticks of the track.

    Attributes:
        pts: int64 `(M,)`, as FFmpeg counts them: edits applied.
        duration: int64 `(M,)`.
        offset: int64 `(M,)`, the byte of the file where the sample starts.
        size: int64 `(M,)`, bytes.
        key: bool `(M,)`, whether decoding can start there.
        shown: bool `(M,)`, false for what an edit hides.
        upright: whether the picture is shown as it is coded, not turned.
    """

    pts: Integers
    duration: Integers
    offset: Integers
    size: Integers
    key: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    upright: bool

    @cached_property
    def by_time(self) -> Integers:
        """Return the samples in the order of their PTS; of two at one time, the first decoded."""
        return np.argsort(self.pts, kind="stable")

    @cached_property
    def open_gops(self) -> bool:
        """Return whether some samples after a keyframe are shown before it."""
        key_before = np.maximum.accumulate(np.where(self.key, np.arange(len(self.key)), 0))
        return bool((self.pts < self.pts[key_before]).any())


def read_sample_table(path: Path, track: int) -> SampleTable | None:
    """Return the samples of the track with this id, `None` if the file is not of the common kind.

    Raises:
        OSError: if the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            moov = children(read_moov(file))
        return table_of(moov, _find(moov, track))
    except (UnsupportedLayout, KeyError, struct.error):
        return None


def _find(moov: Boxes, track: int) -> Boxes:
    """Return the boxes of the track with this id."""
    for box in moov[b"trak"]:
        trak = children(box)
        header = single_box(trak, b"tkhd")
        if struct.unpack_from(">I", header, 20 if header[0] else 12)[0] == track:
            return trak
    raise UnsupportedLayout


def table_of(moov: Boxes, trak: Boxes) -> SampleTable:
    """Return the samples of a track.

    Raises:
        UnsupportedLayout: if the file is not of the common kind; so do `KeyError` and
            `struct.error`.
    """
    if b"mvex" in moov or b"cmov" in moov:  # fragments follow; compressed
        raise UnsupportedLayout
    header = single_box(trak, b"tkhd")
    movie = single_box(moov, b"mvhd")
    mdia = children(single_box(trak, b"mdia"))
    edits = children(single_box(trak, b"edts")).get(b"elst", []) if b"edts" in trak else []
    table = children(single_box(children(single_box(mdia, b"minf")), b"stbl"))
    size = _sizes(table)
    delta = _per_sample(single_box(table, b"stts"), ">u4", len(size))
    shown_at = np.cumsum(delta)
    shown_at -= delta
    if b"ctts" in table:  # signed whatever the version says: writers do so
        shown_at += _per_sample(single_box(table, b"ctts"), ">i4", len(size))
    pts, shown = _apply_edit_list(
        shown_at, edits, timescale(movie), timescale(single_box(mdia, b"mdhd"))
    )
    offset = _sample_offsets(table, size)
    upright = _is_upright(b"tkhd", header) and _is_upright(b"mvhd", movie)
    return SampleTable(pts, delta, offset, size, _keys(table, len(size)), shown, upright)


def timescale(header: memoryview) -> int:
    """Return the ticks per second that an `mvhd` or `mdhd` box names."""
    ticks: int = struct.unpack_from(">I", header, 20 if header[0] else 12)[0]
    if not ticks:
        raise UnsupportedLayout
    return ticks


def _is_upright(kind: bytes, header: memoryview) -> bool:
    """Return whether the matrix of a header leaves the picture as it is."""
    at = _MATRIX_AT[kind][header[0] > 0]
    return bytes(header[at : at + 36]) == _UPRIGHT


def _columns(box: memoryview, dtype: str, columns: int, at: int = 4) -> NDArray[np.integer]:
    """Return the entries of a table `(rows, columns)`; the count at byte `at` is in front."""
    (count,) = struct.unpack_from(">I", box, at)
    width = np.dtype(dtype).itemsize * columns
    if count > (len(box) - at - 4) // width:
        raise UnsupportedLayout
    values = np.frombuffer(box, dtype=dtype, count=count * columns, offset=at + 4)
    return values.reshape(count, columns)


def _entries(box: memoryview, dtype: str, columns: int, at: int = 4) -> Integers:
    """Return the same as numbers of this machine, in memory of their own."""
    return _columns(box, dtype, columns, at).astype(np.int64)


def _sizes(table: Boxes) -> Integers:
    """Return the bytes of each sample."""
    box = single_box(table, b"stsz")
    fixed, count = struct.unpack_from(">II", box, 4)
    if not 0 < count <= MAX_SAMPLES:
        raise UnsupportedLayout
    if fixed:
        return np.full(count, fixed, dtype=np.int64)
    return _entries(box, ">u4", 1, at=8)[:, 0]


def _per_sample(box: memoryview, dtype: str, count: int) -> Integers:
    """Return the value for each sample of a table of runs `(samples, value)`."""
    samples = _columns(box, ">u4", 2)[:, 0].astype(np.int64)
    if samples.sum() != count:
        raise UnsupportedLayout
    values = _columns(box, dtype, 2)[:, 1].astype(np.int64)
    return values if len(values) == count and samples.all() else np.repeat(values, samples)


def _sample_offsets(table: Boxes, size: Integers) -> Integers:
    """Return where in the file each sample starts."""
    if b"co64" in table:
        chunks = _entries(single_box(table, b"co64"), ">i8", 1)[:, 0]
    else:
        chunks = _entries(single_box(table, b"stco"), ">u4", 1)[:, 0]
    first, count, description = _entries(single_box(table, b"stsc"), ">u4", 3).T
    runs = np.diff(np.append(first - 1, len(chunks)))
    if len(first) == 0 or first[0] != 1 or (runs < 1).any() or (description != 1).any():
        raise UnsupportedLayout
    if (count > len(size)).any() or (count * runs).sum() != len(size):
        raise UnsupportedLayout
    in_chunk = np.repeat(count, runs)
    before = np.cumsum(size) - size
    starts = before[np.minimum(np.cumsum(in_chunk) - in_chunk, len(size) - 1)]
    offsets: Integers = np.repeat(chunks - starts, in_chunk) + before
    return offsets


def _keys(table: Boxes, count: int) -> NDArray[np.bool_]:
    """Return which samples decoding can start at."""
    groups = [bytes(box[4:8]) for box in table.get(b"sgpd", [])]
    (descriptions,) = struct.unpack_from(">I", single_box(table, b"stsd"), 4)
    if descriptions != 1 or b"stps" in table or b"rap " in groups or b"sync" in groups:
        raise UnsupportedLayout
    if b"stss" not in table:
        return np.ones(count, dtype=np.bool_)
    numbers = _entries(single_box(table, b"stss"), ">u4", 1)[:, 0] - 1
    if len(numbers) == 0 or numbers.min() < 0 or numbers.max() >= count:
        raise UnsupportedLayout
    key = np.zeros(count, dtype=np.bool_)
    key[numbers] = True
    return key


def _apply_edit_list(
    shown_at: Integers, boxes: list[memoryview], movie_ticks: int, ticks: int
) -> tuple[Integers, NDArray[np.bool_]]:
    """Return PTS and which samples are shown after the edits: a wait, then one stretch."""
    if not boxes:
        return shown_at, np.ones(len(shown_at), dtype=np.bool_)
    (box,) = boxes
    (count,) = struct.unpack_from(">I", box, 4)
    form, width = (">QqhH", 20) if box[0] else (">IihH", 12)
    if not 0 < count <= 2:
        raise UnsupportedLayout
    edits = [struct.unpack_from(form, box, 8 + width * number) for number in range(count)]
    length, start, rate, _ = edits[-1]
    if count == 2 and edits[0][1] != -1 or start < 0 or rate != 1:
        raise UnsupportedLayout
    wait = _rescaled(edits[0][0], ticks, movie_ticks) if count == 2 else 0
    end = start + _rescaled(length, ticks, movie_ticks)
    shown = (shown_at >= start) & (shown_at < end)
    if not shown.any() or max(end, wait) >= 2**62:
        raise UnsupportedLayout
    return shown_at - shown_at[shown].min() + wait, shown


def _rescaled(value: int, ticks: int, per: int) -> int:
    """Return `value * ticks / per`, rounded to the nearest, a half up."""
    return int((2 * value * ticks + per) // (2 * per))
