"""MLVU (arXiv 2406.04264): nine tasks on long videos, seven of them multiple choice.

Official: a JSON file for each task, `answer` as the text of an option; mirrors: one file, options
inside the question, `answer` as a letter. Tasks 8 and 9 (sub-scenes, summaries) are open, for a
judge. The score is the mean over tasks, not over questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.annotations import read_rows
from sage_env.datasets.native.benchmark import Benchmark, Source
from sage_env.datasets.native.option_text import gold_option, split_options, split_question
from sage_env.datasets.native.rows import Row
from sage_env.errors import DatasetError

_OPEN = frozenset({"sub_scene", "summary"})
_TASKS = {
    "findneedle": "needle",
    "needleqa": "needle",
    "plotqa": "plotQA",
    "subplot": "sub_scene",
    "subscene": "sub_scene",
    "subsummary": "sub_scene",
    "sub_scene": "sub_scene",
    "anomaly_recognition": "anomaly_reco",
    "topic": "topic_reasoning",
    "videosummary": "summary",
    "summary": "summary",
}
"""Spellings of tasks, in lower case, and the names of the official files."""
_OPEN_FILES = {"test_ssc_gt": "sub_scene", "test_vs_gt": "summary"}
"""Files of the test split whose names say their task."""


def _rows(source: Source) -> Iterator[Row]:
    """Yield the rows with the name and the place that their file gives them."""
    other = "mlvu_dev" if source.split == "test" else "mlvu_test"
    for path in source.files:
        below = path.relative_to(source.root) if path.is_relative_to(source.root) else path
        if other in str(below).lower():
            raise DatasetError(f"{path} is not of the split {source.split}: it is of {other}")
        for number, row in enumerate(read_rows(path), 1):
            yield Row(row.place, {"_task": _task_of(path), "_number": number, **row.values})


def _task_of(path: Path) -> str:
    """Return the task that a file is named after: `2_needle.json` gives `needle`, else ""."""
    if path.stem in _OPEN_FILES:
        return _OPEN_FILES[path.stem]
    number, _, task = path.stem.partition("_")
    return task if number.isdigit() else ""


def _item(row: Row, source: Source) -> QAItem:
    named = row.text("question_type", "task_type", "_task")
    task = _TASKS.get(named.lower().replace(" ", "_"), named)
    question, inside = split_question(row.text("question"))
    options = () if task in _OPEN else inside
    if row.get("candidates", "options") is not None and task not in _OPEN:
        options = split_options(row.items("candidates", "options"))
    answer = row.text("answer")
    return QAItem(
        row.text("question_id") if row.get("question_id") else f"{task}-{row.text('_number')}",
        source.videos.path(row.text("video", "video_name")),
        question if options else row.text("question"),
        options,
        gold_option(options, answer) if options else answer,
        "mcq" if options else "open",
        duration=row.duration("duration"),
        group={"task": task, "form": "choice" if options else "generation"},
        subtitles=source.subtitles.find(row.text("video", "video_name")),
    )


MLVU = Benchmark(
    name="mlvu",
    title="MLVU",
    files={
        "validation": (
            "[1-9]_*.json",
            "*mlvu*dev*.json*",
            "*mlvu*dev*/*/*.parquet",
            "*mlvu*dev*.parquet",
            "test-*.parquet",
        ),
        "test": (
            "test_*_gt.json",
            "*mlvu*test*.json*",
            "*mlvu*test*/*/*.parquet",
            "*mlvu*test*.parquet",
            "test-*.parquet",
        ),
    },
    item=_item,
    rows=_rows,
    hub="MLVU/MVLU",
    licence="CC-BY-NC-SA-4.0",
    gated=True,
    access=(
        "Annotations and videos are gated: accept the terms on its page on the Hugging Face hub "
        "(MLVU/MVLU, a typing error of theirs, and MLVU/MLVU_Test), for research only."
    ),
    questions={"validation": 2593, "test": 509},
    rule="mlvu",
    expected_in="video",
)
