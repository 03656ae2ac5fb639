"""LVBench: questions about videos of an hour, each with the stretch that holds its answer.

Its file has a line a video, with the questions inside, and the options inside each question; the
mirror has a row a question. A question can be of several types, and is counted under each.
"""

from __future__ import annotations

from collections.abc import Iterator

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.benchmark import Benchmark, Source, rows_of_files
from sage_env.datasets.native.option_text import by_letter, split_question
from sage_env.datasets.native.rows import Row, group_of
from sage_env.datasets.native.spans import parse_spans
from sage_env.errors import DatasetError


def _rows(source: Source) -> Iterator[Row]:
    """Yield a row a question, with the video's own values."""
    for row in rows_of_files(source):
        asked = row.values.get("qa")
        if not isinstance(asked, list):
            yield row
            continue
        of_video = {"key": row.get("key"), "type": row.get("type")}
        for number, question in enumerate(asked, 1):
            place = f"{row.place}, question {number}"
            yield Row(place, {**of_video, **(question if isinstance(question, dict) else {})})


def _item(row: Row, source: Source) -> QAItem:
    question, options = split_question(row.text("question"))
    if not options:
        raise DatasetError("the question has no options (A), (B), …")
    reference = row.get("time_reference")
    types = row.get("question_type")
    return QAItem(
        row.text("uid", "question_id"),
        source.video(row, "key", "video_path", "video_id", "video"),
        question,
        options,
        by_letter(options, row.text("answer")),
        "mcq",
        parse_spans(str(reference)) if reference is not None else (),
        group=group_of({"type": row.get("type"), "question_type": _listed(types)}),
        subtitles=source.subtitle(row, "key", "video_id", "video"),
    )


def _listed(types: object) -> object:
    """Return the types of a question as a list, also of a mirror that spells it as one text."""
    if isinstance(types, str) and types.lstrip().startswith("["):
        return Row("", {"types": types}).items("types")
    return types.split(", ") if isinstance(types, str) else types


LVBENCH = Benchmark(
    name="lvbench",
    title="LVBench",
    files={
        "test": (
            "video_info.meta.jsonl",
            "*lvbench*.jsonl",
            "*lvbench*.json",
            "*lvbench*.parquet",
            "*lvbench*.tsv",
            "data/*.parquet",
            "test-*.parquet",
            "train-*.parquet",
        )
    },
    item=_item,
    rows=_rows,
    hub="zai-org/LVBench",
    licence="CC-BY-NC-SA-4.0",
    gated=False,
    access="Annotations are free to download, not for commercial use; the videos are on YouTube.",
    questions={"test": 1549},
    videos={"test": 103},
)
