"""Questions as controls ask them: about another video, and with the choices in another order.

What becomes of a question depends on the seed, its id and the whole dataset, and on nothing else:
not on paths, the order of questions or the part of them that is played.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sage_env.datasets.choice_labels import label_choices
from sage_env.datasets.item import QAItem
from sage_env.errors import DatasetError

GOLD_POSITION = "gold position"
"""Report key of a shuffled question: where the right choice came to stand, from 1."""
_OF_OTHERS = re.compile(
    r"\b(?i:above|below|aforementioned)\b"
    r"|\b(?i:all|none|both|neither|either|any) of (?i:these|those|them|the (?:options|choices))\b"
    r"|\b(?i:option|choice|answer)s? \(?[A-H1-9]\)?(?:\W|$)"
    r"|(?:^|\W)\(?[A-H]\)? (?i:and|or|nor|&) \(?[A-H]\)?(?:\W|$)"
)
"""Choices that speak of others by their places: `None of the above`, `Both A and C`."""


def about_another_video(items: Sequence[QAItem], seed: int) -> list[QAItem]:
    """Return questions that are each shown another video, of near duration.

    Videos in order of duration change places with their neighbour, the last three in a ring where
    they are odd in number: no video stays, all questions about one get the same other, and no video
    is shown for two. What the item knew of its own, the evidence, goes.

    Args:
        items: the whole dataset.
        seed: decides among videos of equal duration.

    Raises:
        DatasetError: if all questions are about one video.
    """
    of_video: dict[Path, list[QAItem]] = {}
    for item in items:
        of_video.setdefault(item.video, []).append(item)
    if len(of_video) < 2:
        raise DatasetError("a wrong video needs questions about two videos or more")
    lengths = {video: _duration(asked) for video, asked in of_video.items()}

    def place(video: Path) -> tuple[bool, float, bytes]:
        length, name = lengths[video], min(item.id for item in of_video[video])
        return length is None, length or 0.0, _digest(seed, "video", name)

    other = _neighbours(sorted(of_video, key=place))
    return [
        replace(
            item,
            video=(video := other[item.video]),
            duration=lengths[video],
            evidence=(),
            subtitles=of_video[video][0].subtitles,
            subtitles_start=of_video[video][0].subtitles_start,
        )
        for item in items
    ]


def _neighbours(videos: Sequence[Path]) -> dict[Path, Path]:
    """Return for each of two or more videos another one: its neighbour, in pairs."""
    other: dict[Path, Path] = {}
    ring = len(videos) - 3 if len(videos) % 2 else len(videos)
    for k in range(0, ring, 2):
        other |= {videos[k]: videos[k + 1], videos[k + 1]: videos[k]}
    last = videos[ring:]
    return other | {last[k]: last[(k + 1) % 3] for k in range(len(last))}


def _duration(asked: Sequence[QAItem]) -> float | None:
    return next((item.duration for item in asked if item.duration is not None), None)


def with_shuffled_choices(items: Sequence[QAItem], seed: int) -> list[QAItem]:
    """Return questions whose choices stand in another order; the gold answer goes with its text.

    Letters that choices bring along stay where they are, and the texts move. Every order of a
    question's choices is as likely. A question with a choice that speaks of others by their places
    stays as it is. Where the gold answer came to stand is in the `group`, under `GOLD_POSITION`.

    Args:
        items: the questions.
        seed: with the id of a question it decides the order.
    """
    return [_shuffled(item, seed) if item.answer in item.choices else item for item in items]


def can_be_shuffled(item: QAItem) -> bool:
    """Return whether the choices of a question mean the same in any order."""
    texts = [one.text for one in label_choices(item.choices)]
    whole = item.answer in item.choices and len(set(texts)) == len(texts) > 1
    return whole and not any(_OF_OTHERS.search(text) for text in texts)


def _shuffled(item: QAItem, seed: int) -> QAItem:
    gold, choices, count = item.choices.index(item.answer), item.choices, len(item.choices)
    if can_be_shuffled(item):
        labelled = label_choices(choices)
        order = sorted(range(count), key=lambda k: _digest(seed, "choice", item.id, str(k)))
        heads = [
            choice[: len(choice) - len(one.text)]
            for choice, one in zip(choices, labelled, strict=True)
        ]
        choices = tuple(head + labelled[k].text for head, k in zip(heads, order, strict=True))
        gold = order.index(gold)
    labels = {one.label.casefold() for one in label_choices(item.choices)}
    return replace(
        item,
        choices=choices,
        answer=choices[gold],
        aliases=tuple(alias for alias in item.aliases if _bare(alias) not in labels),
        group={**item.group, GOLD_POSITION: str(gold + 1)},
    )


def _bare(alias: str) -> str:
    """Return another way to write an answer as its label would be: `c` of `(C)` and `C.`."""
    return alias.strip(" ()[].:").casefold()


def _digest(seed: int, *words: str) -> bytes:
    """Return bytes that stand for a seed and words, the same on any machine and version."""
    text = "\0".join((str(seed), *words))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
