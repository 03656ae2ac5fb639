"""The stretch of the video that an answer claims: its evidence spans, or times in its text."""

from __future__ import annotations

from sage_env.actions.action import Answer
from sage_env.datasets.grounding import read_spans
from sage_env.timeline import Span


def answer_spans(answer: Answer | None, kind: str) -> tuple[Span, ...] | None:
    """Return the spans that an answer claims, as given; `None` where it claims none.

    A question of kind `ground` is answered with a stretch: there, the answer's text is read, as for
    its verdict, and its evidence spans count where the text names none.
    """
    if answer is None:
        return None
    named = read_spans(answer.text) if kind == "ground" else ()
    return named or answer.evidence or None
