"""Where the records of a JSON file are: lines, elements of a list, or the file as one document.

Nothing of the file is held but a place for each record, so that a gigabyte opens. Compressed files
and files in UTF-16 are unpacked into a temporary file that has no name.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import os
import re
import tempfile
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

from sage_env.errors import SageEnvError

LONGEST = 256 * 2**20
"""Bytes of the largest record that is read."""
UNPACKED = 8 * 2**30
"""Bytes to which a compressed file may grow."""
Layout = Literal["lines", "list", "document"]
_CHUNK = 2**18
_TRIED = 20  # lines that are tried where the first is none
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{}]', re.DOTALL)
_WIDE = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
         (codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF32_BE, "utf-32"))  # fmt: skip


class TraceError(SageEnvError):
    """A file is no trace that can be shown; the message says what was expected and found."""


class RecordFile:
    """The records of a file, read one at a time when asked for.

    Attributes:
        path: of the file.
        layout: `lines` of JSON, elements of a `list`, or one `document`.
        torn: whether the file ends within a record, which is then left out.

    Raises:
        TraceError: if the file cannot be read, or nothing in it is JSON.
    """

    def __init__(self, path: Path) -> None:
        """Find the places of the records; the file stays open."""
        self.path = path
        self.torn = False
        try:
            self._file = _plain_file(path)
            self._size = os.fstat(self._file.fileno()).st_size
            self._first = _first_byte(self._file)
            self.layout: Layout = self._layout()
            self._places = array("Q")
            for start, end in self._found():
                self._places.extend((start, end))
        except (OSError, EOFError, zlib.error, UnicodeError) as error:
            told = getattr(error, "strerror", None) or error
            raise TraceError(f"{path} cannot be read ({told}): give a file of JSON") from error

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self._places) // 2

    def record(self, number: int) -> Any:
        """Return what a record holds; it is number 0 to `len(self) - 1`.

        Raises:
            ValueError: if it is not JSON, or larger than `LONGEST`.
        """
        return parsed(self._bytes(self._places[2 * number], self._places[2 * number + 1]))

    def whole(self) -> Any:
        """Return what the file holds as one document.

        Raises:
            ValueError: if it is not JSON, or larger than `LONGEST`.
        """
        return parsed(self._bytes(self._first, self._size))

    def _bytes(self, start: int, end: int) -> bytes:
        if end - start > LONGEST:
            raise ValueError(f"{(end - start) >> 20} MiB in one record, of at most {LONGEST >> 20}")
        parts, place = [], start
        while place < end:  # no `seek`: threads may read at once
            part = os.pread(self._file.fileno(), min(end - place, _CHUNK), place)
            if not part:
                break
            parts.append(part)
            place += len(part)
        return b"".join(parts)

    def _layout(self) -> Layout:
        """Return how the records stand in the file, by its first lines."""
        lines = _lines(self._file, self._first)
        start, end = next(lines, (0, 0))
        first = self._bytes(start, end).strip()
        more = next(lines, None)
        bracket = first[:1]
        if bracket not in (b"[", b"{"):
            return self._lines_or_nothing(lines, more)
        if _is_json(first):
            alone = more is None
            return ("list" if bracket == b"[" else "document") if alone else "lines"
        if more is None or first[-1:] in (b",", b"[", b"{", b":"):
            return "list" if bracket == b"[" else "document"
        return self._lines_or_nothing(lines, more, "list" if bracket == b"[" else "document")

    def _lines_or_nothing(
        self,
        lines: Iterator[tuple[int, int]],
        more: tuple[int, int] | None,
        otherwise: Layout | None = None,
    ) -> Layout:
        """Return `lines` where one of the next is JSON."""
        for _ in range(_TRIED):
            if more is None:
                break
            line = self._bytes(*more).strip()
            if line[:1] in (b"{", b"[") and _is_json(line):
                return "lines"
            more = next(lines, None)
        if otherwise is not None:
            return otherwise
        raise TraceError(f"{self.path} is no JSON: expected lines, a list or a document of JSON")

    def _found(self) -> Iterator[tuple[int, int]]:
        if self.layout == "lines":
            yield from self._line_places()
        elif self.layout == "list":
            yield from self._element_places()
        else:
            yield self._first, self._size

    def _line_places(self) -> Iterator[tuple[int, int]]:
        for start, end in _lines(self._file, self._first):
            if end == self._size and not self._ends_line() and not _is_json(self._tail(start)):
                self.torn = True
                return
            yield start, end

    def _tail(self, start: int) -> bytes:
        return self._bytes(start, self._size)

    def _ends_line(self) -> bool:
        return os.pread(self._file.fileno(), 1, self._size - 1) == b"\n"

    def _element_places(self) -> Iterator[tuple[int, int]]:
        """Yield where the objects and lists in the outermost list are."""
        depth, start = 0, 0
        for place, token in _brackets(self._file, self._first):
            if token in b"[{":
                depth += 1
                start = place if depth == 2 else start
            else:
                depth -= 1
                if depth == 1:
                    yield start, place + 1
                if depth <= 0:
                    return
        self.torn = True


def parsed(data: bytes) -> Any:
    """Return what JSON holds; bytes that are no UTF-8 are shown as U+FFFD.

    Raises:
        ValueError: if it is not JSON.
    """
    text = data.decode("utf-8-sig", "replace")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError:  # an integer of thousands of digits, which Python does not convert
        return json.loads(text, parse_int=str)


def _is_json(data: bytes) -> bool:
    try:
        parsed(data)
    except ValueError:
        return False
    return True


def _plain_file(path: Path) -> BinaryIO:
    """Return the file, open, or what it unpacks to: bytes of an encoding that extends ASCII."""
    file: BinaryIO = path.open("rb")
    head = file.read(4)
    if head[:2] == b"\x1f\x8b":
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as packed:
            file = _copied(iter(lambda: packed.read(_CHUNK), b""), path)
        head = os.pread(file.fileno(), 4, 0)
    encoding = next((name for mark, name in _WIDE if head.startswith(mark)), None)
    if encoding is None and len(head) == 4 and 0 in head[:2]:
        encoding = "utf-16-le" if head[1] == 0 else "utf-16-be"
    if encoding is not None:
        file.seek(0)
        reader = io.TextIOWrapper(file, encoding, errors="replace", newline="")
        file = _copied((text.encode() for text in iter(lambda: reader.read(_CHUNK), "")), path)
    return file


def _copied(parts: Iterator[bytes], path: Path) -> BinaryIO:
    copy: BinaryIO = tempfile.TemporaryFile()
    for part in parts:
        copy.write(part)
        if copy.tell() > UNPACKED:
            raise TraceError(f"{path} unpacks to more than {UNPACKED >> 30} GiB: unpack it first")
    copy.flush()
    return copy


def _first_byte(file: BinaryIO) -> int:
    """Return the place of the first byte that is neither blank nor a mark of the encoding."""
    file.seek(0)
    head = file.read(_CHUNK)
    marked = 3 if head.startswith(codecs.BOM_UTF8) else 0
    return marked + len(head[marked:]) - len(head[marked:].lstrip())


def _lines(file: BinaryIO, start: int) -> Iterator[tuple[int, int]]:
    """Yield where lines that are not blank begin and end; no line is held that is too long."""
    place = first = start
    blank = True
    while chunk := os.pread(file.fileno(), _CHUNK, place):
        at = 0
        while (newline := chunk.find(b"\n", at)) >= 0:
            if not blank or chunk[at:newline].strip():
                yield first, place + newline + 1
            at = newline + 1
            first, blank = place + at, True
        blank = blank and not chunk[at:].strip()
        place += len(chunk)
    if not blank:
        yield first, place


def _brackets(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield the brackets outside of texts, and where they are."""
    buffer, place, size = b"", start, _CHUNK
    while chunk := os.pread(file.fileno(), size, place + len(buffer)):
        buffer += chunk
        done = len(buffer)
        for match in _TOKENS.finditer(buffer):
            token = match.group() if match.end() - match.start() == 1 else b""
            if token == b'"':  # a text that goes on behind the buffer
                done = match.start()
                break
            if token:
                yield place + match.start(), token
        size = 2 * size if done == 0 else _CHUNK
        if len(buffer) - done > LONGEST:
            return
        buffer, place = buffer[done:], place + done
