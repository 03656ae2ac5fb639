"""A second header inside a file: recordings joined byte by byte, of which players show some.

Transport and program streams are made to be joined; see `continuous_times`. Containers that say in
a header what they hold are not: behind a second header FFmpeg finds all of it, some, or nothing,
and decodes it by the settings of the first. MP4 has a check of its own (`mp4_claims`).
"""

from __future__ import annotations

import re
from pathlib import Path

from sage_env.video.deadline import NO_LIMIT, Deadline

_HEADERS = {
    # EBML header with its DocType (RFC 8794, 11.2; RFC 9559, 4): 0x4282, size, name.
    "matroska,webm": (
        b"\x1a\x45\xdf\xa3",
        re.compile(rb"\x1a\x45\xdf\xa3.{1,100}?\x42\x82(\x88matroska|\x84webm)", re.DOTALL),
    ),
    # Signature, version, flags for sound and picture, bytes of the header (FLV 10.1, E.2).
    "flv": (b"FLV\x01", re.compile(rb"FLV\x01[\x00\x01\x04\x05]\x00\x00\x00\x09")),
    # The id of the header object (ASF 1.20.03, 10.1).
    "asf": (
        b"\x30\x26\xb2\x75",
        re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),
    ),
    # GIF's trailer with a signature behind it (GIF89a, 17 and 27).
    "gif": (b";GIF8", re.compile(rb";GIF8[79]a")),
    # The key of a header partition (SMPTE ST 377-1, 7.1), NUT's first line, a RealMedia header,
    # IVF's signature with the size of its header.
    "mxf": (
        b"\x06\x0e\x2b\x34\x02\x05",
        re.compile(rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02"),
    ),
    "nut": (b"nut/", re.compile(rb"nut/multimedia container\x00")),
    "rm": (b".RMF", re.compile(rb"\.RMF\x00\x00\x00\x12")),
    "ivf": (b"DKIF", re.compile(rb"DKIF\x00\x00\x20\x00")),
    # A RIFF chunk of kind AVI, then its list of headers; OpenDML's further chunks are of kind AVIX.
    "avi": (b"RIFF", re.compile(rb"RIFF....AVI LIST....hdrl", re.DOTALL)),
}
"""By FFmpeg's name of the container: how a header begins, and all of it that never changes."""
_LONGEST = 128
"""Bytes of the longest header that is looked for."""
_CHUNK = 2**22
"""Bytes read in one go. Not measured; the search itself takes a second for a gigabyte or so."""


def second_header(path: Path, form: str, deadline: Deadline = NO_LIMIT) -> int | None:
    """Return the byte where a second header begins; `None` if there is none or none is looked for.

    Args:
        path: the file.
        form: FFmpeg's name of its container.
        deadline: when to give up.

    Raises:
        DecodeTimeout: if the file is not read by the deadline.
        OSError: if the file cannot be read.
    """
    if form not in _HEADERS:
        return None
    start, whole = _HEADERS[form]
    with open(path, "rb") as file:
        before, at = b"", 0  # the end of the last chunk, and its first byte
        while chunk := file.read(_CHUNK):
            deadline.check(f"{path}: looking for a second header")
            data = before + chunk
            place = data.find(start, 0 if at else 1)
            while place >= 0:
                if whole.match(data, place):
                    return at + place
                place = data.find(start, place + 1)
            before = data[-_LONGEST:]
            at += len(data) - len(before)
    return None
