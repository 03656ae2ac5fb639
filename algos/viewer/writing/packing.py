"""Blocks of a page: JSON, compressed and then written with letters, without holding all of it."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import IO

_GZIP = 31  # a window of 32 KiB, with gzip's header, whose clock zlib leaves at 0
_LEVEL = 6  # 9 takes twice as long for 2 % less
_CHUNK = 3 * 2**16  # a multiple of 3: base64 of the pieces is that of the whole


def packed(text: str) -> bytes:
    """Return ASCII text, compressed; equal texts give equal bytes."""
    return zlib.compress(text.encode("ascii"), _LEVEL, _GZIP)


class PackedBlock:
    """One compressed block that is written piece by piece into a file of its own.

    Args:
        file: empty, for reading and writing; the caller closes it.

    Attributes:
        size: bytes written so far, compressed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Begin."""
        self.size = 0
        self._file = file
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)

    def add(self, texts: Iterable[str]) -> None:
        """Add pieces of ASCII text."""
        for text in texts:
            self._write(self._packer.compress(text.encode("ascii")))

    def end(self) -> None:
        """Write what is left."""
        self._write(self._packer.flush())

    def letters(self) -> Iterator[str]:
        """Yield the block in base64."""
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            yield b64encode(chunk).decode("ascii")

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self.size += len(data)


def letters(data: bytes) -> str:
    """Return bytes in base64."""
    return b64encode(data).decode("ascii")


def letters_size(size: int) -> int:
    """Return how many letters base64 needs for so many bytes."""
    return 4 * -(-size // 3)
