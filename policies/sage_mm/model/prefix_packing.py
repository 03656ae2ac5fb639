"""Episodes in one row without padding, with whatever several of them begin with only once.

Rollouts of one question begin with the same tokens and frames, and often go on alike for a turn or
two. What a model makes of a token depends on the tokens before it alone, so that a beginning that
is shared is computed once, forward and backward, and its gradient is the sum of everyone's. No
torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Frames = tuple[bytes, ...]

WORTH_SHARING = 16
"""Tokens that a beginning must have at least to be shared: each span costs a call per layer."""


@dataclass(frozen=True)
class PackedSpan:
    """Consecutive tokens of one or more episodes.

    Attributes:
        row: one of the episodes that these tokens are of.
        start: the first of them in that episode.
        stop: the one after the last.
        before: numbers of the spans that hold the tokens from 0 to `start`, in order.
    """

    row: int
    start: int
    stop: int
    before: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of tokens."""
        return self.stop - self.start


@dataclass(frozen=True, eq=False)
class Packing:
    """Where the tokens of B episodes stand in one row of T tokens.

    Attributes:
        spans: in the order of the row; those before a span stand before it.
        slot_of: int64 `(B, L)`: where each token of each episode stands; 0 on padding.
        rows: int64 `(T,)`: an episode that each token of the row is of.
        columns: int64 `(T,)`: which of its tokens it is.
        frames: keys of the frames whose visual tokens are in the row, in order.
    """

    spans: tuple[PackedSpan, ...]
    slot_of: Integers
    rows: Integers
    columns: Integers
    frames: Frames


def pack(
    ids: Integers,
    lengths: Sequence[int],
    frames: Sequence[Frames],
    frame_pad: int,
    *,
    share: int | None = WORTH_SHARING,
) -> Packing:
    """Lay episodes end to end, shared beginnings once.

    Args:
        ids: `(B, L)`, right-padded.
        lengths: tokens of each episode, at least 1.
        frames: keys of the frames of each, in order.
        frame_pad: the id that stands for a visual token.
        share: least tokens of a beginning to share; `None` to share nothing.
    """
    symbols = _symbols(ids, lengths, frames, frame_pad)
    spans: list[PackedSpan] = []
    ends: dict[int, tuple[int, ...]] = {}  # the spans of each episode
    groups: list[tuple[list[int], int, tuple[int, ...]]]
    if share is None:
        groups = [([row], 0, ()) for row in reversed(range(len(ids)))]
    else:
        groups = [(sorted(range(len(ids)), key=lambda row: symbols[row].tolist()), 0, ())]
    while groups:
        group, start, before = groups.pop()
        stop = _common(symbols[group[0]], symbols[group[-1]], start)  # they are sorted: of all
        going_on = [row for row in group if len(symbols[row]) > stop]
        if going_on and share is not None and stop - start < share:
            branches = _branches(group, symbols, stop)
            groups += [(branch, start, before) for branch in reversed(branches)]
            continue
        through = (*before, len(spans))
        spans.append(PackedSpan(group[0], start, stop, before))
        ends |= dict.fromkeys(set(group).difference(going_on), through)
        branches = _branches(going_on, symbols, stop)
        groups += [(branch, stop, through) for branch in reversed(branches)]
    return _placed(spans, ends, symbols, frames)


def _symbols(
    ids: Integers, lengths: Sequence[int], frames: Sequence[Frames], frame_pad: int
) -> list[Integers]:
    """Return the tokens of each episode, those of a frame as a negative number for its key."""
    numbers: dict[bytes, int] = {}
    symbols = []
    for row, length, keys in zip(ids, lengths, frames, strict=True):
        found = row[:length].copy()
        visual = found == frame_pad
        begins = visual & ~np.concatenate([[False], visual[:-1]])
        if begins.sum() != len(keys):
            raise ValueError(
                f"expected a stretch of visual tokens for each of {len(keys)} frames, got "
                f"{begins.sum()}"
            )
        if len(keys):
            of_key = np.array([-1 - numbers.setdefault(key, len(numbers)) for key in keys])
            found[visual] = of_key[np.cumsum(begins)[visual] - 1]
        symbols.append(found)
    return symbols


def _common(one: Integers, other: Integers, start: int) -> int:
    """Return how many tokens two episodes begin with alike; from `start` on that is not known."""
    length = min(len(one), len(other))
    differ = one[start:length] != other[start:length]
    return start + int(differ.argmax()) if differ.any() else length


def _branches(group: Sequence[int], symbols: Sequence[Integers], at: int) -> list[list[int]]:
    """Divide sorted episodes by their token `at`; those that have ended there come first."""
    branches: dict[int | None, list[int]] = {}
    for row in group:
        token = int(symbols[row][at]) if len(symbols[row]) > at else None
        branches.setdefault(token, []).append(row)
    return list(branches.values())


def _placed(
    spans: Sequence[PackedSpan],
    ends: dict[int, tuple[int, ...]],
    symbols: Sequence[Integers],
    frames: Sequence[Frames],
) -> Packing:
    """Say where the tokens of every episode are, once it is known which spans they are in."""
    at = [0, *np.cumsum([len(span) for span in spans]).tolist()]
    slot_of = np.zeros((len(symbols), max(map(len, symbols))), np.int64)
    for row, numbers in ends.items():
        for number in numbers:
            span = spans[number]
            slot_of[row, span.start : span.stop] = np.arange(at[number], at[number + 1])
    shown = [key for span in spans for key in _frames_in(symbols[span.row], frames[span.row], span)]
    return Packing(
        spans=tuple(spans),
        slot_of=slot_of,
        rows=np.concatenate([np.full(len(span), span.row) for span in spans]),
        columns=np.concatenate([np.arange(span.start, span.stop) for span in spans]),
        frames=tuple(shown),
    )


def _frames_in(symbols: Integers, frames: Frames, span: PackedSpan) -> Frames:
    """Return the frames that begin in a span; none is cut by its end."""
    visual = symbols < 0
    begins = visual & ~np.concatenate([[False], visual[:-1]])
    first = int(begins[: span.start].sum())
    return frames[first : first + int(begins[span.start : span.stop].sum())]
