"""SAGE-Bench (arXiv 2512.13874): open and multiple-choice questions about YouTube videos.

Options stand inside the question, the gold answer is a text. Score of its authors: a judge, on all
questions; here the options of a choice question are read, so that rules can decide them too.
"""

from __future__ import annotations

import hashlib

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.benchmark import Benchmark, Source
from sage_env.datasets.native.option_text import gold_option, split_question
from sage_env.datasets.native.rows import Row
from sage_env.errors import DatasetError

_MCQ = "mcq"


def _item(row: Row, source: Source) -> QAItem:
    """Make the item of a row.

    A choice question whose options or gold answer cannot be read is asked as an open one, options
    and all: then it is judged, as its authors do it.
    """
    asked = row.text("question")
    answer = row.text("gt_answer", "answer", "correct_answer")
    question, gold = asked, answer
    options: tuple[str, ...] = ()
    kind = row.text("ques_type", "question_type").lower().replace("-", "_")
    if kind == _MCQ:
        question, options = split_question(asked)
        try:
            gold = gold_option(options, answer)
        except DatasetError:
            question, options = asked, ()
    name = row.text("video_id", "video", "path")
    digest = hashlib.blake2b(asked.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return QAItem(
        str(row.get("id", "question_id") or f"{name}-{digest}"),
        source.video(row, "video_id", "video", "path"),
        question,
        options,
        gold,
        "mcq" if options else "open",
        duration=row.duration("duration_seconds", "video_duration", "duration"),
        group={"ques_type": kind, **row.group("difficulty", "modality")},
        subtitles=source.subtitle(row, "video_id", "video", "path"),
    )


SAGE_BENCH = Benchmark(
    name="sage-bench",
    title="SAGE-Bench",
    files={
        "test": (
            "*sage*bench*.parquet",
            "*sage*bench*.jsonl",
            "*sage*bench*.json",
            "data/test-*.parquet",
            "test-*.parquet",
        )
    },
    item=_item,
    hub="allenai/SAGE-Bench",
    licence="ODC-BY-1.0 (questions and answers by Gemini)",
    gated=False,
    access="Annotations are free to download; the videos are on YouTube, by their ids.",
    questions={"test": 1744},
    rule="judge",
)
