"""The sets as Parquet files: their columns, and writing them a few rows at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from algos.data_pipeline.distilling.set_rows import Row
from sage_env.datasets.question_sets import SET_KEY
from sage_env.lazy_exports import needs_extra
from sage_env.storage.atomic_file import atomic_path

SetKind = Literal["sft", "dpo", "rl"]
FILES: Mapping[SetKind, str] = {"sft": "sft.parquet", "dpo": "dpo.parquet", "rl": "rl.parquet"}
"""Names of the files."""
_ROWS_TOGETHER = 256
"""Rows that are in memory at a time, and a group of the file."""


def write_set(path: Path, kind: SetKind, rows: Iterable[Row], about: Mapping[str, Any]) -> int:
    """Write a set, whole or not at all; the same rows are the same bytes.

    Args:
        path: of the file.
        kind: which columns it has.
        rows: with these columns.
        about: what is true of all of them, plain JSON data.

    Returns:
        The number of rows.

    Raises:
        MissingExtra: without pyarrow.
    """
    with needs_extra("Parquet", "data"):
        import pyarrow
        from pyarrow import parquet
    schema = _schema(kind, json.dumps({"kind": kind, **about}, sort_keys=True))
    count, pending = 0, iter(rows)
    with (
        atomic_path(path) as partial,
        parquet.ParquetWriter(partial, schema, compression="zstd") as file,
    ):
        while some := list(islice(pending, _ROWS_TOGETHER)):
            file.write_table(pyarrow.Table.from_pylist(some, schema=schema))
            count += len(some)
    return count


def rows_of(path: Path) -> Iterator[Row]:
    """Yield the rows of a set, a few in memory at a time."""
    with needs_extra("Parquet", "data"):
        from pyarrow import parquet
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_TOGETHER):
            yield from batch.to_pylist()


def _schema(kind: SetKind, about: str) -> Any:
    import pyarrow as pa

    columns = _question_columns(pa)
    if kind == "sft":
        columns += _episode_columns(pa)
    elif kind == "dpo":
        episode = pa.struct(_episode_columns(pa))
        columns += [("rule", pa.string()), ("chosen", episode), ("rejected", episode)]
    else:
        columns += [("tries", pa.int64()), ("right_tries", pa.int64())]
        columns += [("pass_rate", pa.float64()), ("horizon", pa.string())]
        columns += [("uses_tools", pa.bool_())]
    return pa.schema(columns, metadata={SET_KEY: about.encode()})


def _question_columns(pa: Any) -> list[Any]:
    text, number = pa.string(), pa.float64()
    return [
        ("id", text),
        ("video", text),
        ("question", text),
        ("choices", pa.list_(text)),
        ("answer", text),
        ("kind", text),
        ("evidence", pa.list_(pa.list_(number))),
        ("duration", number),
        ("group", pa.map_(text, text)),
        ("tolerance", number),
        ("aliases", pa.list_(text)),
        ("subtitles", text),
        ("subtitles_start", number),
        ("video_id", text),
    ]


def _episode_columns(pa: Any) -> list[Any]:
    text, number, whole, yes = pa.string(), pa.float64(), pa.int64(), pa.bool_()
    frame = pa.struct([("seconds", number), ("box", pa.list_(number))])
    step = pa.struct(
        [
            ("prompt", text),
            ("frames", pa.list_(frame)),
            ("reply", text),
            ("action", text),
            ("invalid", text),
            ("text", text),
            ("reward", number),
            ("reward_terms", pa.map_(text, number)),
            ("info", text),
        ]
    )
    return [
        ("episode", text),
        ("policy", text),
        ("attempt", whole),
        ("seed", whole),
        ("right", yes),
        ("ret", number),
        ("turns", whole),
        ("frames", whole),
        ("direct", yes),
        ("uses_tools", yes),
        ("evidence_seen", yes),
        ("environment", text),
        ("conditions", text),
        ("system", text),
        ("start", text),
        ("steps", pa.list_(step)),
    ]
