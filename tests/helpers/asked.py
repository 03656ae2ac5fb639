"""Results of questions written by hand, for tests of measures."""

from __future__ import annotations

from typing import Any

from algos.evaluation.row_results import EpisodeResult


def asked(name: str, right: bool | None = True, video: str = "", **values: Any) -> EpisodeResult:
    """Return the result of one question; its video is by default its own."""
    defaults: dict[str, Any] = {
        "duration": 60.0,
        "group": {},
        "frames": 8,
        "turns": 1,
        "evidence_seen": None,
        "error": None,
    }
    return EpisodeResult(item_id=name, video=video or name, correct=right, **{**defaults, **values})
