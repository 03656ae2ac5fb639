"""Pairs in the conversational form of TRL's preference datasets: JSON lines, frames by reference.

A line has `prompt`, `chosen` and `rejected`, each a list of messages whose content is a list of
blocks of `type` and `text`; and `images`, `chosen_images` and `rejected_images`: the k-th block
`{"type": "image"}` of a list of messages stands for the k-th of its references, each with the
video's content id, its path, seconds and box. The environment's messages within an episode stand
among the chosen and rejected ones as `user`: only what an `assistant` says is the agent's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.data_pipeline.distilling.parquet_sets import rows_of
from sage_env.storage.atomic_file import atomic_path
from sage_env.wrappers.chat_observations import shown_at

CHATS = "dpo_trl.jsonl"
Message = dict[str, Any]


def write_preference_chats(pairs: Path, path: Path) -> int:
    """Write the pairs of a DPO set as conversations; return how many there are.

    Args:
        pairs: the set, a Parquet file.
        path: of the file that is written.

    Raises:
        OSError: if it cannot be written.
    """
    count = 0
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8") as file:
        for row in preference_rows(pairs):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def preference_rows(pairs: Path) -> Iterator[dict[str, Any]]:
    """Yield the pairs of a DPO set as conversations."""
    for row in rows_of(pairs):
        chosen, rejected = row["chosen"], row["rejected"]
        opening = _user(chosen["steps"][0])
        yield {
            "id": row["id"],
            "rule": row["rule"],
            "prompt": [_said("system", chosen["system"]), opening],
            "chosen": _after_the_opening(chosen["steps"]),
            "rejected": _after_the_opening(rejected["steps"]),
            "images": _references(row, chosen["steps"][:1]),
            "chosen_images": _references(row, chosen["steps"][1:]),
            "rejected_images": _references(row, rejected["steps"][1:]),
        }


def _after_the_opening(steps: Sequence[Mapping[str, Any]]) -> list[Message]:
    messages: list[Message] = []
    for number, step in enumerate(steps):
        messages += [_user(step)] if number else []
        messages.append(_said("assistant", step["text"] or step["action"]))
    return messages


def _user(step: Mapping[str, Any]) -> Message:
    blocks: list[Message] = []
    for frame in step["frames"]:
        blocks.append({"type": "text", "text": shown_at(frame["seconds"])})
        blocks.append({"type": "image", "text": None})
    blocks.append({"type": "text", "text": step["prompt"]})
    return {"role": "user", "content": blocks}


def _said(role: str, text: str) -> Message:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _references(row: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> list[Message]:
    video = {"video_id": row["video_id"], "video": row["video"]}
    return [{**video, **frame} for step in steps for frame in step["frames"]]
