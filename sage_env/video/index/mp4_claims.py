"""Claims of an MP4 or MOV file that FFmpeg would take memory for, compared with what is there.

FFmpeg's demuxer makes an entry of an index for every sample that a file announces, and one more
for every time that an edit list shows it. A count costs four bytes of the file and can ask for
gigabytes. So the counts are read first, and a file that claims more than it can hold is refused.

A second `moov` box is refused as well: it begins another movie, joined byte by byte, which no
player would show.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from sage_env.errors import VideoError
from sage_env.video.index.mp4_boxes import MAX_MOOV, boxes_inside, top_boxes
from sage_env.video.index.stream import REMEDY

_ROWS = {
    b"stts": 8,
    b"ctts": 8,
    b"stsc": 12,
    b"stco": 4,
    b"co64": 8,
    b"stss": 4,
    b"stps": 4,
}
"""Bytes of a row of the tables of ISO/IEC 14496-12, clause 8."""
_FIXED = 4
"""Bytes of version and flags, in front of every table."""
_MOST_BOXES = 2**20
"""Most boxes at the top of a file: 2 a fragment. Bounds the time of the walk, 2 s for so many."""
_SMALL_EDIT = 2**20
"""Entries of an index that an edit list may ask for whatever the size of the file: 24 MB."""

Box = tuple[bytes, memoryview]
"""Kind and content."""


def check_claims(path: Path) -> None:
    """Compare the counts in an MP4 or MOV file with its bytes; other files are left alone.

    Raises:
        VideoError: if the file claims more than it can hold, or holds a second movie.
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        length = os.fstat(file.fileno()).st_size
        first: memoryview | None = None
        in_fragments = 0
        for number, (kind, start, size) in enumerate(top_boxes(file)):
            if number == _MOST_BOXES:
                raise VideoError(f"{path}: more than {_MOST_BOXES} boxes; {REMEDY}")
            if kind == b"moov":
                if min(size, length - start) > MAX_MOOV:
                    raise VideoError(f"{path}: tables of {size} bytes; {REMEDY}")
                content = _content(file, start, size, length)
                _check_movie(content, length, path)
                if first is not None and (content != first or not _in_fragments(first)):
                    raise VideoError(
                        f"{path}: a second movie begins at byte {start}, as in files joined byte "
                        "by byte: no player shows it; join the parts anew (ffmpeg -f concat)"
                    )
                first = content
            elif kind == b"moof":
                in_fragments += _samples_of_fragment(_content(file, start, size, length))
                _check(in_fragments, length, "samples in fragments", path)


def _content(file: BinaryIO, start: int, size: int, length: int) -> memoryview:
    """Return the content of a box, as much of it as a file of that length holds."""
    file.seek(start)
    return memoryview(file.read(max(0, min(size, length - start))))


def _in_fragments(moov: memoryview) -> bool:
    """Return whether a movie announces fragments: repeating its header is then no second movie."""
    return any(kind == b"mvex" for _, kind, _ in boxes_inside(moov))


def _check_movie(moov: memoryview, length: int, path: Path) -> None:
    """Check the tables of a `moov` box.

    Args:
        moov: its content.
        length: bytes of the file.
        path: the file, for messages.

    Raises:
        VideoError: if it claims more than the file can hold.
    """
    tracks: list[list[Box]] = [[]]
    for _, kind, box in boxes_inside(moov):
        if kind == b"trak":
            tracks.append([])
        tracks[-1].append((kind, box))
    for boxes in tracks:
        _check_track(boxes, length, path)


def _check_track(boxes: list[Box], length: int, path: Path) -> None:
    """Check the tables that belong to one track: all boxes up to the next one; see `_check_movie`.

    Sound of which each sample takes one tick, as PCM does, has an entry per chunk: however many
    samples there are, they cost nothing.
    """
    samples = edits = 0
    in_chunks = any(kind == b"hdlr" and bytes(box[8:12]) == b"soun" for kind, box in boxes) and any(
        kind == b"stts" and bytes(box[4:8]) + bytes(box[12:16]) == b"\0\0\0\1" * 2
        for kind, box in boxes
    )
    for kind, box in boxes:
        if kind in (b"stsz", b"stz2"):
            samples = _samples_of_track(kind, box, path)
        elif kind == b"elst":
            edits = _rows(kind, box, 20 if bytes(box[:1]) > b"\0" else 12, path)
        elif kind in _ROWS:
            _rows(kind, box, _ROWS[kind], path)
    if not in_chunks:
        _check(samples, length, "samples", path)
        if samples * edits > _SMALL_EDIT:
            _check(samples * edits, length, "samples in its edits", path)


def _samples_of_track(kind: bytes, box: memoryview, path: Path) -> int:
    """Return the samples that a table of sizes announces (`stsz`, `stz2`: 8.7.3)."""
    if len(box) < 12:
        return 0
    size, count = struct.unpack_from(">II", box, _FIXED)
    bits = (32 if size == 0 else 0) if kind == b"stsz" else size & 0xFF
    if bits:
        _check(count, (len(box) - 12) * 8 // bits, f"rows of its {kind.decode()} box", path)
    return int(count)


def _rows(kind: bytes, box: memoryview, width: int, path: Path) -> int:
    """Return the count of a table's rows, after comparing it with the bytes of the box.

    Args:
        kind: of the box.
        box: its content.
        width: bytes of a row.
        path: the file, for messages.
    """
    if len(box) < _FIXED + 4:
        return 0
    (count,) = struct.unpack_from(">I", box, _FIXED)
    room = (len(box) - _FIXED - 4) // width
    _check(count, room, f"rows of its {kind.decode()} box", path)
    return int(count)


def _samples_of_fragment(moof: memoryview) -> int:
    """Return the samples that the runs of a `moof` box announce (`trun`, 8.8.8)."""
    return sum(
        struct.unpack_from(">I", box, _FIXED)[0]
        for _, kind, box in boxes_inside(moof)
        if kind == b"trun" and len(box) >= 8
    )


def _check(claimed: int, held: int, what: str, path: Path) -> None:
    """Refuse a count above what there is room for."""
    if claimed > held:
        raise VideoError(f"{path}: it claims {claimed} {what}, and holds at most {held}; {REMEDY}")
