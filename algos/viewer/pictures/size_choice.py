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
    """

    side: int
    quality: int
    count: int


def choose_size(sample: Mapping[int, Sequence[int]], count: int, room: int) -> SizeChoice:
    """Return the best size at which all questions should fit, else the least one for fewer.

    Args:
        sample: bytes of the sheets of some questions at quality `TRIED`, by side.
        count: of questions.
        room: bytes for all of them.
    """
    for side in SIDES:
        sizes = sample.get(side)
        if not sizes:
            continue
        expected = count * sum(sizes) / len(sizes)
        lowest = TRIED if side > SIDES[-1] else QUALITIES[-1]
        for quality in QUALITIES:
            if quality >= lowest and expected * _RELATIVE[quality] <= room:
                return SizeChoice(side, quality, count)
    least = sample.get(SIDES[-1]) or [1]
    each = max(1.0, _RELATIVE[QUALITIES[-1]] * sum(least) / len(least))
    return SizeChoice(SIDES[-1], QUALITIES[-1], min(count, max(1, int(room / each))))


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
