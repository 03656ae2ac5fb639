"""A request of lmms-eval as a question of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.exchange.lmms_plugin.task_documents import ITEM, item_of
from algos.exchange.played_entry import ExchangeError
from sage_env.datasets.item import QAItem


def asked_item(name: str, doc: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> QAItem:
    """Return what a request asks.

    A document of ours is its item, choices included. Of any other task the text is the question,
    choices as they are written in it, and the one video is the video. The gold answer is not taken:
    the task scores.

    Args:
        name: of the request, unique among all.
        doc: of the task.
        messages: of its `doc_to_messages`.

    Raises:
        ExchangeError: if there is no video, or something else to look at.
    """
    if ITEM in doc:
        return _without_gold(name, item_of(doc))
    parts = [part for message in messages for part in message["content"]]
    seen = [part for part in parts if part["type"] != "text"]
    if len(seen) != 1 or seen[0]["type"] != "video" or not isinstance(seen[0]["url"], str):
        told = ", ".join(part["type"] for part in seen) or "none"
        raise ExchangeError(f"{name}: expected one video file to look at, got {told}")
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    return _without_gold(name, QAItem(name, Path(seen[0]["url"]), text.strip()))


def _without_gold(name: str, item: QAItem) -> QAItem:
    """Return what is asked, with some answer in place of the gold one."""
    return QAItem(
        id=name,
        video=item.video,
        question=item.question,
        choices=item.choices,
        answer=item.choices[0] if item.choices else "unknown",
        kind="mcq" if item.choices else "open",
        duration=item.duration,
    )
