"""Recognised words with their times, and the lines that they make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sage_env.subtitles.line import Line

PAUSE = 0.8
"""Seconds of silence after which words begin a new line."""
LONGEST = 120
"""Characters after which they do."""
_SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")


class Word(NamedTuple):
    """A word that was heard in `[start, end)`.

    Attributes:
        start: seconds from the start of the video.
        end: seconds, not before `start`.
        text: with the blank before it, where its script has one.
    """

    start: float
    end: float
    text: str


def lines_of(words: Iterable[Word]) -> tuple[Line, ...]:
    """Return words as lines, which end with a sentence, at a pause, or when they are long."""
    lines: list[Line] = []
    for word in words:
        if lines and not _is_over(lines[-1], word):
            line = lines[-1]
            lines[-1] = Line(line.start, max(line.end, word.end), line.text + word.text)
        elif word.text.strip():
            lines.append(Line(word.start, word.end, word.text.lstrip()))
    return tuple(line._replace(text=line.text.rstrip()) for line in lines)


def _is_over(line: Line, word: Word) -> bool:
    return (
        line.text.endswith(_SENTENCE_ENDS)
        or word.start - line.end > PAUSE
        or len(line.text) + len(word.text) > LONGEST
    )
