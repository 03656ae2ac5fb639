"""The sample tables of an MP4 or MOV file, from its `moov` box straight into arrays.

The boxes and the sections of ISO/IEC 14496-12 that define them:

| box | section | what it holds |
|---|---|---|
| `mvhd`, `mdhd` | 8.2.2, 8.4.2 | ticks per second of the movie and of the track |
| `tkhd` | 8.3.2 | id of the track, matrix that turns the picture, its size on the screen |
| `stts` | 8.6.1.2 | runs of durations: decode times |
| `ctts` | 8.6.1.3 | runs of offsets from decode to presentation time |
| `stss` | 8.6.2 | numbers of the sync samples (keyframes) |
| `elst` | 8.6.6 | the edit list: a wait, and which stretch of the track is shown |
| `stsz` | 8.7.3.2 | bytes of each sample |
| `stsc` | 8.7.4 | runs of samples per chunk |
| `stco`, `co64` | 8.7.5 | byte of the file where each chunk starts |

Only files of the common kind are read here: one `moov`, no fragments, one sample description, at
most one edit after at most one empty one. Other files give `None`, and are then scanned packet by
packet. Sizes and counts in the file are claims: none is believed beyond the bytes that are there.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sage_env.video.index.edit_list import apply_edit_list
from sage_env.video.index.mp4_boxes import Boxes, UnsupportedLayout, children, read_moov, single_box

MAX_SAMPLES = 2**24
"""Most frames of a file: six days at 30 a second. A limit on memory: 0.6 GB of arrays."""
# Beyond these FFmpeg's demuxer repairs, or gives up: `mov_build_index`, `mov_read_stts` and
# `mov_read_ctts` of its `mov.c`.
_LARGEST_SAMPLE, _LARGEST_DELTA, _LARGEST_OFFSET = 0x3FFFFFFF, 2**31 - 1, 2**28
# The matrix that leaves a picture as it is: 16.16 fixed point, the last column 2.30 (6.2.2).
_UPRIGHT = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_MATRIX_AT = {b"tkhd": (40, 52), b"mvhd": (36, 48)}  # byte of the box in version 0, in version 1
_MATRIX = 36  # bytes

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SampleTable:
    """The samples of one track in the order of decoding. Times are in ticks of the track.

    Attributes:
        pts: int64 `(M,)`, presentation time as FFmpeg counts it: edit list applied.
        duration: int64 `(M,)`, ticks.
        offset: int64 `(M,)`, the byte of the file where the sample starts.
        size: int64 `(M,)`, bytes.
        key: bool `(M,)`, whether decoding can start at the sample.
        shown: bool `(M,)`, false for samples that the edit list hides.
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
        """Return the samples by PTS, int64 `(M,)`; equal times stay in decode order."""
        return np.argsort(self.pts, kind="stable")

    @cached_property
    def open_gops(self) -> bool:
        """Return whether some samples follow a keyframe in the file and are shown before it.

        Such leading pictures (H.265, clause 3) may reference frames before the keyframe: the GOP is
        open, and its keyframe is no clean cut.
        """
        key_before = np.maximum.accumulate(np.where(self.key, np.arange(len(self.key)), 0))
        return bool((self.pts < self.pts[key_before]).any())


def read_sample_table(path: Path, track: int) -> SampleTable | None:
    """Return the samples of the track with this id, `None` if the file is not of the common kind.

    Args:
        path: the MP4 or MOV file.
        track: its `track_ID`, which FFmpeg gives as the stream's id.

    Raises:
        OSError: if the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            moov = children(read_moov(file))
            length = os.fstat(file.fileno()).st_size
        return table_of(moov, _find(moov, track), length)
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


def table_of(moov: Boxes, trak: Boxes, length: int) -> SampleTable:
    """Return the samples of a track.

    Args:
        moov: the boxes of the movie.
        trak: the boxes of the track.
        length: bytes of the file: it cannot hold more samples.

    Raises:
        UnsupportedLayout: if the file is not of the common kind; so do `KeyError` and
            `struct.error`.
    """
    # `mvex` (8.8.1) announces fragments; QuickTime's `cmov` is a compressed `moov`.
    if b"mvex" in moov or b"cmov" in moov:
        raise UnsupportedLayout
    header = single_box(trak, b"tkhd")
    movie = single_box(moov, b"mvhd")
    mdia = children(single_box(trak, b"mdia"))
    table = children(single_box(children(single_box(mdia, b"minf")), b"stbl"))
    size = _sizes(table, length)
    delta = _per_sample(single_box(table, b"stts"), ">u4", len(size), _LARGEST_DELTA)
    shown_at = np.cumsum(delta)
    shown_at -= delta
    if b"ctts" in table:
        # Version 0 holds unsigned offsets, yet writers put negative ones there; FFmpeg reads both
        # versions as signed, and so must whoever wants its times.
        shown_at += _per_sample(single_box(table, b"ctts"), ">i4", len(size), _LARGEST_OFFSET)
    pts, shown = apply_edit_list(
        shown_at, edits_of(trak), timescale(movie), timescale(single_box(mdia, b"mdhd"))
    )
    offset = _sample_offsets(table, size)
    upright = _is_upright(b"tkhd", header) and _is_upright(b"mvhd", movie)
    return SampleTable(pts, delta, offset, size, _keys(table, len(size)), shown, upright)


def edits_of(trak: Boxes) -> list[memoryview]:
    """Return the `elst` boxes of a track, usually none or one (8.6.5, 8.6.6)."""
    return children(single_box(trak, b"edts")).get(b"elst", []) if b"edts" in trak else []


def timescale(header: memoryview) -> int:
    """Return the ticks per second that an `mvhd` or `mdhd` box names."""
    ticks: int = struct.unpack_from(">I", header, 20 if header[0] else 12)[0]
    if header[0] > 1 or not 0 < ticks < 2**31:
        raise UnsupportedLayout
    return ticks


def _is_upright(kind: bytes, header: memoryview) -> bool:
    """Return whether the matrix of a header leaves the picture as it is."""
    if header[0] > 1:
        raise UnsupportedLayout
    at = _MATRIX_AT[kind][header[0]]
    return bytes(header[at : at + _MATRIX]) == _UPRIGHT


def shown_size(header: memoryview) -> tuple[int, int]:
    """Return `(H, W)` of a track on the screen, whole pixels, as its `tkhd` box names it."""
    at = _MATRIX_AT[b"tkhd"][header[0] > 0] + _MATRIX
    width, height = struct.unpack_from(">II", header, at)  # 16.16 fixed point
    return height >> 16, width >> 16


def _columns(box: memoryview, dtype: str, columns: int, at: int = 4) -> NDArray[np.integer]:
    """Return the entries of a table `(rows, columns)` as they lie in the file, without a copy.

    Args:
        box: the content of the box.
        dtype: NumPy's name of the type of each value.
        columns: values in a row.
        at: byte of the box where the count of rows stands; the rows follow it.

    Raises:
        UnsupportedLayout: if the box is too short for that many rows.
    """
    (count,) = struct.unpack_from(">I", box, at)
    width = np.dtype(dtype).itemsize * columns
    if count > (len(box) - at - 4) // width:
        raise UnsupportedLayout
    values = np.frombuffer(box, dtype=dtype, count=count * columns, offset=at + 4)
    return values.reshape(count, columns)


def _entries(box: memoryview, dtype: str, columns: int, at: int = 4) -> Integers:
    """Return the entries of `_columns` as int64 of this machine, in memory of their own."""
    return _columns(box, dtype, columns, at).astype(np.int64)


def _sizes(table: Boxes, length: int) -> Integers:
    """Return the bytes of each sample, int64 `(M,)` (`stsz`: one size for all, or a list).

    Args:
        table: the boxes of the sample table.
        length: bytes of the file.
    """
    box = single_box(table, b"stsz")
    fixed, count = struct.unpack_from(">II", box, 4)
    if not 0 < count <= min(MAX_SAMPLES, length) or fixed > _LARGEST_SAMPLE:
        raise UnsupportedLayout
    if fixed:
        return np.full(count, fixed, dtype=np.int64)
    sizes = _entries(box, ">u4", 1, at=8)[:, 0]
    if sizes.max() > _LARGEST_SAMPLE:
        raise UnsupportedLayout
    return sizes


def _per_sample(box: memoryview, dtype: str, count: int, largest: int) -> Integers:
    """Return the value of each sample, int64 `(count,)`, from runs `(samples, value)`.

    Runs `(2, 512), (1, 1024)` of three samples give `[512, 512, 1024]`.

    Args:
        box: the content of the box.
        dtype: NumPy's name of the type of each value.
        count: samples of the track.
        largest: the largest value, of either sign, that FFmpeg takes as it is.
    """
    samples = _columns(box, ">u4", 2)[:, 0].astype(np.int64)
    if samples.sum() != count:
        raise UnsupportedLayout
    values = _columns(box, dtype, 2)[:, 1].astype(np.int64)
    if len(values) and max(int(values.max()), -int(values.min())) > largest:
        raise UnsupportedLayout
    # As many runs as samples, none empty: each run is one sample, and nothing has to be repeated.
    return values if len(values) == count and samples.all() else np.repeat(values, samples)


def _sample_offsets(table: Boxes, size: Integers) -> Integers:
    """Return the byte of the file where each sample starts, int64 `(M,)`.

    The samples of a chunk lie one behind the other from the chunk's own byte on. Chunks at 100, 500
    and 900, of which the first two hold two samples and the third one, with sizes 10 to 50:

    | sample | size | bytes before | chunk | chunk's byte | bytes before the chunk | starts at |
    |---|---|---|---|---|---|---|
    | 0 | 10 | 0 | 0 | 100 | 0 | 100 |
    | 1 | 20 | 10 | 0 | 100 | 0 | 110 |
    | 2 | 30 | 30 | 1 | 500 | 30 | 500 |
    | 3 | 40 | 60 | 1 | 500 | 30 | 530 |
    | 4 | 50 | 100 | 2 | 900 | 100 | 900 |

    A sample starts at the chunk's byte plus its bytes before, less the bytes before the chunk.
    """
    kind, dtype = (b"co64", ">i8") if b"co64" in table else (b"stco", ">u4")
    chunk_offset = _entries(single_box(table, kind), dtype, 1)[:, 0]
    in_chunk = _samples_per_chunk(table, len(chunk_offset), len(size))
    before = np.cumsum(size) - size
    first_sample = np.minimum(np.cumsum(in_chunk) - in_chunk, len(size) - 1)
    offsets: Integers = np.repeat(chunk_offset - before[first_sample], in_chunk) + before
    return offsets


def _samples_per_chunk(table: Boxes, chunks: int, samples: int) -> Integers:
    """Return how many samples each chunk holds, int64 `(chunks,)` (`stsc`).

    A row `(first chunk, samples, description)` holds up to the chunk before the next row's: rows
    `(1, 2, 1), (3, 1, 1)` of three chunks give `[2, 2, 1]`. Chunks count from 1.

    Raises:
        UnsupportedLayout: if the rows do not name every chunk once, or not that many samples.
    """
    first, count, description = _entries(single_box(table, b"stsc"), ">u4", 3).T
    runs = np.diff(np.append(first - 1, chunks))
    if len(first) == 0 or first[0] != 1 or (runs < 1).any() or (description != 1).any():
        raise UnsupportedLayout
    # The first test keeps the product of the second from overflowing.
    if (count > samples).any() or (count * runs).sum() != samples:
        raise UnsupportedLayout
    return np.repeat(count, runs)


def _keys(table: Boxes, count: int) -> NDArray[np.bool_]:
    """Return whether decoding can start at each sample, bool `(count,)` (`stss`; without it, all).

    Raises:
        UnsupportedLayout: if more than `stss` says so: QuickTime's partial sync samples (`stps`),
            or groups of random access points (`rap `, 14496-12, 10.4; `sync`, 14496-15, clause 8).
    """
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
