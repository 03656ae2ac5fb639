"""CG-Bench and its smaller part: up to 14 options, and the stretches that hold the clues.

Beside the videos lie clips of single clues, named by question: no video is looked for there, since
their stems can be those of videos.
"""

from __future__ import annotations

from dataclasses import replace

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.benchmark import Benchmark, Source
from sage_env.datasets.native.option_text import by_letter, by_text, split_options
from sage_env.datasets.native.rows import Row
from sage_env.datasets.native.spans import read_spans, within
from sage_env.timeline import merged

_FILE = ("video_uid", "video_id", "video_path", "video")


def _item(row: Row, source: Source) -> QAItem:
    """Make the item of a row; of letter and text the letter is what its authors score."""
    options = split_options(row.needed("choices", "options", "candidates"))
    letter = row.get("right_answer", "correct_answer")
    duration = row.duration("duration")
    clues = row.items("clue_intervals") if row.get("clue_intervals") is not None else []
    return QAItem(
        row.text("qid", "question_id"),
        source.video(row, *_FILE),
        row.text("question"),
        options,
        by_text(options, row.text("answer")) if letter is None else by_letter(options, letter),
        "mcq",
        merged(within(read_spans(clues), duration)),
        duration,
        row.group("domain", "sub_category"),
        subtitles=source.subtitle(row, *_FILE),
    )


CG_BENCH = Benchmark(
    name="cg-bench",
    title="CG-Bench",
    files={
        "test": (
            "cgbench.json",
            "cg-bench.json",
            "cg_bench.json",
            "cgbench.jsonl",
            "cgbench.parquet",
            "full/*.parquet",
            "cgbench/*.parquet",
        )
    },
    item=_item,
    hub="CG-Bench/CG-Bench",
    licence="CC-BY-NC-SA-4.0, by the card of a mirror",
    gated=True,
    access="Its terms have to be accepted on the hub first; not for commercial use.",
    questions={"test": 12129},
    videos={"test": 1219},
    rule="cg-bench",
    expected_in="cg_videos_720p",
    not_in=("cg_clue_videos",),
)

CG_BENCH_MINI = replace(
    CG_BENCH,
    name="cg-bench-mini",
    title="CG-Bench-mini",
    files={
        "test": (
            "cgbench_mini.json",
            "cg*bench*mini*.json",
            "cg*bench*mini*.jsonl",
            "cg*bench*mini*.parquet",
            "mini/*.parquet",
        )
    },
    questions={"test": 3000},
    videos={},
)
