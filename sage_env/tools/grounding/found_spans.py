"""Stretches that were found, which of them are told, and in which words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MOST = 5
"""Most stretches of one reply."""
_SAME = 0.3  # two that overlap more are one finding, of which the better is told
_MOST_WORDS = 120  # characters of what was found in a line of the reply


class FoundSpan(NamedTuple):
    """A stretch in which an event may happen.

    Attributes:
        start: seconds.
        end: seconds, after `start`.
        score: how well it fits, from 0 to 1.
        source: how that is known, such as `"text on screen"`.
        words: what was read, heard or seen there; may be `""`.
    """

    start: float
    end: float
    score: float
    source: str
    words: str

    def overlap(self, other: FoundSpan) -> float:
        """Return the seconds that two have in common, over those of both."""
        common = min(self.end, other.end) - max(self.start, other.start)
        whole = max(self.end, other.end) - min(self.start, other.start)
        return max(0.0, common) / max(whole, 1e-9)


def best_spans(found: Sequence[FoundSpan], most: int = MOST) -> list[FoundSpan]:
    """Return the best `most`, best first, the shorter of two that fit as well.

    None is much the same as a better one.
    """
    kept: list[FoundSpan] = []
    for span in sorted(found, key=lambda one: (-one.score, one.end - one.start, one.start)):
        if len(kept) < most and all(span.overlap(other) <= _SAME for other in kept):
            kept.append(span)
    return kept


def written_spans(found: Sequence[FoundSpan]) -> str:
    """Return a line for each: `[12.0 s - 15.5 s] score 0.83 (speech: "the words")`."""
    return "\n".join(map(_line, found))


def _line(span: FoundSpan) -> str:
    words = " ".join(span.words.split())
    if len(words) > _MOST_WORDS:
        words = f"{words[:_MOST_WORDS].rstrip()}…"
    words = words.replace('"', "'")
    told = f'{span.source}: "{words}"' if words else span.source
    return f"[{span.start:.1f} s - {span.end:.1f} s] score {span.score:.2f} ({told})"
