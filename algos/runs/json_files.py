"""JSON files of a run, whole or not at all; questions as JSON and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from algos.runs.dataclass_json import dataclass_from_json
from sage_env.datasets.item import QAItem
from sage_env.errors import SageEnvError
from sage_env.storage.atomic_file import atomic_write


class RunFolderError(SageEnvError):
    """A folder is not a run, or a file of it cannot be read; the message names the file."""


def write_json(path: Path, data: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json_text(data))


def json_text(data: Any) -> str:
    """Return data as JSON that can be written as UTF-8: a lone surrogate is escaped."""
    text = json.dumps(data, indent=1, default=_plain, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def json_with_lines(data: Mapping[str, Any], name: str, rows: Iterable[Any]) -> str:
    """Return JSON as `json_text` does, with one more key at its end: a list, one line for each row.

    A hundred thousand questions are written in seconds, and can be read by a person.
    """
    head = json_text(data).removesuffix("\n}\n")
    lines = ",\n".join(f"  {json.dumps(row, default=_plain)}" for row in rows)
    return f'{head},\n "{name}": [\n{lines}\n ]\n}}\n'


def read_json(path: Path) -> Any:
    """Read a JSON file of a run.

    Raises:
        RunFolderError: if it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunFolderError(
            f"{path} cannot be read ({error.strerror}): give the folder of a run that "
            "`sage-vqa train` or `sage-vqa eval` wrote"
        ) from error
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{path} is not JSON: {error}") from error


def item_to_json(item: QAItem) -> dict[str, Any]:
    """Return an item as plain JSON data; what is said in it only where there are subtitles."""
    values = {field.name: getattr(item, field.name) for field in fields(item)}
    said, start = values.pop("subtitles"), values.pop("subtitles_start")
    row = {**values, "video": str(item.video), "group": dict(item.group)}
    told = {} if said is None else {"subtitles": str(said)}
    return row | told | ({"subtitles_start": start} if start else {})


def item_from_json(row: Mapping[str, Any]) -> QAItem:
    """Read what `item_to_json` returned.

    Raises:
        ValueError: if a value is missing, not known, or of another type; the message names it.
    """
    return dataclass_from_json(QAItem, row)


def _plain(value: object) -> Any:
    """Turn what a command's settings may hold into JSON data."""
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Sequence | set | frozenset):
        return list(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
