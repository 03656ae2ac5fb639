"""LongVideoBench (arXiv 2407.15754): questions that refer to a moment of a video with subtitles.

Official: `lvb_val.json` (`candidates`), and Parquet (`option0` … `option4`, "N/A" where a question
has fewer). `correct_choice` counts from 0. The answers of the test split are not published.
"""

from __future__ import annotations

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.benchmark import Benchmark, Source
from sage_env.datasets.native.option_text import by_index, numbered_options, split_options
from sage_env.datasets.native.rows import Row
from sage_env.errors import DatasetError

_HANDLE = 19
"""Last characters of an id that begins with `@`, an account's name: those of the video itself."""


def _item(row: Row, source: Source) -> QAItem:
    options, answer = _options(row)
    video = row.text("video_id")
    names = [row.text("video_path", "video_id"), video]
    if video.startswith("@"):
        names.append(video[-_HANDLE:])
    said = source.subtitles.find(row.text("subtitle_path")) if row.get("subtitle_path") else None
    return QAItem(
        row.text("id", "question_id"),
        next(filter(None, map(source.videos.find, names)), source.videos.path(names[0])),
        row.text("question"),
        options,
        answer,
        "mcq",
        duration=row.duration("duration"),
        group=row.group("duration_group", "question_category", "topic_category", "level"),
        subtitles=said or source.subtitles.find(video),
        subtitles_start=row.number("starting_timestamp_for_subtitles") or 0.0,
    )


def _options(row: Row) -> tuple[tuple[str, ...], str]:
    """Return the options that a question has, and the gold one of them."""
    choice = row.get("correct_choice", "answer")
    if choice is None or str(choice).strip() in ("-1", "?"):
        raise DatasetError("its answer is not published: only the validation split can be scored")
    if row.get("candidates", "options") is not None:
        listed = row.items("candidates", "options")
        numbered = {number: str(text).strip() for number, text in enumerate(listed)}
        kept = {number: text for number, text in numbered.items() if text.upper() != "N/A"}
        options = dict(zip(kept, split_options(list(kept.values())), strict=True))
    else:
        options = numbered_options(row.values, "option")
    places = range(max(options, default=-1) + 1)
    answer = by_index([options.get(place, "") for place in places], choice)
    if not answer:
        raise DatasetError(f"the answer {choice!r} is the number of an option that is N/A")
    return tuple(options.values()), answer


LONGVIDEOBENCH = Benchmark(
    name="longvideobench",
    title="LongVideoBench",
    files={
        "validation": (
            "lvb_val.json",
            "validation-*.parquet",
            "*lvb*val*.json*",
            "*longvideobench*val*.json*",
        )
    },
    item=_item,
    hub="longvideobench/LongVideoBench",
    licence="CC-BY-NC-SA-4.0",
    gated=True,
    access=(
        "Annotations and videos are gated: accept the terms on its page on the Hugging Face hub, "
        "for research that is not commercial."
    ),
    questions={"validation": 1337},
)
