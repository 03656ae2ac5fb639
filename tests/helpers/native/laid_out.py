"""Annotation files in the formats of benchmarks, and folders of short clips under their names."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.helpers.clips import write_clip

Rows = Sequence[Mapping[str, Any]]


def write_rows(path: Path, rows: Rows) -> Path:
    """Write rows in the format that the suffix names, with the folders above them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(list(rows), ensure_ascii=False), encoding="utf-8")
    elif path.suffix == ".jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            delimiter = "\t" if path.suffix == ".tsv" else ","
            table = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            table.writeheader()
            table.writerows(rows)
    return path


def write_clips(folder: Path, names: Iterable[str]) -> None:
    """Write a clip of three seconds under each name, ten frames a second."""
    folder.mkdir(parents=True, exist_ok=True)
    first: bytes | None = None
    for name in names:
        if first is None:
            clip = write_clip(folder / "first.mp4", [k * 5 for k in range(15)], size=(48, 64))
            first = clip.read_bytes()
            clip.unlink()
        (folder / name).write_bytes(first)


def touch(folder: Path, *names: str) -> None:
    """Make empty files, and the folders above them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
