"""Video that goes on under another number: MPEG streams joined byte by byte, one of them played.

Transport and program streams give each of their streams a number. Where two recordings were joined
that number the picture differently, FFmpeg has two streams, one behind the other; the player shows
one, and never learns of streams that appear after it has opened the file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sage_env.video.deadline import NO_LIMIT, Deadline

_VIDEO = re.compile(rb"\x00\x00\x01[\xe0-\xef]")
"""How a PES packet of video begins (ISO/IEC 13818-1, 2.4.3.7); no picture holds such a code."""
_TS_PACKET = 188
_CHUNK = 2**22
"""Bytes read in one go. Not measured."""


def video_elsewhere(
    path: Path, form: str, played: int, deadline: Deadline = NO_LIMIT
) -> int | None:
    """Return the number of a video stream that does not run beside the one that is played.

    Streams that do run beside it are other programmes, or other views.

    Args:
        path: the file.
        form: FFmpeg's name of its container: "mpegts" or "mpeg"; others give `None`.
        played: the number of the stream that is played, FFmpeg's `AVStream.id`.
        deadline: when to give up.

    Returns:
        The number, `None` if there is no such stream. One with a single packet is taken for damage.

    Raises:
        DecodeTimeout: if the file is not read by the deadline.
        OSError: if the file cannot be read.
    """
    if form not in ("mpegts", "mpeg"):
        return None
    packets: Counter[int] = Counter()
    first: dict[int, int] = {}  # packets of any stream before the first of each
    beside: set[int] = set()
    last_played = -1
    for count, number in enumerate(_numbers(path, deadline, transport=form == "mpegts")):
        packets[number] += 1
        first.setdefault(number, count)
        if number == played:
            last_played = count
        elif last_played > first[number]:
            beside.add(number)
    apart = [n for n in packets if n != played and n not in beside and packets[n] > 1]
    return apart[0] if apart and played in packets else None


def _numbers(path: Path, deadline: Deadline, *, transport: bool) -> Iterator[int]:
    """Yield the stream number of each PES packet of video, in the order of the file."""
    with open(path, "rb") as file:
        before = b""
        while chunk := file.read(_CHUNK):
            deadline.check(f"{path}: looking for its streams")
            data = before + chunk
            # A code at the very end belongs to the next round, with what is in front of it.
            for found in _VIDEO.finditer(data, min(len(before), _TS_PACKET)):
                number = _pid(data, found.start()) if transport else 0x100 | data[found.end() - 1]
                if number is not None:
                    yield number
            before = data[-_TS_PACKET - 3 :]


def _pid(data: bytes, payload: int) -> int | None:
    """Return the PID of the transport packet whose payload begins at a byte; `None` if none does.

    A packet has 4 bytes of header, then, if a bit says so, a field with its length in one byte in
    front (ISO/IEC 13818-1, 2.4.3.2).
    """
    at = data.rfind(b"\x47", max(0, payload - _TS_PACKET), payload - 3)
    while at >= 0:
        starts, control = data[at + 1] & 0x40, data[at + 3] & 0x30
        length = 4 if control == 0x10 else 5 + data[at + 4] if control == 0x30 else 0
        if starts and at + length == payload:
            return (data[at + 1] & 0x1F) << 8 | data[at + 2]
        at = data.rfind(b"\x47", max(0, payload - _TS_PACKET), at)
    return None
