"""Run folders of an evaluation, written by hand: rows, and no episode was played."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from algos.evaluation.sample_rows import sample_row
from algos.rollout.trajectory import Trajectory, Turn
from algos.runs.json_files import item_to_json, write_json
from policies.base import Decision
from sage_env import Answer, QAItem

SETTINGS = {"policy": "toy", "dataset": "toys", "digest of the questions": "d", "seed": 0}


def question(number: int, **changes: Any) -> QAItem:
    """Return an open question; two share a video."""
    fields = {"answer": f"thing {number}", "duration": 100.0, "group": {"side": "left"}}
    return QAItem(
        f"q{number}", Path(f"v{number // 2}.mp4"), f"what is {number}?", **fields | changes
    )


def row(
    item: QAItem,
    verdict: bool | None,
    *,
    text: str | None = "an answer",
    rule: str | None = "undecided",
    **changes: Any,
) -> dict[str, Any]:
    """Return the row of a question that was answered at once."""
    info = {"stop_reason": "answered", "correct": verdict, "rule": rule}
    turns = [] if text is None else [Turn(Decision(Answer(text), text), 0.0, info)]
    start = {"frame_seconds": [1.0, 2.0]} | ({"stop_reason": "out_of_turns"} if not turns else {})
    return sample_row(item, Trajectory(item.id, 0, turns, start, terminated=True)) | changes


def write_folder(
    path: Path,
    rows: Sequence[dict[str, Any]],
    items: Sequence[QAItem] = (),
    settings: dict[str, Any] | None = None,
) -> Path:
    """Write the folder of a finished evaluation."""
    path.mkdir(parents=True, exist_ok=True)
    sessions = [{"started": "2026-12-01T00:00:00+00:00", "versions": {"numpy": "2.2"}}]
    manifest = {"kind": "evaluation", "settings": SETTINGS | (settings or {}), "sessions": sessions}
    write_json(path / "manifest.json", manifest)
    (path / "samples.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    if items:
        write_json(path / "evaluations" / "toy.json", {"items": [item_to_json(i) for i in items]})
    return path
