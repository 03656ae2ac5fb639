"""The stretch of the video that an answer claims: its evidence spans, or times in its text."""

from __future__ import annotations

import re

from sage_env.actions.action import Answer
from sage_env.timeline import Span, parse_seconds

_TIME = r"(?:\d+:)?\d+:[0-5]\d(?:\.\d+)?|\d+(?:\.\d+)?"
_UNIT = r"\s*(?:s|sec|secs|seconds?)?\.?"
_BETWEEN = r"\s*(?:-|–|—|~|,|to|until|till|and)\s*"
_PAIR = re.compile(rf"(?<![\w.])({_TIME}){_UNIT}{_BETWEEN}({_TIME})(?![\d:])", re.IGNORECASE)


def answer_spans(answer: Answer | None, kind: str) -> tuple[Span, ...] | None:
    """Return the spans that an answer claims, as given; `None` where it claims none.

    A question of kind `ground` is answered with a stretch: there, the answer's text is read, and
    its evidence spans count where the text names none.
    """
    if answer is None:
        return None
    named = spans_in(answer.text) if kind == "ground" else ()
    return named or answer.evidence or None


def spans_in(text: str) -> tuple[Span, ...]:
    """Return the stretches that a text names, such as `00:15-00:19` or `from 12.5 to 20 s`.

    The earlier time comes first, whatever the text says; two equal times are no stretch. A single
    time is none either.
    """
    found = []
    for pair in _PAIR.finditer(text):
        ends = [parse_seconds(word) for word in pair.groups()]
        times = sorted(second for second in ends if second is not None)
        if len(times) == 2 and times[0] < times[1]:
            found.append((times[0], times[1]))
    return tuple(found)
