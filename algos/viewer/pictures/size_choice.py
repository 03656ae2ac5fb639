"""How large and how good pictures can be within a number of bytes, and who goes without."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SIDES = (160, 128, 112, 96, 80, 64)
"""Pixels of the longer side of a picture; on the smallest one still sees who does what."""
QUALITIES = (80, 70, 60, 50, 40, 30)
"""Of WebP; below 30 small pictures fall into blocks."""
TRIED = 50
"""The quality at which a sample is measured, and the lowest at which a larger side is taken."""
FEWEST = 12
"""Pictures to which a question may be cut before others have none: an overview has as many."""
_THINNED = 40
"""The quality at which pictures are left out: one is left below it for what was guessed wrong."""
_RELATIVE = {80: 1.55, 70: 1.28, 60: 1.11, 50: 1.0, 40: 0.89, 30: 0.77}
"""Bytes relative to those at `TRIED`: measured on sheets of frames of 64 by 64 pixels. It only
chooses where to begin: every sheet is weighed when it is there."""


@dataclass(frozen=True)
class SizeChoice:
    """What the pictures of a page are made with.

    Attributes:
        side: most pixels of their longer side.
        quality: of the sheets, where none turns out too heavy.
        count: of questions that there should be room for.
        cells: most pictures of a question.
    """

    side: int
    quality: int
    count: int
    cells: int


@dataclass(frozen=True)
class Sample:
    """The sheets of some questions.

    Attributes:
        sizes: bytes of each at quality `TRIED`, by side.
        cells: pictures of each.
    """

    sizes: Mapping[int, Sequence[int]]
    cells: Sequence[int]


def choose_size(sample: Sample, wanted: Sequence[int], count: int, room: int) -> SizeChoice:
    """Return the best size at which all questions should fit, else the least one.

    Where pictures of the least size are too many, questions with many of them lose some, all down
    to the same number; where that is not enough, the last questions have none.

    Args:
        sample: of the questions.
        wanted: pictures of each question that is to be drawn now.
        count: of questions, with those that are to be drawn later.
        room: bytes for all of them.
    """
    for side in SIDES:
        sizes = sample.sizes.get(side)
        if not sizes:
            continue
        expected = count * sum(sizes) / len(sizes)
        lowest = TRIED if side > SIDES[-1] else QUALITIES[-1]
        for quality in QUALITIES:
            if quality >= lowest and expected * _RELATIVE[quality] <= room:
                return SizeChoice(side, quality, count, max(wanted))
    least = sum(sample.sizes.get(SIDES[-1]) or [1])
    cell = max(1.0, least / max(1, sum(sample.cells)))
    here = room * len(wanted) / count
    cells = most_each(wanted, here / (cell * _RELATIVE[_THINNED]))
    if cells >= FEWEST:
        return SizeChoice(SIDES[-1], _THINNED, count, cells)
    kept = sum(min(number, FEWEST) for number in wanted) / len(wanted)
    each = max(1.0, kept * cell * _RELATIVE[QUALITIES[-1]])
    return SizeChoice(SIDES[-1], QUALITIES[-1], min(count, max(1, int(room / each))), FEWEST)


def most_each(wanted: Sequence[int], room: float) -> int:
    """Return the largest number to which all can be cut so that together they are within `room`.

    Args:
        wanted: pictures of each question.
        room: most pictures of all.
    """
    low, high = 0, max(wanted, default=0)
    while low < high:
        middle = (low + high + 1) // 2
        fits = sum(min(number, middle) for number in wanted) <= room
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def with_lower(sizes: Mapping[int, int]) -> dict[int, int]:
    """Return the bytes of a sheet by quality, with what it should take at each lower one.

    Args:
        sizes: bytes at the qualities at which the sheet is there; empty for no sheet.
    """
    lowest = min(sizes, default=0)
    expected = {
        quality: round(sizes[lowest] * _RELATIVE[quality] / _RELATIVE[lowest])
        for quality in QUALITIES
        if quality < lowest
    }
    return {**expected, **sizes}


def fit(sheets: Sequence[Mapping[int, int]], room: int) -> list[int | None]:
    """Return the quality of each sheet, so that all together have room; `None` for those left out.

    The heaviest sheets become lighter first; when none can, the last ones are left out.

    Args:
        sheets: bytes of each sheet by quality; those of the first question first.
        room: most bytes of all.
    """
    ladders = [sorted(sizes, reverse=True) for sizes in sheets]
    chosen: list[int | None] = [ladder[0] if ladder else None for ladder in ladders]
    heap = [(-sheets[k][q], k) for k, q in enumerate(chosen) if q is not None]
    heapq.heapify(heap)
    total = -sum(size for size, _ in heap)
    while total > room and heap:
        size, k = heapq.heappop(heap)
        lower = [q for q in ladders[k] if q < (chosen[k] or 0)]
        if lower:
            chosen[k] = lower[0]
            total += size + sheets[k][lower[0]]
            heapq.heappush(heap, (-sheets[k][lower[0]], k))
    return _without_the_last(sheets, chosen, total, room)


def _without_the_last(
    sheets: Sequence[Mapping[int, int]], chosen: list[int | None], total: int, room: int
) -> list[int | None]:
    for k in reversed(range(len(chosen))):
        quality = chosen[k]
        if total <= room:
            break
        if quality is not None:
            total -= sheets[k][quality]
            chosen[k] = None
    return chosen
