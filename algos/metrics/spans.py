"""Stretches of time compared: a claimed one with the gold one, and shown frames with both.

Spans are `[start, end)` in seconds. Several spans of one side count as their union.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sage_env.timeline import Span, covered


def overlap(ours: Iterable[Span], theirs: Iterable[Span]) -> float:
    """Return the seconds that two unions of spans share."""
    first, second = list(ours), list(theirs)
    return covered(first) + covered(second) - covered([*first, *second])


def iou(ours: Sequence[Span], gold: Sequence[Span]) -> float:
    """Return the intersection of two unions over their union; 0 where both are empty."""
    whole = covered([*ours, *gold])
    return max(0.0, overlap(ours, gold)) / whole if whole > 0 else 0.0


def iop(ours: Sequence[Span], gold: Sequence[Span]) -> float:
    """Return the share of our seconds that lies in the gold ones ("over prediction"); 0 of none.

    Source: Xiao et al., "Can I Trust Your Answer?" (NExT-GQA), CVPR 2024, section 4.
    """
    own = covered(ours)
    return max(0.0, overlap(ours, gold)) / own if own > 0 else 0.0


def best_match(ours: Sequence[Span], gold: Sequence[Span]) -> tuple[float, float]:
    """Return the largest IoU and the largest IoP with any one gold span; they may be of two."""
    pairs = [(iou(ours, [span]), iop(ours, [span])) for span in gold]
    return max((i for i, _ in pairs), default=0.0), max((p for _, p in pairs), default=0.0)


def inside(second: float, spans: Iterable[Span]) -> bool:
    """Return whether a moment lies in one of the spans, the ends excluded."""
    return any(start <= second < end for start, end in spans)


def recall(seconds: Sequence[float], gold: Sequence[Span]) -> float | None:
    """Return the share of gold spans that a shown frame lies in; `None` without gold spans."""
    if not gold:
        return None
    return sum(any(start <= t < end for t in seconds) for start, end in gold) / len(gold)


def precision(seconds: Sequence[float], gold: Sequence[Span]) -> float | None:
    """Return the share of shown frames that lie in a gold span; `None` without either."""
    if not gold or not seconds:
        return None
    return sum(inside(t, gold) for t in seconds) / len(seconds)


def first_hit(looks: Iterable[Sequence[float]], gold: Sequence[Span]) -> int | None:
    """Return the number of the first look with a frame in a gold span; `None` if none has.

    Args:
        looks: times of the frames of each look, seconds; the overview is number 0.
        gold: spans.
    """
    for number, seconds in enumerate(looks):
        if any(inside(t, gold) for t in seconds):
            return number
    return None
