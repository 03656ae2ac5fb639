"""Sampled tokens as pieces of text, by the policy's own decoding.

A tokenizer over bytes may cut a character into several tokens, none of which is text by itself. So
pieces are not decoded one by one: each is what its token adds to the text of all tokens before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

ReadText = Callable[[NDArray[np.int64]], str]
"""Spells token ids int64 `(L,)`, without a stop token at their end."""
NO_CHARACTER = "\N{REPLACEMENT CHARACTER}"
"""What bytes that are no character (yet) decode to."""


@runtime_checkable
class ReadsText(Protocol):
    """A policy whose token ids can be read as text."""

    def read_text(self, ids: NDArray[np.int64]) -> str:
        """Return what token ids int64 `(L,)` spell, without a stop token at the end."""


def token_pieces(read_text: ReadText, ids: NDArray[np.int64]) -> list[str]:
    """Return what each of the ids int64 `(C,)` adds to their text; joined, they are that text.

    The tokens of `{"thought": "Zoë` might be, the letter `ë` being two bytes:

        ids      {"    thought    ": "    Zo    0xc3    0xab    stop
        pieces   {"    thought    ": "    Zo            ë

    A token that ends within a character adds nothing; bytes that never become one add the
    replacement character as soon as that is certain.

    Args:
        read_text: of the policy (`policies.introspection.DetokenizingPolicy`).
        ids: sampled in one turn, the stop token included.
    """
    whole = read_text(ids)
    # The second way is for decodings of a part that depend on what stands before it.
    for split in (_from_parts, _from_beginnings):
        pieces = split(read_text, ids)
        said = "".join(pieces)
        if whole.startswith(said):
            return _with_rest(pieces, whole[len(said) :], stopped=stop_spelling(read_text, ids))
    return _with_rest([""] * len(ids), whole, stopped=None)


def _with_rest(pieces: list[str], rest: str, *, stopped: str | None) -> list[str]:
    """Add what is left of the text to the last token that is no stop token."""
    if rest:
        pieces[-1 if stopped is None else -2] += rest
    return pieces


def stop_spelling(read_text: ReadText, ids: NDArray[np.int64]) -> str | None:
    """Return how the last of the ids int64 `(C,)` is spelled if it is a stop token, else `None`.

    A stop token is left out at the end only, so that before itself it is spelled.
    """
    last = ids[-1:]
    if not len(last) or read_text(last):
        return None
    return read_text(np.concatenate([last, last])) or None


def _from_parts(read_text: ReadText, ids: NDArray[np.int64]) -> list[str]:
    """Decode from the last place where a character ended: the time is linear in the tokens."""
    pieces: list[str] = []
    start, said = 0, 0  # of the tokens not ended yet: the first, and how much of its text is said
    for end in range(1, len(ids) + 1):
        text = read_text(ids[start:end])
        sure = text.rstrip(NO_CHARACTER)
        pieces.append(sure[said:])
        said = max(said, len(sure))
        if sure == text:
            start, said = end, 0
    return pieces


def _from_beginnings(read_text: ReadText, ids: NDArray[np.int64]) -> list[str]:
    """Decode every beginning of the ids: right for any decoding that only appends."""
    pieces: list[str] = []
    said = ""
    for end in range(1, len(ids) + 1):
        text = read_text(ids[:end]).rstrip(NO_CHARACTER)
        grown = text if text.startswith(said) else said
        pieces.append(grown[len(said) :])
        said = grown
    return pieces
