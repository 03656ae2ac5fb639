"""Files of JSON lines that are read line by line: where each question's line is, and in order.

An evaluation of a hundred thousand questions has a gigabyte of trajectories. None of it is held
here but a place in the file for each line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from algos.runs.append_log import LogError
from sage_env.storage.atomic_file import atomic_path

NameOf = Callable[[Any], str | None]
"""What a line is of; `None`, or a `ValueError` that says why, for one that is none of its kind."""


class LineIndex:
    """Where the last line of each name is in a file. A torn last line counts as never written.

    Args:
        path: of the file; none is an empty one.
        name_of: the name of a line.
        kind: what a line is, for messages.
        seen: called with each line's name and content, in order.

    Raises:
        LogError: if the file cannot be read, or a line is not JSON or of another kind; names it.
    """

    def __init__(
        self,
        path: Path,
        name_of: NameOf,
        kind: str,
        seen: Callable[[str, Any], None] | None = None,
    ) -> None:
        """Read the file once."""
        self.path, self._kind = path, kind
        self._places: dict[str, tuple[int, int]] = {}
        self._lines = 0
        for number, (start, line) in enumerate(line_places(path), 1):
            row = parsed(line, path, number)
            try:
                name = name_of(row)
            except ValueError as error:
                raise LogError(f"{path}, line {number} is not {kind}: {error}") from error
            if name is None:
                raise LogError(f"{path}, line {number} is not {kind}")
            self._places[name] = (start, len(line))
            self._lines = number
            if seen is not None:
                seen(name, row)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a line of that name."""
        return name in self._places

    def holds(self, names: Sequence[str]) -> bool:
        """Return whether the file is exactly one line for each name, in that order."""
        if not (self._lines == len(names) == len(self._places)):
            return False
        starts = [self._places.get(name, (-1, 0))[0] for name in names]
        return starts == sorted(starts) and -1 not in starts

    def line(self, name: str) -> bytes:
        """Return the last line of a name, with its newline."""
        return next(self._last([name]))

    def contents(self, names: Sequence[str]) -> Iterator[Any]:
        """Yield what the last line of each name holds."""
        return map(json.loads, self._last(names))

    def _last(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield the last line of each name, with its newline."""
        if not names:
            return
        with self.path.open("rb") as file:
            for name in names:
                if name not in self._places:
                    raise LogError(
                        f"{self.path} has no line of {name!r}, which should be {self._kind}"
                    )
                yield _at(file, self._places[name])

    def put_in_order(self, names: Sequence[str]) -> None:
        """Write the file anew with one line for each name, unless it is so already."""
        if not self.holds(names):
            with atomic_path(self.path) as partial, partial.open("xb") as out:
                out.writelines(self._last(names))


class LineList(Sequence[Any]):
    """The lines of a file as a sequence: each is read and parsed when it is asked for.

    Args:
        path: of the file; none is an empty one.
        read: what a parsed line is turned into.
        kind: what a line is, for messages.

    Raises:
        LogError: if the file cannot be read; and, when it is asked for, if a line is none.
    """

    def __init__(self, path: Path, read: Callable[[Any], Any], kind: str) -> None:
        """Find the ends of the lines."""
        self.path, self._read, self._kind = path, read, kind
        self._places = [(start, len(line)) for start, line in line_places(path)]

    def __len__(self) -> int:
        """Return how many lines there are."""
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        """Return the content of a line; of a slice, a list."""
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        place = self._places[index]
        with self.path.open("rb") as file:
            return self._content(_at(file, place), index % len(self) + 1)

    def __iter__(self) -> Iterator[Any]:
        """Yield the content of each line, holding one at a time."""
        for number, (_, line) in enumerate(line_places(self.path), 1):
            yield self._content(line, number)

    def _content(self, line: bytes, number: int) -> Any:
        row = parsed(line, self.path, number)
        try:
            return self._read(row)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            told = error if isinstance(error, ValueError) else repr(error)
            raise LogError(f"{self.path}, line {number} is not {self._kind}: {told}") from error


def parsed(line: bytes, path: Path, number: int) -> Any:
    """Return what a line of JSON holds.

    Raises:
        LogError: if it is not JSON; names it.
    """
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LogError(f"{path}, line {number} is not JSON: {error}") from error


def line_places(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield where each whole line begins, and the line with its newline."""
    start = 0
    try:
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield start, line
                start += len(line)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LogError(f"{path} cannot be read ({error.strerror})") from error


def _at(file: BinaryIO, place: tuple[int, int]) -> bytes:
    file.seek(place[0])
    return file.read(place[1])
