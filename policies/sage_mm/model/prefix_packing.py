"""Packing: episodes in one row without padding, shared prefixes only once. No torch.

Rollouts of one question begin with the same tokens and frames, and often go on alike for a turn or
two. What a model computes for a token depends on the tokens before it alone. A shared prefix is
therefore computed once, forward and backward, and its gradient is the sum of everyone's: a prefix
tree as in RadixAttention (arXiv 2312.07104), used for training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Frames = tuple[bytes, ...]

WORTH_SHARING = 16
"""Tokens that a prefix must have at least to be shared. A span costs one call of attention per
layer, and a shared token spares its own computation: the value trades the two and has not been
measured; measure it where prompts of different questions share a short system prompt."""


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
    """A layout of B episodes in one row of T tokens, shared prefixes once.

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


class _Branch(NamedTuple):
    """Episodes, sorted, that agree in their first `start` tokens, which are in the spans `before`.

    They may agree further; `pack` finds out how far when it takes the branch.
    """

    rows: list[int]
    start: int
    before: tuple[int, ...]


def pack(
    ids: Integers,
    lengths: Sequence[int],
    frames: Sequence[Frames],
    frame_pad: int,
    *,
    share: int | None = WORTH_SHARING,
) -> Packing:
    """Lay episodes end to end, shared prefixes once.

    Four episodes (digits are tokens), prefixes of 2 tokens and more are shared:

        row 0   1 2 3 4 5            span       0      1    2    3   4   5
        row 1   1 2 3 6 7 8          tokens     1 2 3  4 5  6 7  8   9   1 5
        row 2   1 2 3 6 7 9          of rows    0 1 2  0    1 2  1   2   3
        row 3   1 5                  before     -      0    0    0 2 0 2 -

    11 tokens are computed instead of 19. Row 3 shares one token with the others, which is too short
    a prefix: row 3 has its own copy of it. The tokens of span 4 look at the spans 0 and 2, and at
    themselves.

    The episodes are a stack of branches of the prefix tree, the first branch on top. A branch is

    1. cut where its episodes part, which for sorted ones is where the first and the last do;
    2. not made a span if it is too short and someone goes on: its sub-branches take it along;
    3. made a span otherwise, which ends those episodes that have no more tokens;
    4. replaced by its sub-branches, if there are any.

    Args:
        ids: int64 `(B, L)`, right-padded.
        lengths: tokens of each episode, at least 1.
        frames: keys of the frames of each, in order.
        frame_pad: the id that stands for a visual token.
        share: least tokens of a prefix to share; `None` to share nothing.

    Raises:
        ValueError: if an episode has not one stretch of visual tokens for each of its frames.
    """
    symbols = _symbols(ids, lengths, frames, frame_pad)
    spans: list[PackedSpan] = []
    ends: dict[int, tuple[int, ...]] = {}  # the spans of each episode
    if share is None:
        stack = [_Branch([row], 0, ()) for row in reversed(range(len(ids)))]
    else:
        stack = [_Branch(sorted(range(len(ids)), key=lambda row: symbols[row].tolist()), 0, ())]
    while stack:
        rows, start, before = stack.pop()
        stop = _common_prefix(symbols[rows[0]], symbols[rows[-1]], start)
        going_on = [row for row in rows if len(symbols[row]) > stop]
        if going_on and share is not None and stop - start < share:
            stack += [_Branch(b, start, before) for b in reversed(_split(rows, symbols, stop))]
            continue
        through = (*before, len(spans))
        spans.append(PackedSpan(rows[0], start, stop, before))
        ends |= dict.fromkeys(set(rows).difference(going_on), through)
        stack += [_Branch(b, stop, through) for b in reversed(_split(going_on, symbols, stop))]
    return _placed(spans, ends, symbols, frames)


def _symbols(
    ids: Integers, lengths: Sequence[int], frames: Sequence[Frames], frame_pad: int
) -> list[Integers]:
    """Return the tokens of each episode, those of a frame as a negative number for its key.

    Visual tokens all have one id: without this, episodes with other frames would seem the same.
    """
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


def _common_prefix(one: Integers, other: Integers, start: int) -> int:
    """Return the length of the common prefix of two episodes that agree up to `start`."""
    length = min(len(one), len(other))
    differ = one[start:length] != other[start:length]
    return start + int(differ.argmax()) if differ.any() else length


def _split(rows: Sequence[int], symbols: Sequence[Integers], at: int) -> list[list[int]]:
    """Divide sorted episodes by their token `at`; those that have ended there come first."""
    branches: dict[int | None, list[int]] = {}
    for row in rows:
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
    """Return the frames that begin in a span.

    None is cut by its end: all visual tokens of a frame have one symbol, so that episodes agree in
    all of them or in none.
    """
    visual = symbols < 0
    begins = visual & ~np.concatenate([[False], visual[:-1]])
    first = int(begins[: span.start].sum())
    return frames[first : first + int(begins[span.start : span.stop].sum())]
