"""What a file seems to hold, in a few words, for the message that it is no video."""

from __future__ import annotations

import os
import stat
from pathlib import Path

# First bytes of files that are taken for videos by mistake, or made to be. Texts are compared
# without the blanks before them, in lower case.
_SIGNATURES = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"BM": "a BMP picture",
    b"II*\x00": "a TIFF picture",
    b"MM\x00*": "a TIFF picture",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x7fELF": "a program",
    b"ID3": "sound",
    b"OggS": "an Ogg stream",
    b"fLaC": "sound",
}
_TEXTS = {
    b"#extm3u": "a playlist",
    b"ffconcat": "a script that joins files",
    b"[playlist]": "a playlist",
    b"v=0": "a description of a live session",
    b"<?xml": "XML",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"version https://git-lfs": "a Git LFS pointer, whose file has yet to be fetched",
    b"{": "text (JSON?)",
}
_SPECIAL = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
STILL = "a HEIF or AVIF picture"
# Major brands of single pictures in MP4's own format (ISO/IEC 23008-12, 10.2; AV1-AVIF, 6.3); those
# of moving ones (`avis`, `msf1`, `hevc`) are played.
_STILL_BRANDS = {b"mif1", b"heic", b"heix", b"heim", b"heis", b"avif"}
_HEAD = 512  # bytes that are looked at


def content_kind(path: str | Path) -> str:
    """Return what the first bytes of a file look like, such as "a playlist".

    Raises:
        OSError: if the file cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    for start, kind in _SIGNATURES.items():
        if head.startswith(start):
            return kind
    if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
        return STILL
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"WAVE"):
        return "a WebP picture" if head[8:12] == b"WEBP" else "sound"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for start, kind in _TEXTS.items():
        if text.startswith(start):
            return kind
    return "text" if _is_text(head) else "data of no such format"


def special_kind(status: os.stat_result) -> str:
    """Return what stands in the place of a file, such as "a folder"; "" if it is a file."""
    return next((kind for test, kind in _SPECIAL.items() if test(status.st_mode)), "")


def _is_text(head: bytes) -> bool:
    """Return whether all of it is printed, apart from a last character that was cut."""
    try:
        shown = head.decode()
    except UnicodeDecodeError as error:
        if len(head) < _HEAD or error.start < len(head) - 3:
            return False
        shown = head[: error.start].decode()
    return all(letter.isprintable() or letter in "\t\r\n\f\x1b" for letter in shown)
