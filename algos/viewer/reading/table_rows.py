"""The table of all questions: flat rows, and the columns that some row has something in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from algos.viewer.reading.stored_entries import Row
from algos.viewer.view_data import Column, ColumnKind

GROUP, REWARD, STAGE = "group.", "reward.", "seconds."
"""Beginnings of the keys of a row's mappings: report keys, reward terms, seconds by stage."""
_NAMED: Mapping[str, tuple[str, ColumnKind, str, bool]] = {
    "duration": ("Length", "seconds", "Length of the video.", True),
    "verdict": ("Verdict", "verdict", "Whether the answer is right.", True),
    "prediction": ("Answer", "text", "What was answered.", True),
    "gold": ("Gold", "text", "The right answer.", True),
    "turns": ("Turns", "number", "Turns played, the answer included.", True),
    "frames": ("Frames", "number", "Frames shown, the overview included.", True),
    "evidence_recall": ("Evidence", "number", "Share of gold spans with a shown frame.", True),
    "evidence_hit_turn": ("Hit turn", "number", "First turn in the evidence; 0: overview.", True),
    "evidence_precision": ("In evidence", "number", "Share of frames in a gold span.", False),
    "answer_iou": ("IoU", "number", "Of the claimed spans with the gold ones.", False),
    "answer_iop": ("IoP", "number", "Share of the claimed spans that is gold.", False),
    "tokens": ("Tokens", "number", "Tokens that the policy sampled.", True),
    "prompt_tokens": ("Read", "number", "Tokens that the policy read.", False),
    "cached_tokens": ("Cached", "number", "Of those read, from the provider's cache.", False),
    "visual_tokens": ("Visual", "number", "Tokens of frames, each counted once.", False),
    "visual_tokens_billed": ("Billed", "number", "Tokens of frames in all requests.", False),
    "thought_tokens": ("Thinking", "number", "Tokens that are not shown.", False),
    "cost": ("Cost", "number", "US dollars of the policy's requests.", True),
    "tool_cost": ("Tools cost", "number", "US dollars of tools that ask a model.", False),
    "seconds": ("Seconds", "number", "Wall-clock, from the reset to the end.", True),
    "frames_unique": ("Distinct", "number", "Distinct frames shown.", False),
    "frames_decoded": ("Decoded", "number", "Pictures that the decoder made.", False),
    "invalid_actions": ("Invalid", "number", "Turns without an action that there is.", False),
    "replies": ("Replies", "number", "Replies of the model, used or not.", False),
    "retries": ("Retries", "number", "Requests that were sent again.", False),
    "rule": ("Rule", "category", "What decided the verdict.", False),
    "judge": ("Judge", "category", "What pins a judge's verdict.", False),
    "judge_words": ("Judge's words", "text", "Or why it gave no verdict.", False),
    "played_verdict": ("Before", "verdict", "The verdict of the play.", True),
    "stop_reason": ("Ended", "category", "Why the episode ended.", False),
    "kind": ("Kind", "category", "Choice, open, or a stretch of the video.", False),
    "chance": ("Chance", "number", "Accuracy of a random choice.", False),
    "video": ("Video", "text", "Name of its file.", False),
    "error": ("Error", "text", "Why it failed on our side.", True),
}
"""By key of a row, in the order of the table: title, kind, sentence, whether it is shown."""
_MAPPINGS = (("group", GROUP), ("reward_terms", REWARD), ("seconds_by_stage", STAGE))


def flat_row(row: Row, entry: str) -> dict[str, Any]:
    """Return a row of `samples.jsonl` as one of the table; it may name its entry itself."""
    found: dict[str, Any] = {"id": row["id"], "entry": row.get("entry") or entry}
    found["question"] = row.get("question")
    found |= {key: row[key] for key in _NAMED if key in row}
    if video := row.get("video"):
        found["video"] = str(video).replace("\\", "/").rpartition("/")[2]
    for name, start in _MAPPINGS:
        for key, value in (row.get(name) or {}).items():
            found[start + key] = value
    return found


class SeenKeys:
    """Which columns a table needs: those in which some row has something."""

    def __init__(self) -> None:
        """Know none."""
        self._keys: dict[str, None] = {}

    def passing(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield rows as they come, and remember their columns."""
        known = self._keys
        for row in rows:
            for key, value in row.items():
                if value is not None and key not in known:
                    known[key] = None
            yield row

    def columns(self) -> list[Column]:
        """Return the columns: the question, its groups, then what came of it."""
        columns = [Column(key="question", title="Question", kind="text", about="What was asked.")]
        columns += [
            Column(key=key, title=key.removeprefix(GROUP), kind="category", about="A report key.")
            for key in self._keys
            if key.startswith(GROUP)
        ]
        for key, (title, kind, about, shown) in _NAMED.items():
            if key in self._keys:
                columns.append(Column(key=key, title=title, kind=kind, about=about, shown=shown))
        for start, about in ((REWARD, "A term of the reward."), (STAGE, "Seconds of a stage.")):
            columns += [
                Column(key=key, title=key, kind="number", about=about, shown=False)
                for key in self._keys
                if key.startswith(start)
            ]
        return columns
