"""Whose question is it: questions of another project's file among those of a dataset of ours.

A question is the same under another id where the video has the same name and the text begins in
the same way, case, spaces and punctuation apart: others write the choices behind the question.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from algos.exchange.foreign_rows import UNKNOWN_VIDEO, ForeignQuestion
from sage_env.datasets.item import QAItem


def matched(
    questions: Sequence[ForeignQuestion], items: Sequence[QAItem]
) -> tuple[list[ForeignQuestion], list[str]]:
    """Return the answers to questions of ours, and the ids of those that are none.

    Of two questions that fit, the longer counts; two that fit as well are none.

    Args:
        questions: of the file; those that are found carry our item, and so our id.
        items: of our dataset.
    """
    by_id = {item.id: item for item in items}
    by_video: dict[str, list[QAItem]] = defaultdict(list)
    for item in items:
        by_video[item.video.stem].append(item)
    found: list[ForeignQuestion] = []
    lost: list[str] = []
    for question in questions:
        theirs = question.item
        known = theirs.video != UNKNOWN_VIDEO
        near = by_video[theirs.video.stem] if known else list(items)
        ours = by_id.get(theirs.id) or _same(theirs.question, near)
        if ours is None:
            lost.append(theirs.id)
        else:
            found.append(question.asked(ours))
    return found, lost


def _same(text: str, items: Sequence[QAItem]) -> QAItem | None:
    told = _letters(text)
    fitting = [item for item in items if _begins(told, _letters(item.question))]
    longest = max((len(_letters(item.question)) for item in fitting), default=0)
    best = [item for item in fitting if len(_letters(item.question)) == longest]
    return best[0] if len(best) == 1 else None


def _begins(told: str, ours: str) -> bool:
    return bool(ours) and told.startswith(ours)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
