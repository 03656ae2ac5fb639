"""Video-MME: four options, videos of three lengths; the length is a word, not seconds.

Files of videos bear the YouTube id (`videoID`), not `video_id`; some are `.MP4` or `.mkv`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.benchmark import Benchmark, Source, rows_of_files
from sage_env.datasets.native.option_text import by_letter, split_options
from sage_env.datasets.native.rows import Row
from sage_env.errors import DatasetError

LENGTHS = ("short", "medium", "long")
_FILE = ("videoID", "youtube_id", "url", "video_id", "video")


def _rows(source: Source) -> Iterator[Row]:
    """Yield a row a question; a file with a row a video has them under `questions`."""
    for row in rows_of_files(source):
        questions = row.values.get("questions")
        if not isinstance(questions, list):
            yield row
            continue
        of_video = {key: value for key, value in row.values.items() if key != "questions"}
        for number, question in enumerate(questions, 1):
            place = f"{row.place}, question {number}"
            yield Row(place, {**of_video, **(question if isinstance(question, dict) else {})})


def _item(row: Row, source: Source) -> QAItem:
    length = row.text("duration").lower()
    if length not in LENGTHS:
        raise DatasetError(f"duration must be one of {', '.join(LENGTHS)}, got {length!r}")
    options = split_options(row.needed("options", "candidates", "choices"))
    return QAItem(
        row.text("question_id", "index"),
        source.video(row, *_FILE),
        row.text("question"),
        options,
        by_letter(options, row.text("answer")),
        "mcq",
        group={"duration": length, **row.group("domain", "sub_category", "task_type")},
        subtitles=source.subtitle(row, *_FILE),
    )


VIDEO_MME = Benchmark(
    name="video-mme",
    title="Video-MME",
    files={
        "test": (
            "videomme/test-*.parquet",
            "*video*mme*.parquet",
            "*video*mme*.jsonl",
            "*video*mme*.json",
            "*video*mme*.tsv",
            "*video*mme*.csv",
            "test-*.parquet",
        )
    },
    item=_item,
    rows=_rows,
    hub="lmms-lab/Video-MME",
    licence="academic research only, as its authors ask; check its card",
    gated=False,
    access="Annotations, subtitles and videos are in the hub's repository, for academic research.",
    questions={"test": 2700},
    videos={"test": 900},
    expected_in="data",
)
