"""Questions of one video that ask the same again: by the meaning of their texts, or their letters.

Two questions of a video are the same where their texts are near, and so are their answers and
their evidence:

| texts | answers | evidence | then |
|---|---|---|---|
| same words | any | overlaps, or not known | the same (where answers differ, one is wrong) |
| same words | same | any | the same: it does not say which of several moments it means |
| near: cosine >= `similar` | same | overlaps, or not known | the same |
| else | | | two questions |

Texts that are built alike are near without asking the same (*on the red backdrop*, *on the blue*):
hence the answers and the evidence. Of several that are the same, the first stays.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sage_env.datasets.answer_text import normalise
from sage_env.datasets.item import QAItem
from sage_env.errors import MissingExtra
from sage_env.timeline import Span

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to vectors, float32 `(N, D)`; near ones have a cosine near 1."""
AUTO = "auto"
"""Name of the default embedding, or of letters where its weights are not here."""
LETTERS = "letters"
"""Name of `letter_vectors`, in the record."""
_NEAR = 0.8  # cosine of sentence embeddings, see `Similarity.near`
_WIDTH = 4096  # buckets of groups of letters; collisions raise a cosine by about 1/64
_GROUPS = (3, 4, 5)


@dataclass(frozen=True)
class Duplicate:
    """A question that asks what another one does.

    Attributes:
        id: of it.
        of: id of the one that stays.
        cosine: of the two texts.
        same_answer: whether they have the same answer.
    """

    id: str
    of: str
    cosine: float
    same_answer: bool


def near_duplicates(
    items: Sequence[QAItem], videos: Sequence[str], embed: Embed, similar: float
) -> list[Duplicate]:
    """Return the questions that ask again what an earlier one of their video asks.

    Args:
        items: in the order in which they were written.
        videos: the name of each one's video.
        embed: of texts.
        similar: least cosine of texts that are near.
    """
    if not items:
        return []
    vectors = _unit(embed([item.question for item in items]))
    kept: dict[str, list[int]] = {}
    found = []
    for k, (item, video) in enumerate(zip(items, videos, strict=True)):
        own = kept.setdefault(video, [])
        cosines = (vectors[own] @ vectors[k]).tolist()
        same = (
            Duplicate(item.id, items[j].id, round(cosine, 4), _same_answer(item, items[j]))
            for j, cosine in zip(own, cosines, strict=True)
            if _asks_again(item, items[j], cosine >= similar)
        )
        first = next(same, None)
        if first is None:
            own.append(k)
        else:
            found.append(first)
    return found


def letter_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return vectors of texts by their groups of 3 to 5 letters: float32 `(N, 4096)`.

    For where no embedding is installed: it sees other spellings, and no other words of the same
    meaning.
    """
    vectors = np.zeros((len(texts), _WIDTH), np.float32)
    for row, text in zip(vectors, texts, strict=True):
        padded = f" {normalise(text)} "
        for size in _GROUPS:
            for k in range(len(padded) - size + 1):
                row[zlib.crc32(padded[k : k + size].encode()) % _WIDTH] += 1
    return vectors


@dataclass(frozen=True, eq=False)
class Similarity:
    """What texts are compared by.

    Attributes:
        embed: texts to vectors.
        name: for the record.
        near: cosine from which texts are near. Of pairs of one meaning in other words of SageSynth
            (`flashes`, `blinks`), letters give 0.65 and more, all-MiniLM-L6-v2 0.83 and more.
    """

    embed: Embed = letter_vectors
    name: str = LETTERS
    near: float = 0.6


def find_similarity(name: str = AUTO) -> Similarity:
    """Return what texts are compared by.

    Args:
        name: `letters`; `auto`; or a folder or hub id of a text encoder.

    Raises:
        MissingExtra: if an encoder is named and cannot be loaded for want of a package.
        ToolError: if what is named is none.
    """
    if name == LETTERS:
        return Similarity()
    from sage_env.tools.grounding.text_embedding import HUB_NAME, embed

    source = None if name == AUTO else name
    try:
        embed([""], source)
    except MissingExtra:
        if name != AUTO:
            raise
        return Similarity(name=f"{LETTERS} (the weights of {HUB_NAME} are not here)")
    return Similarity(partial(embed, source=source), source or HUB_NAME, _NEAR)


def _asks_again(item: QAItem, other: QAItem, near: bool) -> bool:
    meet = _overlap(item.evidence, other.evidence)
    if normalise(item.question) == normalise(other.question):
        return meet or _same_answer(item, other)
    return near and meet and _same_answer(item, other)


def _same_answer(item: QAItem, other: QAItem) -> bool:
    answers = {normalise(text) for text in (item.answer, *item.aliases)}
    return bool(answers & {normalise(text) for text in (other.answer, *other.aliases)})


def _overlap(spans: Sequence[Span], others: Sequence[Span]) -> bool:
    """Return whether two pieces of evidence may be the same: they overlap, or one is not known."""
    if not spans or not others:
        return True
    return any(a < d and c < b for a, b in spans for c, d in others)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    sizes = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: NDArray[np.float32] = vectors / np.maximum(sizes, 1e-12)
    return found
