"""NExT-GQA (arXiv 2309.01327): NExT-QA's questions with the stretches that answer them.

Official: `val.csv` and `test.csv` with the questions, the answer as the text of a choice, and
`gsub_val.json` and `gsub_test.json` with the stretches. Videos have VidOR's names where
`map_vid_vidorID.json` is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.annotations import find_files, read_json, read_rows
from sage_env.datasets.native.benchmark import Benchmark, Source
from sage_env.datasets.native.option_text import by_index, by_text, numbered_options
from sage_env.datasets.native.rows import Row, group_of
from sage_env.datasets.native.spans import read_spans, within
from sage_env.errors import DatasetError

_FAMILIES = {"C": "causal", "T": "temporal", "D": "descriptive"}
_SHORT = {"validation": "val"}


def _rows(source: Source) -> Iterator[Row]:
    """Yield the questions, each with what the other files say of its video."""
    spans = _beside(source, f"gsub_{_SHORT.get(source.split, source.split)}.json")
    if spans is None:
        raise DatasetError(
            f"{source.files[0].parent} has no gsub_*.json, in which NExT-GQA has the stretches of "
            "time: put it beside the questions"
        )
    names = _beside(source, "map_vid_vidorID.json") or {}
    for path in source.files:
        for row in read_rows(path):
            video = str(row.get("video_id", "video"))
            about = spans.get(video)
            known: Mapping[str, Any] = about if isinstance(about, Mapping) else {}
            yield Row(row.place, {**row.values, "_video": names.get(video), "_about": known})


def _beside(source: Source, name: str) -> Mapping[str, Any] | None:
    """Return the JSON object of a file beside the questions, or below the root."""
    beside = source.files[0].parent / name
    found: list[Path] = [beside] if beside.is_file() else find_files(source.root, (name,))
    if not found:
        return None
    read = read_json(found[0])
    if not isinstance(read, Mapping):
        raise DatasetError(f"{found[0]} must hold an object by video, got {type(read).__name__}")
    return read


def _item(row: Row, source: Source) -> QAItem:
    video, number = row.text("video_id", "video"), row.text("qid")
    about = Row(row.place, row.values["_about"])
    stretches = about.get("location")
    pairs = stretches.get(number) if isinstance(stretches, Mapping) else None
    duration = about.duration("duration")
    options = tuple(numbered_options(row.values, "a").values())
    names = [name for name in (row.get("_video"), video) if isinstance(name, str)]
    kind = row.text("type")
    return QAItem(
        f"{video}_{number}",
        next(filter(None, map(source.videos.find, names)), source.videos.path(video)),
        _asked(row.text("question")),
        options,
        _gold(options, row.needed("answer")),
        "mcq",
        within(read_spans(pairs if isinstance(pairs, list) else ()), duration),
        duration,
        group_of({"type": kind, "family": _FAMILIES.get(kind[:1].upper())}),
    )


def _asked(question: str) -> str:
    """Return a question with its mark, which the files leave out."""
    return question if question.endswith(("?", ".")) else f"{question}?"


def _gold(options: tuple[str, ...], answer: object) -> str:
    """Return the gold choice: NExT-GQA has its text, NExT-QA its index."""
    try:
        return by_text(options, answer)
    except DatasetError:
        return by_index(options, answer)


NEXT_GQA = Benchmark(
    name="next-gqa",
    title="NExT-GQA",
    files={
        "validation": ("nextgqa/val.csv", "val.csv", "*gqa*val*.csv"),
        "test": ("nextgqa/test.csv", "test.csv", "*gqa*test*.csv"),
    },
    item=_item,
    rows=_rows,
    hub="",
    licence="MIT (annotations)",
    gated=False,
    access=(
        "Annotations are in github.com/doc-doc/NExT-GQA, datasets/nextgqa; the videos are VidOR's, "
        "linked from github.com/doc-doc/NExT-QA."
    ),
    questions={"validation": 3358, "test": 5553},
    videos={"validation": 567, "test": 990},
    rule="next-gqa",
)
