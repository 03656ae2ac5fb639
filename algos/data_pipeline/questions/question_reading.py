"""One question of a reply, checked alone: a sound one becomes a record, any other is rejected.

Values are not changed, with four exceptions that lose nothing: blanks around a text, letters before
options (`B. blue`), an answer that names its option by the letter, and times that move to frames.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from algos.data_pipeline.questions.evidence_times import BadTimes, evidence_spans
from algos.data_pipeline.questions.generated_question import GeneratedQuestion, QuestionSource
from algos.data_pipeline.questions.question_files import Rejection
from algos.data_pipeline.questions.reply_form import (
    DIFFICULTIES,
    MAX_OPTIONS,
    MIN_OPTIONS,
    MODALITIES,
    NEEDED_FIELDS,
)
from algos.seeds import subseed
from policies.served.reply_json import MAX_DEPTH, Json, can_be_sent
from sage_env.argument_checks import is_finite
from sage_env.datasets.answer_text import fold, normalise
from sage_env.datasets.choice_labels import label_choices
from sage_env.datasets.native.option_text import by_text, split_options
from sage_env.datasets.validation import validate
from sage_env.errors import DatasetError
from sage_env.timeline import Span
from sage_env.video.index.video_index import VideoIndex

_LETTER = re.compile(r"[(\[]?([A-Za-z])[)\].:、]?")
_LETTERED = re.compile(r"[(\[]?([A-Za-z])[)\].:、]")
LONGEST = 2000
"""Characters of any text of a question. A choice: real ones have a tenth of it."""


@dataclass(frozen=True, kw_only=True)
class AskedVideo:
    """The video that a reply is about.

    Attributes:
        path: relative to the folder of videos, with `/`.
        index: of its frames.
        subtitles: path of what is said, likewise; `None` for none.
    """

    path: str
    index: VideoIndex
    subtitles: str | None = None


class Unsound(Exception):
    """A question that cannot be used: `check` says why in a word, the message in a sentence."""

    def __init__(self, check: str, reason: str) -> None:
        """Take both."""
        super().__init__(reason)
        self.check = check


def read_question(
    written: Json, name: str, video: AskedVideo, source: QuestionSource, asked: set[str]
) -> GeneratedQuestion | Rejection:
    """Return a question as a record, or why it is rejected.

    Args:
        written: the question as the reply has it.
        name: its id.
        video: that it is about.
        source: where it comes from.
        asked: the keys of the questions about this video that were read before, see
            `question_key`; this one's is added.
    """
    deep = _depth(written) > MAX_DEPTH
    try:
        if deep:
            raise Unsound("form", f"the question is nested deeper than {MAX_DEPTH}")
        question = _read(written, name, video, source)
        key = question_key(question)
        if key in asked:
            raise Unsound("same_question", "the same question about this video was read before")
        asked.add(key)
        return question
    except (Unsound, BadTimes) as error:
        kept = written
        if deep or not can_be_sent(written):
            kept = "" if deep else str(written)[:LONGEST]
        found: dict[str, Any] = {"written": kept, "reply": source.reply}
        found["position"] = source.position
        return Rejection(
            id=name, video=video.path, check=error.check, reason=str(error), found=found
        )


def question_key(question: GeneratedQuestion) -> str:
    """Return what two questions about a video have in common if they ask the same."""
    return "|".join([seen(question.question), *sorted(map(seen, question.choices))])


def seen(text: str) -> str:
    """Return what a reader tells texts apart by: not by case, marks, or what nobody sees."""
    return normalise(fold(text)) or text


def _read(written: Json, name: str, video: AskedVideo, source: QuestionSource) -> GeneratedQuestion:
    row = _fields(written)
    choices, answer = _choices(row, name)
    aliases = _texts(row, "other_answers")
    spans = _evidence(row, video.index)
    duration = video.index.duration
    question = GeneratedQuestion(
        id=name,
        video=video.path,
        question=_text(row, "question"),
        choices=choices,
        answer=answer,
        kind="mcq" if choices else "open",
        aliases=() if choices else tuple(a for a in dict.fromkeys(aliases) if a != answer),
        tolerance=None if choices else _tolerance(row),
        modality=_one_of(row, "modality", MODALITIES),
        difficulty=_one_of(row, "difficulty", DIFFICULTIES),
        evidence=spans,
        duration=duration,
        percent_video_parsed=round(100 * (spans[-1][1] - spans[0][0]) / duration, 2),
        rationale={
            "modality": _text(row, "modality_reason"),
            "difficulty": _text(row, "difficulty_reason"),
            "percent_claimed": str(_percent(row)),
        },
        subtitles=video.subtitles,
        source=source,
    )
    try:
        validate([question.item(Path())], places=[f"question {source.position}"])
    except DatasetError as error:
        raise Unsound("cannot_be_asked", str(error)) from error
    return question


def _depth(written: Json) -> int:
    """Return how many lists and objects stand inside each other, without going down by calls."""
    depth, layer = 0, [written]
    while layer := [one for one in layer if isinstance(one, dict | list)]:
        depth += 1
        layer = [
            value for one in layer for value in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


def _fields(written: Json) -> Mapping[str, Any]:
    if not isinstance(written, dict):
        raise Unsound("form", f"expected a JSON object, got {type(written).__name__}")
    missing = [name for name in NEEDED_FIELDS if name not in written]
    if missing:
        raise Unsound("form", f"the question lacks {', '.join(missing)}")
    return written


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)  # the answer to "how many", as a number
    if not isinstance(value, str) or not fold(value).strip():
        raise Unsound("form", f"{name} must be a text, got {value!r:.60}")
    if len(value) > LONGEST:
        raise Unsound("form", f"{name} has {len(value)} characters, more than {LONGEST}")
    return value.strip()


def _texts(row: Mapping[str, Any], name: str) -> list[str]:
    values = row.get(name)
    if values is None:
        return []
    if not isinstance(values, list):
        raise Unsound("form", f"{name} must be a list of texts, got {values!r:.60}")
    return [_text({name: value}, name) for value in values]


def _one_of(row: Mapping[str, Any], name: str, known: Sequence[str]) -> Any:
    value = row[name]
    if value not in known:
        raise Unsound("form", f"{name} must be one of {', '.join(known)}, got {value!r:.60}")
    return value


def _choices(row: Mapping[str, Any], name: str) -> tuple[tuple[str, ...], str]:
    """Return the options without letters, in an order drawn from the id, and the answer."""
    written, kind = _texts(row, "options"), _one_of(row, "type", ("mcq", "open"))
    answer = _text(row, "answer")
    if kind == "open":
        if written:
            raise Unsound("options", f"an open question has {len(written)} options")
        return (), answer
    if not MIN_OPTIONS <= len(written) <= MAX_OPTIONS:
        raise Unsound(
            "options", f"expected {MIN_OPTIONS} to {MAX_OPTIONS} options, got {len(written)}"
        )
    options = list(_unlettered(written))
    if len({seen(option) for option in options}) < len(options):
        raise Unsound("same_options", f"two options are the same: {options}")
    right = _named(options, {one.label: one.text for one in label_choices(written)}, answer)
    order = np.random.default_rng(subseed(0, "options", name)).permutation(len(options))
    return tuple(options[int(place)] for place in order), right


def _unlettered(written: Sequence[str]) -> tuple[str, ...]:
    if len(set(written)) < len(written):
        raise Unsound("same_options", f"two options are the same: {list(written)}")
    try:
        return split_options(list(written))
    except DatasetError as error:
        raise Unsound("options", str(error)) from error


def _named(options: Sequence[str], letters: Mapping[str, str], answer: str) -> str:
    """Return the option that an answer repeats, or names by the letter before it."""
    try:
        right = by_text(options, answer)
    except DatasetError:
        found = _LETTER.fullmatch(answer)
        named = letters.get(found[1].upper()) if found else None
        if named is not None and named in options:
            return named
    else:
        begun = None if seen(answer) == seen(right) else _LETTERED.match(answer)
        named = right if begun is None else letters.get(begun[1].upper())
        if named is not None and seen(named) == seen(right):
            return right
        raise Unsound(
            "answer_not_in_options",
            f"the answer {answer!r} has the letter of another option: {dict(letters)}",
        )
    raise Unsound("answer_not_in_options", f"the answer {answer!r} is none of {list(options)}")


def _tolerance(row: Mapping[str, Any]) -> float | None:
    value = row.get("answer_tolerance")
    if value is None:
        return None
    if not is_finite(value) or value < 0:
        raise Unsound("form", f"answer_tolerance must be a number >= 0, got {value!r:.60}")
    return float(value)


def _percent(row: Mapping[str, Any]) -> float:
    value = row["percent_video_parsed"]
    if not is_finite(value) or not 0 <= value <= 100:
        raise Unsound("form", f"percent_video_parsed must be 0 to 100, got {value!r:.60}")
    return float(value)


def _evidence(row: Mapping[str, Any], index: VideoIndex) -> tuple[Span, ...]:
    spans = row["evidence"]
    if not isinstance(spans, list) or not all(isinstance(span, dict) for span in spans):
        raise Unsound("form", f"evidence must be a list of spans, got {spans!r:.60}")
    return evidence_spans([(span.get("start"), span.get("end")) for span in spans], index)
