"""Annotation files: found below a folder, or named; read as rows, whatever their format."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any

from sage_env.datasets.native.rows import Row
from sage_env.errors import DatasetError, MissingExtra

DEPTH = 3
"""Folders below the root in which an annotation file is looked for."""
_LONGEST_CELL = 1 << 24  # characters of a cell of a CSV file


def find_files(root: Path, patterns: Sequence[str], depth: int = DEPTH) -> list[Path]:
    """Return the files that match the first pattern which any file matches, in order.

    Args:
        root: where to look.
        patterns: of file names, `*` and `?` as in a shell, capitals or not; one with a slash is of
            the path below the root, of which it has to match the end: `videomme/*.parquet`.
        depth: folders below the root that are looked into.

    Raises:
        DatasetError: if `root` is no folder.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder: name the one that the benchmark lies in")
    files = sorted(_files_below(root, depth), key=lambda path: (len(path.parts), str(path)))
    for pattern in patterns:
        wanted = pattern.lower()
        found = [path for path in files if matches(path.relative_to(root), wanted)]
        if found:
            return found
    return []


def _files_below(root: Path, depth: int) -> Iterator[Path]:
    for folder, inside, files in os.walk(root):
        here = Path(folder)
        if len(here.relative_to(root).parts) >= depth:
            inside.clear()
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        yield from (here / name for name in sorted(files) if not name.startswith("."))


def matches(path: PurePath, pattern: str) -> bool:
    """Return whether a path below the root matches a pattern in lower case; see `find_files`."""
    parts = pattern.count("/") + 1
    return fnmatchcase("/".join(path.parts[-parts:]).lower(), pattern)


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file.

    | suffix | a row is |
    |---|---|
    | `.parquet` | a row; columns of pictures or other bytes are left out |
    | `.jsonl` | the object of a line |
    | `.json` | an object of the list; of an object of objects each, with its key as `key` |
    | `.csv`, `.tsv` | a line, by the names in the first one |
    | `.txt` | a line, its text under `line` |

    Raises:
        DatasetError: if the file cannot be read; the message names it, and the line.
        MissingExtra: for Parquet without pyarrow.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise DatasetError(f"{path} is no annotation file: their names end with {known}")
    rows = [Row(f"{path}, {where}", values) for where, values in reader(path)]
    if not rows:
        raise DatasetError(f"{path} holds no row: download it again")
    return rows


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        DatasetError: if it cannot be read.
    """
    try:
        return json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON: {error}") from error


def _text(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise DatasetError(f"{path} cannot be read: it is a folder, pipe or device")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    if text.startswith("version https://git-lfs"):
        raise DatasetError(f"{path} is a pointer of Git LFS, not the file: run `git lfs pull`")
    return text


Numbered = Iterable[tuple[str, Mapping[str, Any]]]


def _parquet(path: Path) -> Numbered:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise MissingExtra(
            f"{path} needs pyarrow to be read: pip install 'sage-video-qa[data]'"
        ) from error
    try:
        file = parquet.ParquetFile(path)
        plain = [field.name for field in file.schema_arrow if not _holds_bytes(field.type)]
        table = file.read(columns=plain)
    except (OSError, pyarrow.ArrowException) as error:
        raise DatasetError(f"{path} cannot be read as Parquet: {error}") from error
    names = table.column_names
    columns = [
        _cells(path, name, column) for name, column in zip(names, table.columns, strict=True)
    ]
    rows = zip(*columns, strict=True)
    return ((f"row {k}", dict(zip(names, row, strict=True))) for k, row in enumerate(rows, 1))


def _cells(path: Path, name: str, column: Any) -> list[Any]:
    """Return the values of a column; dates and times as texts, as Python may lack them."""
    import pyarrow

    try:
        if pyarrow.types.is_temporal(column.type):
            column = column.cast(pyarrow.string())
        return list(column.to_pylist())
    except (ValueError, OverflowError, pyarrow.ArrowException) as error:
        raise DatasetError(f"{path}: the column {name!r} cannot be read: {error}") from error


def _holds_bytes(kind: Any) -> bool:
    """Return whether a column holds bytes, such as encoded pictures, anywhere in it."""
    inside = [kind.field(place).type for place in range(kind.num_fields)]
    return "binary" in str(kind) or any(map(_holds_bytes, inside))


def _jsonl(path: Path) -> Numbered:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DatasetError(f"{path}, line {number}: not a JSON object: {error}") from error
            if not isinstance(row, dict):
                raise DatasetError(f"{path}, line {number}: expected an object, got {row!r:.80}")
            yield f"line {number}", row


def _json(path: Path) -> Numbered:
    data = read_json(path)
    if isinstance(data, dict):
        lists = [value for value in data.values() if isinstance(value, list)]
        if len(lists) == 1 and not any(isinstance(value, dict) for value in data.values()):
            data = lists[0]  # {"version": 1, "questions": [...]}
        else:
            data = [{"key": key, **value} for key, value in data.items() if isinstance(value, dict)]
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise DatasetError(f"{path} must hold a list of objects, got {type(data).__name__}")
    return ((f"row {number}", row) for number, row in enumerate(data, 1))


def _separated(path: Path, delimiter: str) -> Numbered:
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    lines = csv.DictReader(io.StringIO(_text(path), newline=""), delimiter=delimiter)
    try:
        for row in lines:
            if None in row:
                raise DatasetError(
                    f"{path}, line {lines.line_num}: more cells than the {len(row) - 1} columns"
                )
            yield f"line {lines.line_num}", row
    except csv.Error as error:
        raise DatasetError(f"{path}, line {lines.line_num}: {error}") from error


def _lines(path: Path) -> Numbered:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            yield f"line {number}", {"line": line.strip()}


_READERS: Mapping[str, Callable[[Path], Numbered]] = {
    ".parquet": _parquet,
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": lambda path: _separated(path, ","),
    ".tsv": lambda path: _separated(path, "\t"),
    ".txt": _lines,
}
