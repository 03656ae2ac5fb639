"""Datasets in a `.jsonl` file: one question a line, with the attributes of `QAItem`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from sage_env.datasets.item import QAItem
from sage_env.datasets.validation import validate
from sage_env.datasets.video_paths import check_inside
from sage_env.errors import DatasetError

SPLIT = "split"
"""Key of a row that says which part of the dataset it is of; it is no attribute of `QAItem`."""
_NEEDED = ("id", "video", "question", "answer")
_KNOWN = (*(attribute.name for attribute in fields(QAItem)), SPLIT)


def read_jsonl(
    path: Path,
    root: Path | None = None,
    *,
    split: str | None = None,
    allow_outside: bool = False,
) -> list[QAItem]:
    """Read one question per line: a JSON object with the attributes of `QAItem`.

    `id`, `video`, `question` and `answer` are needed. `video` and `subtitles` are relative to
    `root`, by default the folder of the file, and have to lie under it, links followed: whoever
    wrote the file does not choose what else is opened on this machine. `kind` is by default `mcq`
    where there are choices. A file may hold several splits: then every line has a `split`, a text
    such as `train`. Without it the file is one split, which stands for each.

    Args:
        path: the file.
        root: the folder of the videos.
        split: the one to return, where the file has several; `None` for all lines.
        allow_outside: whether these may lie elsewhere: absolute paths, `..`, links that lead out.

    Raises:
        DatasetError: naming the file, the line, and what to change.
    """
    rows = _rows(path)
    folder = path.parent if root is None else root
    items = items_of_rows(rows, folder, allow_outside=allow_outside)
    found = _splits(rows)
    if split is None or not found:
        return items
    kept = [item for item, own in zip(items, found, strict=True) if own == split]
    if not kept:
        there = ", ".join(dict.fromkeys(found))
        raise DatasetError(f"{path} has no line of the split {split!r}, it has {there}: name one")
    return kept


def items_of_rows(
    rows: Mapping[str, Mapping[str, Any]], root: Path, *, allow_outside: bool = False
) -> list[QAItem]:
    """Return the questions of rows that have the attributes of `QAItem`, after checking each.

    Args:
        rows: by where each stands, for messages: `FILE, line 3`.
        root: the folder of the videos and subtitles.
        allow_outside: whether these may lie elsewhere.

    Raises:
        DatasetError: naming the row, and what to change.
    """
    items, places = [_item(row, root) for row in rows.values()], list(rows)
    validate(items, places=places)
    if not allow_outside:
        check_inside([item.video for item in items], root, places)
        said = [(item.subtitles, place) for item, place in zip(items, places, strict=True)]
        told = {place: path for path, place in said if path is not None}
        check_inside(list(told.values()), root, list(told), what="subtitles")
    return items


def splits_of(path: Path) -> tuple[str, ...]:
    """Return the splits that a file says its lines are of, in order; () where it is one split.

    Raises:
        DatasetError: as `read_jsonl`, for what is no line of a dataset.
    """
    return tuple(dict.fromkeys(_splits(_rows(path))))


def _rows(path: Path) -> dict[str, dict[str, Any]]:
    """Return the JSON objects of a file by where they stand: `FILE, line 3`."""
    if path.exists() and not path.is_file():  # a pipe would be waited for, a device has no end
        raise DatasetError(f"{path} cannot be read as a dataset: it is a folder, pipe or device")
    try:
        # Not splitlines: strings in JSON may hold other line separators as they are.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read as a dataset: {error}") from error
    rows = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            place = f"{path}, line {number}"
            rows[place] = _row(line, place)
    if not rows:
        raise DatasetError(f"{path} holds no question: write one JSON object per line")
    return rows


def _row(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{place}: not a JSON object: {error}") from error
    if not isinstance(row, dict):
        raise DatasetError(f"{place}: expected a JSON object, got {type(row).__name__}")
    wrong = [f"{key} is missing" for key in _NEEDED if key not in row]
    wrong += [f"{key} is not known" for key in row if key not in _KNOWN]
    if wrong:
        keys = f"the keys are {', '.join(_KNOWN)}; keys for reports go into group"
        raise DatasetError(f"{place}: {', '.join(wrong)}: {keys}")
    return row


def _splits(rows: Mapping[str, Mapping[str, Any]]) -> Sequence[str]:
    """Return the split of every row; [] where none names one."""
    if not any(SPLIT in row for row in rows.values()):
        return []
    for place, row in rows.items():
        if not isinstance(row.get(SPLIT), str) or not row[SPLIT].strip():
            raise DatasetError(
                f"{place}: split must be a text such as 'train' in every line or in none, got "
                f"{row.get(SPLIT)!r}"
            )
    return [row[SPLIT] for row in rows.values()]


def _item(row: Mapping[str, Any], root: Path) -> QAItem:
    """Build the item of one line; what its values must be is for `validate` to say."""
    row = {key: value for key, value in row.items() if key != SPLIT}
    row.setdefault("kind", "mcq" if row.get("choices") else "open")
    for key in ("choices", "aliases", "evidence"):
        if isinstance(row.get(key), list):
            row[key] = tuple(tuple(x) if isinstance(x, list) else x for x in row[key])
    for key in ("video", "subtitles"):
        if isinstance(row.get(key), str) and row[key].strip():
            row[key] = root / row[key]
    return QAItem(**row)
