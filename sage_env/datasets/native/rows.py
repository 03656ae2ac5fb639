"""One row of a benchmark's annotation file, and its values under any of their spellings."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sage_env.argument_checks import is_finite
from sage_env.datasets.report_keys import joined
from sage_env.errors import DatasetError
from sage_env.timeline import parse_seconds


@dataclass(frozen=True)
class Row:
    """The values of one row by column, and where they stand.

    A column may have several spellings, official and of mirrors: every method takes them all and
    reads the first that holds something. `None`, NaN and a blank text are nothing.

    Attributes:
        place: the file and the row, for messages: `FILE, row 3`.
        values: what the file has, by column.
    """

    place: str
    values: Mapping[str, Any]

    def get(self, *names: str) -> Any:
        """Return the first value that is there under any of the names, else `None`."""
        for name in names:
            value = self.values.get(name)
            if value is not None and not _is_nothing(value):
                return value
        return None

    def needed(self, *names: str) -> Any:
        """Return the first value that is there under any of the names.

        Raises:
            DatasetError: if there is none, naming the columns that are there.
        """
        value = self.get(*names)
        if value is None:
            raise DatasetError(
                f"{' or '.join(names)} is missing: the columns are {', '.join(self.values)}"
            )
        return value

    def text(self, *names: str) -> str:
        """Return a text that is needed, without blanks around it; a number as it is written.

        Raises:
            DatasetError: if there is none, or it is a list or an object.
        """
        value = self.needed(*names)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # a column of whole numbers with a gap comes as floats
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise DatasetError(f"{' or '.join(names)} must be a text, got {value!r}")
        return str(value).strip()

    def number(self, *names: str) -> float | None:
        """Return a number: as it is, or as a text such as `312.5`, `5:12` or `01:05:12`.

        `None` where there is none, or where it is something else: a duration is measured in the
        file itself if it is not known.
        """
        value = self.get(*names)
        if isinstance(value, str):
            return parse_seconds(value)
        return float(value) if is_finite(value) else None

    def duration(self, *names: str) -> float | None:
        """Return a duration in seconds, > 0; `None` where none is given."""
        value = self.number(*names)
        return value if value is not None and value > 0 else None

    def items(self, *names: str) -> list[Any]:
        """Return a list that is needed, also where a text spells it: `['a', 'b']` or `["a", "b"]`.

        Raises:
            DatasetError: if there is none.
        """
        value = self.needed(*names)
        read = literal(value) if isinstance(value, str) else value
        if not isinstance(read, list | tuple):
            raise DatasetError(f"{' or '.join(names)} must be a list, got {value!r}")
        return list(read)

    def group(self, *names: str, **renamed: str) -> dict[str, str]:
        """Return report keys, of the columns that hold something.

        Args:
            names: columns that are keys under their own name.
            renamed: columns by the key that each becomes.

        Returns:
            Texts by key; of a list, its values joined, see `report_keys`: a table counts the
            question under each of them.
        """
        columns = {name: name for name in names} | renamed
        found = {key: self.get(column) for key, column in columns.items()}
        return {key: group_text(value) for key, value in found.items() if value is not None}


def group_text(value: object) -> str:
    """Return the value of a report key as a text; those of a list are joined."""
    if isinstance(value, list | tuple):
        return joined(group_text(one) for one in value if one is not None)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return " ".join(str(value).split())


def group_of(pairs: Mapping[str, object] | Iterable[tuple[str, object]]) -> dict[str, str]:
    """Return report keys as texts, without those whose value is nothing."""
    return {
        key: group_text(value)
        for key, value in dict(pairs).items()
        if value is not None and not _is_nothing(value)
    }


def literal(text: str) -> Any:
    """Return what a text spells in JSON or as a Python literal; the text itself if it is neither.

    Nothing is run: names and calls are no literals.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text


def _is_nothing(value: object) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str | list | tuple | Mapping) and not (
        value.strip() if isinstance(value, str) else value
    )
