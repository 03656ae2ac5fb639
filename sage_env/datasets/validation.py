"""The checks of a dataset: every field of an item, and that its gold answer scores 1."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from weakref import WeakValueDictionary

from sage_env.actions.action import is_unicode
from sage_env.argument_checks import is_finite
from sage_env.datasets.item import KINDS, QAItem
from sage_env.datasets.matching import match_answer
from sage_env.errors import DatasetError

_passed: WeakValueDictionary[int, QAItem] = WeakValueDictionary()
"""Items that can be asked, by their identity: each environment of a dataset checks them again."""
_ROUNDING = 1e-3  # seconds by which evidence may stick out of a duration that was rounded


def validate(items: Sequence[QAItem], *, places: Sequence[str] | None = None) -> None:
    """Check that every item can be asked, and that its gold answer, and no other choice, is right.

    `places[i]` says where item i comes from, for the message; by default its index.

    Raises:
        DatasetError: for the first item that is not usable, saying what to change.
    """
    if not len(items):
        raise DatasetError("a dataset must hold at least one question, got none")
    seen: set[str] = set()
    for index, item in enumerate(items):
        place = places[index] if places else f"item {index}"
        if not isinstance(item, QAItem):
            raise DatasetError(f"{place}: expected a QAItem, got {type(item).__name__}")
        known = _passed.get(id(item)) is item
        problem = None if known else next(_problems(item), None)
        if problem is None and item.id in seen:
            problem = "its id was used before: ids must be unique"
        if problem:
            raise DatasetError(f"{place} (id {item.id!r}): {problem}")
        seen.add(item.id)
        _passed[id(item)] = item


def _problems(item: QAItem) -> Iterator[str]:
    """Yield what is wrong with an item; each check may rely on those before it."""
    yield from _text_problems(item)
    yield from _type_problems(item)
    yield from _choice_problems(item)
    yield from _number_problems(item)
    yield from _evidence_problems(item)


def _text_problems(item: QAItem) -> Iterator[str]:
    for name in ("id", "question", "answer"):
        if not _is_text(getattr(item, name)):
            yield f"{name} must be a non-empty string, got {getattr(item, name)!a}"
    for name in ("choices", "aliases"):
        texts = getattr(item, name)
        if not isinstance(texts, tuple) or not all(_is_text(text) for text in texts):
            yield f"{name} must be a tuple (in JSON a list) of non-empty strings, got {texts!a}"


def _type_problems(item: QAItem) -> Iterator[str]:
    if not isinstance(item.video, Path):
        yield f"video must be a Path (in JSON a string, not empty), got {item.video!r}"
    elif "\0" in str(item.video):
        yield f"video must be the path of a file, which has no zero byte, got {str(item.video)!a}"
    if item.subtitles is not None and not isinstance(item.subtitles, Path):
        yield f"subtitles must be a Path (in JSON a string, not empty), got {item.subtitles!r}"
    if not isinstance(item.group, Mapping):
        yield f"group must be a mapping of report keys, got {item.group!r}"
    else:
        for key, value in item.group.items():
            if not all(isinstance(x, str) and is_unicode(x) for x in (key, value)):
                yield f"keys and values of group must be strings, got {key!a}: {value!a}"
    if item.kind not in KINDS:
        yield f"kind must be one of {', '.join(KINDS)}, got {item.kind!r}"


def _choice_problems(item: QAItem) -> Iterator[str]:
    if (item.kind == "mcq") != bool(item.choices):
        yield f"kind {item.kind!r} has {len(item.choices)} choices: mcq needs them, others none"
    if any(len(choice.splitlines()) > 1 for choice in item.choices):
        yield "a choice must be a single line"
    if item.choices and item.answer not in item.choices:
        yield f"the answer {item.answer!r} is not among the choices {list(item.choices)}: fix one"
    others = list(item.choices)
    if item.answer in others:
        others.remove(item.answer)
    for other in others:
        if other.split() == item.answer.split() or match_answer(item, other):
            yield f"the choice {other!r} also counts as the answer {item.answer!r}: change one"
    if not match_answer(item, item.answer):
        yield f"the answer {item.answer!r} is not recognised as right: write it more plainly"


def _number_problems(item: QAItem) -> Iterator[str]:
    if item.duration is not None and not (is_finite(item.duration) and item.duration > 0):
        yield f"duration must be seconds > 0, or left out, got {item.duration!r}"
    if not is_finite(item.subtitles_start):
        yield f"subtitles_start must be seconds, got {item.subtitles_start!r}"
    if item.tolerance is not None and not (is_finite(item.tolerance) and item.tolerance >= 0):
        yield f"tolerance must be a number >= 0, or left out, got {item.tolerance!r}"


def _evidence_problems(item: QAItem) -> Iterator[str]:
    if not isinstance(item.evidence, tuple):
        yield f"evidence must be a tuple (in JSON a list) of spans, got {item.evidence!r}"
    limit = math.inf if item.duration is None else item.duration + _ROUNDING
    for span in item.evidence:
        pair = isinstance(span, tuple) and len(span) == 2 and all(is_finite(x) for x in span)
        if not pair or not 0 <= span[0] < span[1]:
            yield f"an evidence span must be (start, end) with 0 <= start < end, got {span!r}"
        elif span[1] > limit:
            yield f"the evidence span {span} ends after the video, which has {item.duration} s"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and is_unicode(value)
