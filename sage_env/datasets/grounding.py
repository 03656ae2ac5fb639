"""Stretches of time that an answer names, and how well they meet the stretches it should name.

Intersections are of the unions of intervals, as in CG-Bench's and NExT-GQA's own code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from sage_env.actions.thoughts import after_thoughts
from sage_env.datasets.answer_text import final_part, without_markup
from sage_env.datasets.item import QAItem
from sage_env.datasets.written_numbers import SECONDS_OF_UNIT, Number, read_number
from sage_env.timeline import Span, covered

GROUNDED_IOU = 0.5
"""Least intersection over union of a right answer to a question for a stretch of time."""

_UNIT = r"(?:h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?)(?![A-Za-z])"
_CLOCK = r"[0-9]{1,4}(?::[0-9]{1,2}){1,2}(?:\.[0-9]+)?(?![0-9:])"
_DIGITS = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
_TIME = rf"(?:{_CLOCK}|(?:{_DIGITS}\s*{_UNIT}[\s,]*){{0,2}}{_DIGITS}(?:\s*{_UNIT})?)"
_DASH = r"(?:[-–—~]|to|until|till|through)"
_EDGE = r"[\s\"'<>\[\](){}:=,]"
_NOT_WITHIN = r"(?<![\w.:-])"
_PAIRS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # between 12 and 20 s
        rf"between\s+(?P<a>{_TIME})\s+and\s+(?P<b>{_TIME})",
        # it starts at 12 s and ends at 20 s; {"start": 12, "end": 20}
        rf"\b(?:start|begin)[a-z]*(?:[ _](?:time|at|sec(?:ond)?s?|point))?{_EDGE}*(?:is|at)?\s*"
        rf"(?P<a>{_TIME})[^0-9]{{0,40}}?\b(?:end|stop|finish)[a-z]*"
        rf"(?:[ _](?:time|at|sec(?:ond)?s?|point))?{_EDGE}*(?:is|at)?\s*(?P<b>{_TIME})",
        # 12.5-20 s; from 0:12 to 0:20; <12 s> - <20 s>
        rf"{_NOT_WITHIN}(?P<a>{_TIME})\s*>?\s*{_DASH}\s*<?\s*(?P<b>{_TIME})(?![\w:]|-[0-9])",
        # [12.5, 20]
        rf"[\[(]\s*(?P<a>{_TIME})\s*,\s*(?P<b>{_TIME})\s*[\])]",
    )
)

_FRAMED = re.compile(r"[\[(]|start|begin", re.IGNORECASE)


class Overlap(NamedTuple):
    """How well some stretches of time meet the gold ones; each from 0 to 1.

    Attributes:
        iou: intersection over union.
        iop: intersection over what was named (NExT-GQA's IoP), 0 where nothing was.
    """

    iou: float
    iop: float


def overlap(named: Iterable[Span], gold: Iterable[Span]) -> Overlap:
    """Return how well the union of `named` meets that of `gold`, spans in seconds.

    >>> overlap([(0.0, 10.0), (5.0, 20.0)], [(10.0, 30.0)])
    Overlap(iou=0.3333333333333333, iop=0.5)
    """
    named, gold = list(named), list(gold)
    union = covered([*named, *gold])
    length = covered(named)
    if not union or not length:
        return Overlap(0.0, 0.0)
    common = max(0.0, length + covered(gold) - union)
    return Overlap(common / union, min(1.0, common / length))


@lru_cache(maxsize=1024)  # a gold answer is read for every check of its question
def read_spans(text: str) -> tuple[Span, ...]:
    """Return the stretches that an answer names, in seconds and order; `()` if it names none.

    `12.5-20 s`, `from 0:12 to 0:20`, `between 12 and 20 seconds`, `[[1, 2], [3, 4]]`, `starts at
    12 s, ends at 20 s` and `{"start": 12, "end": 20}` are read; thoughts and markup are not. A unit
    behind the second time holds for both. Where some pairs are written as times, with a unit, a
    colon, a decimal point or brackets, bare pairs such as `2-3 people` are none. The earlier
    time comes first, whatever the text says; two equal times are no stretch.
    """
    if not (after_thoughts(text) or "").strip():
        return ()
    final, _ = final_part(text)
    pairs = sorted(_pairs(without_markup_of_times(final if final is not None else text)))
    plain = [pair for pair in pairs if pair.written_as_times] or pairs
    return tuple(pair.span for pair in plain if pair.span[0] < pair.span[1])


def without_markup_of_times(text: str) -> str:
    """Return the text without Markdown and tags, but with `<12 s>` as it is."""
    return without_markup(re.sub(r"<\s*([0-9][^<>]*)>", r" \1 ", text))


def gold_spans(item: QAItem) -> tuple[Span, ...]:
    """Return the stretches that answer a question for a stretch of time; `()` for other questions.

    Its gold answer is written as one, `12.5-20 s`, and its evidence is the same more exactly.
    """
    if item.kind != "ground":
        return ()
    read = read_spans(item.answer)
    return (item.evidence or read) if read else ()


def answer_spans(item: QAItem, text: str, evidence: Sequence[Span] = ()) -> tuple[Span, ...]:
    """Return the stretches that an answer names: its evidence.

    To a question for a stretch of time, those in its text come first, where it names any.
    """
    read = read_spans(text) if gold_spans(item) else ()
    return read or tuple(evidence)


class _Pair(NamedTuple):
    """Two times in a text: where they begin in it, and what they say."""

    place: int
    span: Span
    written_as_times: bool


def _pairs(text: str) -> Iterator[_Pair]:
    """Yield the pairs of times of a text; what one form has taken is left out for the next."""
    for pattern in _PAIRS:
        for match in pattern.finditer(text):
            first, second = _read(match["a"]), _read(match["b"])
            if first is not None and second is not None:
                ends = sorted((_in_unit_of(first, second), second.value))
                forms = {first.form, second.form}
                as_times = bool(_FRAMED.match(match[0])) or "." in match[0] or forms != {"plain"}
                yield _Pair(match.start(), (ends[0], ends[1]), as_times)
        text = pattern.sub(lambda match: "#" * len(match[0]), text)


def _read(written: str) -> Number | None:
    """Read one time; a lone `5 m` is minutes here, where nothing else can be meant."""
    return read_number(re.sub(r"(?<=[0-9])\s*m\Z", " min", written.strip().casefold()))


def _in_unit_of(first: Number, second: Number) -> float:
    """Return a first time in seconds: `1-2 min` and `90-100 s` name the unit once."""
    shared = first.form == "plain" and len(second.form) == 1
    return first.value * SECONDS_OF_UNIT[second.form] if shared else first.value
