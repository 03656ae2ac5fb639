"""The checks that read questions alone: before anything is played, and without a model's answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.data_pipeline.checking.check_settings import CheckSettings
from algos.data_pipeline.checking.near_duplicates import Similarity, near_duplicates
from algos.data_pipeline.checking.writing_habits import length_ratio
from algos.data_pipeline.questions.generated_question import GeneratedQuestion
from algos.data_pipeline.questions.question_files import Rejection
from sage_env.datasets.answer_text import normalise
from sage_env.datasets.item import QAItem

_ORDER = re.compile(
    r"(?:^|[.!?:;>]\s*)(?:please\s+)?(?:ignore|disregard|forget)\b[^.!?]{0,60}"
    r"\b(?:questions?|instructions?|prompts?|video|above|before|everything)\b"
    r"|<\|[^|>\s]{1,40}\|>"  # a token of some chat format
    r"|</?(?:script|img|iframe|svg|object|style|link)\b"
    r'|\{\s*"action"\s*:',  # an action of ours
    re.IGNORECASE,
)
"""What is said to whoever reads a question, and not asked."""


def written_rejections(
    questions: Sequence[GeneratedQuestion], settings: CheckSettings, similarity: Similarity
) -> list[Rejection]:
    """Return what is rejected by how it is written, in the order of the questions.

    Args:
        questions: in the order in which they were written.
        settings: of the checks.
        similarity: what texts are compared by.
    """
    items = [one.item(Path()) for one in questions]
    found: dict[str, list[Rejection]] = {item.id: [] for item in items}
    videos = {one.id: one.video for one in questions}
    for item in items:
        if settings.orders and (order := order_in(item)) is not None:
            why = f"it holds an order to whoever reads it: {order!r}"
            found[item.id].append(_rejection(item, videos, "injected", why, {"order": order}))
        ratio, most = length_ratio(item), settings.length_ratio
        if ratio is not None and most is not None and ratio >= most:
            why = f"the right choice is {ratio:.1f} times as long as the longest other"
            told = {"ratio": ratio, "most": most}
            found[item.id].append(_rejection(item, videos, "length", why, told))
        if gives_away(item):
            why = "the question has the right choice in it, and no other"
            found[item.id].append(_rejection(item, videos, "gives_away", why, {}))
    by_id = {item.id: item for item in items}
    own = [videos[item.id] for item in items]
    near = similarity.near if settings.similar is None else settings.similar
    for one in near_duplicates(items, own, similarity.embed, near):
        same = "with the same answer" if one.same_answer else "with another answer"
        why = f"it asks what {one.of} asks, {same} (cosine {one.cosine:.2f})"
        as_found = {"of": one.of, "cosine": one.cosine, "by": similarity.name}
        found[one.id].append(_rejection(by_id[one.id], videos, "near_duplicate", why, as_found))
    return [one for some in found.values() for one in some]


def order_in(item: QAItem) -> str | None:
    """Return the beginning of an order in a question or its choices; `None` where there is none.

    It finds what is blunt, and no more: whatever it misses is text all the same.
    """
    for text in (item.question, *item.choices):
        if (match := _ORDER.search(text)) is not None:
            return match[0].strip(" .!?:;>")[:80]
    return None


def gives_away(item: QAItem) -> bool:
    """Return whether the words of the right choice stand in the question, and no other's do.

    Of an open question that is not said: `the star or the moon?` names its answer as it should.
    """
    named = [choice for choice in item.choices if _holds(item.question, choice)]
    return named == [item.answer]


def _holds(text: str, choice: str) -> bool:
    words = normalise(choice)
    return bool(words) and bool(re.search(rf"(?<!\w){re.escape(words)}(?!\w)", normalise(text)))


def _rejection(
    item: QAItem, videos: Mapping[str, str], check: str, why: str, found: Mapping[str, Any]
) -> Rejection:
    return Rejection(id=item.id, video=videos[item.id], check=check, reason=why, found=found)
