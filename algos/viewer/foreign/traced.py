"""One question of another project's trace, as its reader found it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from algos.viewer.foreign.carried_files import CarriedPictures
from algos.viewer.foreign.loose_values import first, listed, mapping, seconds, text, truth
from algos.viewer.view_data import EpisodeView, QuestionView
from sage_env.datasets.native.option_text import gold_option, split_question
from sage_env.errors import DatasetError

IDS = ("question_id", "qid", "id", "key", "uid", "sample_id", "example_id")
GOLDS = ("gold", "gt_answer", "ground_truth", "correct_answer", "target", "solution", "answer")
_LENGTH = re.compile(r"(?:Total video length|Video Duration):\s*(\d{1,7}(?:\.\d+)?)")
_QUESTION = re.compile(r"^Question:", re.MULTILINE)
VERDICTS = ("verdict", "is_correct", "correct", "acc", "accuracy")
VIDEOS = ("video", "video_path", "video_id", "path", "videos", "video_url")
DURATIONS = ("duration", "duration_seconds", "video_duration", "video_length")


@dataclass(frozen=True)
class Source:
    """Where a record comes from.

    Attributes:
        path: of the file.
        name: of the record where its file gives it one; `None` otherwise.
        pictures: those that it carries.
    """

    path: Path
    name: str | None
    pictures: CarriedPictures


@dataclass(frozen=True, kw_only=True)
class Traced:
    """One question and the episode that a trace has of it.

    Attributes:
        question: without episodes, and without the file of its video.
        episode: its entry is not known yet.
        video: as the trace names it; `None` if it does not.
        row: what the table of all questions has, beyond what follows from the two.
        model: who played, where the trace says it.
    """

    question: QuestionView
    episode: EpisodeView
    video: str | None = None
    row: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None


def question_view(
    asked: str,
    *,
    name: str,
    gold: str | None = None,
    choices: Sequence[str] = (),
    **more: Any,
) -> QuestionView:
    """Return a question, with its choices where they stand in its text.

    Args:
        asked: the question as it was put.
        name: its id; may be empty.
        gold: the right answer: a text, or the letter of a choice.
        choices: where the trace has them apart.
        more: other fields of `QuestionView`.
    """
    if not choices:
        asked, choices = split_question(asked)
    chosen = None
    if choices and gold is not None:
        try:
            found = gold_option(choices, gold)
            gold, chosen = found, list(choices).index(found)
        except (DatasetError, ValueError):
            chosen = None  # a gold answer that is none of the choices stays as it is written
    return QuestionView(
        id=name,
        question=asked,
        choices=list(choices),
        gold=gold,
        gold_choice=chosen,
        kind="mcq" if choices else "open",
        **more,
    )


def asked_in(prompt: str) -> tuple[str, float | None]:
    """Return the question of a prompt, and the length of the video, where it marks them.

    DVD writes `Total video length: 90 seconds` and `Question: …`, VideoSeek `Video Duration: 90.0s`
    and `Question:` on a line.
    """
    length = _LENGTH.search(prompt)
    marked = _QUESTION.split(prompt)[-1].strip() if "Question:" in prompt else prompt
    return marked or prompt, seconds(float(length[1])) if length else None


def told_of(record: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """Return the id, gold answer and duration that a record says in the usual keys."""
    inner = mapping(first(record, "doc", "metadata", "extra_info", "extra", "info"))
    named = first(record, *IDS)
    named = first(inner, *IDS) if named is None else named
    gold = first(record, *GOLDS)
    plain = isinstance(gold, str | int | float) and not isinstance(gold, bool)
    return {
        "name": text(named) or source.name or "",
        "gold": text(gold) if plain else None,
        "duration": duration_of(record) or duration_of(inner),
    }


def duration_of(record: Mapping[str, Any]) -> float | None:
    """Return the seconds of the video, where a record says them as a number."""
    found = [seconds(record.get(key)) for key in DURATIONS]
    return next((one for one in found if one), None)


def verdict_of(record: Mapping[str, Any]) -> bool | None:
    """Return what a record says of its answer in the usual keys."""
    found = [truth(record.get(key)) for key in VERDICTS]
    return next((one for one in found if one is not None), None)


def video_of(record: Mapping[str, Any]) -> str | None:
    """Return the name of the video, of the first of several."""
    value = first(record, *VIDEOS)
    if isinstance(value, list | tuple):
        value = listed(value)[0] if value else None
    if isinstance(value, Mapping):
        value = first(value, "path", "video", "url", "video_path")
    return value[:4096] if isinstance(value, str) and value else None
