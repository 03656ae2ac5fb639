"""The records of a trace's files: which files are traces, of which format, and record by record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from algos.viewer.foreign.carried_files import CarriedPictures
from algos.viewer.foreign.chat_messages import is_message
from algos.viewer.foreign.json_records import RecordFile, TraceError
from algos.viewer.foreign.trace_formats import FORMATS, TraceFormat, format_of, records_in
from algos.viewer.foreign.traced import Source, Traced

SUFFIXES = (".json", ".jsonl", ".ndjson", ".gz")
MOST_FILES = 20_000
_DEEPEST = 5  # folders below the one that was named
_TRIED = 50  # records that are tried for the format of a file
_FAULTS = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError,
           RecursionError)  # fmt: skip


class TraceFile:
    """A file of traces.

    Attributes:
        path: of the file.
        format: of its first record that is of one.

    Raises:
        TraceError: if it cannot be read, or no record is of a format that is known.
    """

    def __init__(self, path: Path) -> None:
        """Find the records, and the format of the first."""
        self.path = path
        self._file = RecordFile(path)
        self._held = self._whole()
        self.format = self._format()

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self._file) if self._held is None else len(self._held)

    @property
    def torn(self) -> bool:
        """Return whether the file ends within a record."""
        return self._file.torn

    def read(self, number: int, *, pictures: bool) -> tuple[Traced, CarriedPictures]:
        """Return a record as a question with its episode, and the pictures that were asked for.

        Raises:
            ValueError: if it is not JSON, of no format that is known, or damaged.
        """
        name, record = self._record(number)
        found = format_of(record)
        if found is None:
            raise ValueError(f"of no format that is known: {shape_of(record)}")
        carried = CarriedPictures(self.path.parent if pictures else None)
        try:
            return found.read(record, Source(self.path, name, carried)), carried
        except _FAULTS as error:
            told = str(error) if isinstance(error, ValueError) else repr(error)
            raise ValueError(f"damaged ({told:.200})") from error

    def _record(self, number: int) -> tuple[str | None, Any]:
        if self._held is not None:
            return self._held[number]
        return None, self._file.record(number)

    def _whole(self) -> Sequence[tuple[str | None, Any]] | None:
        """Return the records of a file that is one document; `None` where they are read apart."""
        if self._file.layout == "list" and len(self._file):
            try:
                if not is_message(self._file.record(0)):
                    return None
            except ValueError:
                return None
        elif self._file.layout != "document":
            return None
        try:
            return records_in(self._file.whole())
        except ValueError as error:
            raise TraceError(f"{self.path} is not JSON: {error}") from error

    def _format(self) -> TraceFormat:
        seen: Any = None
        for number in range(min(len(self), _TRIED)):
            try:
                _, record = self._record(number)
            except ValueError:
                continue
            found = format_of(record)
            if found is not None:
                return found
            seen = record if seen is None else seen
        known = ", ".join(one.title for one in FORMATS)
        raise TraceError(
            f"{self.path} is of no format that is known: expected one of {known}; found "
            f"{shape_of(seen)}"
        )


def trace_files(path: Path) -> Iterator[Path]:
    """Yield a file itself, or the files below a folder that may be traces, in order.

    Raises:
        TraceError: if there is nothing.
    """
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise TraceError(f"{path} is not there: expected a file of traces, or a folder of them")
    below = (file for file in sorted(path.rglob("*")) if file.suffix.lower() in SUFFIXES)
    near = (file for file in below if len(file.relative_to(path).parts) <= _DEEPEST)
    yield from islice((file for file in near if file.is_file()), MOST_FILES)


def shape_of(value: Any) -> str:
    """Return what a value is, with its first keys, for messages."""
    if value is None:
        return "no record that is JSON"
    if isinstance(value, Mapping):
        keys = ", ".join(repr(key)[:40] for key in islice(value, 8))
        return f"an object with the keys {keys}" if keys else "an empty object"
    if isinstance(value, list):
        first = f" that begins with {shape_of(value[0])}" if value else ""
        return f"a list{first:.300}"
    return f"{value!r:.60}"
