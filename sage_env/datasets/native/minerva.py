"""MINERVA (arXiv 2505.00681): questions with five choices and the reasoning that leads to one.

The evidence is weak: times that the prose of the reasoning mentions, "at 01:08", so that the report
key `evidence` is `weak`. Both spellings of `question type` are in circulation, and `video_id` may
be an address.
"""

from __future__ import annotations

import re

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.benchmark import Benchmark, Source
from sage_env.datasets.native.option_text import by_index, by_text, numbered_options
from sage_env.datasets.native.rows import Row, group_of
from sage_env.datasets.native.spans import parse_spans, within
from sage_env.errors import DatasetError
from sage_env.timeline import Span, merged

_TIME = r"(?<![\w:.])[0-9]{1,3}(?::[0-5][0-9]){1,2}(?![\w:])"
_MENTIONED = re.compile(
    rf"between\s+(?P<from>{_TIME})\s+and\s+(?P<until>{_TIME})"
    rf"|(?P<start>{_TIME})(?:\s*(?:-|–|—|to|until|through)\s*(?P<end>{_TIME}))?",
    re.IGNORECASE,
)


def mentioned_spans(prose: str) -> tuple[Span, ...]:
    """Return the stretches and moments that a text mentions as `MM:SS` or `HH:MM:SS`.

    Other numbers of a text are no times: it counts people and names scores as well. A moment, to
    the whole second, lasts one. Stretches that touch are one.

    >>> mentioned_spans("At 01:08 two men leave; from 01:20 to 01:30 it rains.")
    ((68.0, 69.0), (80.0, 90.0))
    """
    pairs = [
        (match["from"] or match["start"], match["until"] or match["end"])
        for match in _MENTIONED.finditer(prose)
    ]
    texts = [start if end is None else f"{start}-{end}" for start, end in pairs]
    return merged(span for text in texts for span in parse_spans(text))


def _item(row: Row, source: Source) -> QAItem:
    options = numbered_options(row.values, "answer_choice_")
    texts = tuple(options.values())
    number = row.get("answer_id")
    if number is None:
        answer = by_text(texts, row.needed("answer"))
    else:
        answer = by_index([options.get(k, "") for k in range(max(options, default=-1) + 1)], number)
    if not answer:
        raise DatasetError(f"answer_id {number!r} is the number of a choice that is not there")
    duration = row.duration("duration", "video_duration")
    evidence = within(mentioned_spans(str(row.get("reasoning") or "")), duration)
    video = row.text("video_id")
    return QAItem(
        row.text("key", "question_id", "id"),
        source.videos.path(video),
        row.text("question"),
        texts,
        answer,
        "mcq",
        evidence,
        duration,
        group_of(
            {
                "question_type": _types(row),
                "category": row.get("category"),
                "split": row.get("split"),
                "evidence": "weak" if evidence else "none",
            }
        ),
        subtitles=source.subtitles.find(video),
    )


def _types(row: Row) -> object:
    """Return the types of a question: a list, or a text with commas in it."""
    types = row.get("question_type", "question type")
    return [one.strip() for one in types.split(",")] if isinstance(types, str) else types


MINERVA = Benchmark(
    name="minerva",
    title="MINERVA",
    files={"test": ("minerva.json", "*minerva*.json", "*minerva*.parquet", "test-*.parquet")},
    item=_item,
    hub="lmms-lab-eval/minerva",
    licence="CC-BY-4.0 (annotations)",
    gated=False,
    access=(
        "Annotations are linked from github.com/google-deepmind/neptune and mirrored on the "
        "Hugging Face hub; the videos are on YouTube, to be fetched by yourself."
    ),
    questions={"test": 1515},
    videos={"test": 223},
)
