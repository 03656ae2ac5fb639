"""How well texts fit the description of an event: by meaning, or by words alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sage_env.tools.grounding.text_embedding import embed

Matcher = Callable[[str, Sequence[str]], NDArray[np.float32]]
"""`matcher(event, texts)` returns a score from 0 to 1 per text, float32 `(N,)`."""
Embedder = Callable[[Sequence[str]], NDArray[np.float32]]

_QUOTED = re.compile(r"[\"“”„«»]([^\"“”„«»]{3,})[\"“”„«»]|(?<!\w)'([^']{3,})'(?!\w)")
_WORD = re.compile(r"\w+")
_SMALL_WORDS = frozenset(
    "a an and are as at be by do does for from has have he her his how in is it its of on or she "
    "that the their there they this to was were what when where which who will with".split()
)
_ALIKE = 0.5  # least part of letter groups that words with one stem share


def match_meanings(
    event: str, texts: Sequence[str], embedder: Embedder = embed
) -> NDArray[np.float32]:
    """Return the cosine of an event with each text, at least 0; of its quoted words if nearer.

    The result is float32 `(N,)` for N texts.

    Raises:
        MissingExtra: if the weights are not here.
    """
    queries = [event, *quoted(event)]
    if not texts:
        return np.zeros(0, np.float32)
    vectors = embedder([*queries, *texts])
    cosines = vectors[: len(queries)] @ vectors[len(queries) :].T
    best: NDArray[np.float32] = np.clip(cosines.max(axis=0), 0.0, 1.0)
    return best


def remembering(embedder: Embedder, most: int = 4_096) -> Embedder:
    """Return an embedder that embeds a text once: the next event is matched with the same texts.

    Args:
        embedder: embeds texts.
        most: texts whose vectors are kept.
    """
    kept: dict[str, NDArray[np.float32]] = {}

    def embed_new(texts: Sequence[str]) -> NDArray[np.float32]:
        wanted = list(dict.fromkeys(texts))
        new = [text for text in wanted if text not in kept]
        if len(kept) + len(new) > most:
            kept.clear()
            new = wanted
        if new:
            kept.update(zip(new, embedder(new), strict=True))
        return np.stack([kept[text] for text in texts])

    return embed_new


def match_words(event: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return which part of an event's words is in each text; words that share a stem count in part.

    The result is float32 `(N,)` for N texts.

    Small words are left out. Words are compared by groups of three letters (Dice's coefficient),
    so that other forms of a word, and letters that were misread, still count.
    """
    queries = [_words(query) for query in [*quoted(event), event]]
    queries = [words for words in queries if words]
    found = np.zeros(len(texts), np.float32)
    for place, text in enumerate(texts):
        there = [_groups(word) for word in _words(text)]
        for words in queries if there else []:
            best = [max(_dice(_groups(word), other) for other in there) for word in words]
            kept = [one if one >= _ALIKE else 0.0 for one in best]
            found[place] = max(found[place], sum(kept) / len(kept))
    return found


def quoted(event: str) -> list[str]:
    """Return what stands in quotation marks in a description."""
    return [a or b for a, b in _QUOTED.findall(event)]


def _words(text: str) -> list[str]:
    words = [word.casefold() for word in _WORD.findall(text)]
    return [word for word in words if word not in _SMALL_WORDS]


def _groups(word: str) -> frozenset[str]:
    padded = f" {word} "
    return frozenset(padded[i : i + 3] for i in range(len(padded) - 2))


def _dice(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))
