"""The table of all questions, column by column: small in memory, and smaller still in the file.

Numbers are eight bytes each while the rows stream by; everything else is kept once, and its number
in each row.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from algos.viewer.view_data import RunView
from algos.viewer.writing.plain_values import json_line, plain, rounded

_MISSING = -1
_PIECE = 10_000  # values whose text is in memory at a time


class _Values:
    """One column: numbers as they are, or codes of other values, whichever came first."""

    def __init__(self) -> None:
        self.numbers = array("d")
        self.codes: array[int] | None = None
        self.names: dict[str | tuple[str], int] = {}  # texts, JSON of other values; their codes

    def add(self, value: Any) -> None:
        """Add the value of one more row."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if self.codes is None and (value is None or number):
            self.numbers.append(math.nan if value is None else _float(value))
            return
        if self.codes is None:
            self._become_codes()
        assert self.codes is not None
        self.codes.append(self._code(plain(value)))

    def _become_codes(self) -> None:
        self.codes = array("i")
        for number in self.numbers:
            self.codes.append(self._code(rounded(number)))
        self.numbers = array("d")

    def _code(self, value: Any) -> int:
        if value is None:
            return _MISSING
        if isinstance(value, list | dict):
            value = json_line(value)  # a cell shows text
        # A text is its own name: hardly any is a new one, and only these become JSON.
        name = value if isinstance(value, str) else (json_line(value),)
        return self.names.setdefault(name, len(self.names))

    def json(self) -> Iterator[str]:
        """Yield the column as JSON, in pieces."""
        if self.codes is None:
            yield '{"values":['
            yield from _joined(map(_number, self.numbers))
        elif 2 * len(self.names) > len(self.codes):  # hardly any value comes twice
            names = list(map(_name, self.names))
            yield '{"values":['
            yield from _joined("null" if c < 0 else names[c] for c in self.codes)
        else:
            yield '{"names":['
            yield from _joined(map(_name, self.names))
            yield '],"codes":['
            yield from _joined(map(str, self.codes))
        yield "]}"


class RowColumns:
    """All rows of a run, by column; see the module.

    Args:
        entries: keys of the run's entries; a row's `entry` is the place of its key there.
        keys: of the columns beside `id` and `entry`.

    Attributes:
        count: how many rows there are.
    """

    def __init__(self, entries: Sequence[str], keys: Sequence[str]) -> None:
        """Begin without a row."""
        self.count = 0
        self._places = {key: place for place, key in enumerate(entries)}
        self._entry = array("i")
        self._columns = {key: _Values() for key in dict.fromkeys(("id", "question", *keys))}
        self._columns.pop("entry", None)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row."""
        self.count += 1
        self._entry.append(self._places.get(row.get("entry"), _MISSING))  # type: ignore[arg-type]
        for key, column in self._columns.items():
            column.add(row.get(key))

    def json(self) -> Iterator[str]:
        """Yield `"count": …, "columns": {…}` in pieces: the inside of an object, ASCII."""
        names = ",".join(json_line(key) for key in self._places)
        yield f'"count":{self.count},"columns":{{"entry":{{"names":[{names}],"codes":['
        yield from _joined(map(str, self._entry))
        yield "]}"
        for key, column in self._columns.items():
            yield f",{json_line(key)}:"
            yield from column.json()
        yield "}"


def columns_of(run: RunView) -> RowColumns:
    """Return all rows of a run, which is read once."""
    found = RowColumns([one.key for one in run.entries], [one.key for one in run.columns])
    for row in run.rows():
        found.add(row)
    return found


def rows_json(run: RunView, parts: Mapping[str, int]) -> Iterator[str]:
    """Yield `rows.json` in pieces: all rows, and the part that holds each question's details."""
    yield "{"
    yield from columns_of(run).json()
    yield "," + details_json(parts) + "}"


def details_json(parts: Mapping[str, int]) -> str:
    """Return `"details": {…}`: which part of the file holds the details of a question."""
    return f'"details":{json_line({"ids": list(parts), "parts": list(parts.values())})}'


def _joined(values: Iterable[str]) -> Iterator[str]:
    """Yield texts with commas between them, many at a time."""
    piece: list[str] = []
    first = True
    for value in values:
        piece.append(value)
        if len(piece) == _PIECE:
            yield ("" if first else ",") + ",".join(piece)
            piece, first = [], False
    if piece:
        yield ("" if first else ",") + ",".join(piece)


def _name(name: str | tuple[str]) -> str:
    return json_line(name) if isinstance(name, str) else name[0]


def _number(value: float) -> str:
    found = rounded(value)
    return "null" if found is None else repr(found)  # as JSON has it


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.nan
