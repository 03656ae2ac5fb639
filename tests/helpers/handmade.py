"""Episodes written by hand, for tests of what is measured and shown of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from algos.evaluation.measures import EvalResult
from algos.evaluation.row_results import EpisodeResult
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import Decision
from sage_env import Answer, QAItem, Sample, format_action


def item(name: str, video: str = "a.mp4", **values: Any) -> QAItem:
    """Return a question about a video of 100 seconds with evidence in [10, 20)."""
    defaults: dict[str, Any] = {
        "question": f"what is {name}?",
        "answer": "yes",
        "duration": 100.0,
        "evidence": ((10.0, 20.0),),
        "group": {"family": "needle", "tier": "core"},
    }
    return QAItem(id=name, video=Path(video), **{**defaults, **values})


def trajectory(
    name: str,
    correct: bool | None,
    *,
    looks: tuple[tuple[float, ...], ...] = (),
    overview: tuple[float, ...] = (25.0, 75.0),
    error: str | None = None,
    answer: str = "yes",
) -> Trajectory:
    """Return an episode that sees the overview, looks at the given times, and answers."""
    turns = []
    for seconds in looks:
        action = Sample(seconds[0], seconds[-1] + 1, len(seconds))
        info = {"frame_seconds": list(seconds), "span": (action.start, action.end)}
        turns.append(Turn(Decision(action, format_action(action)), 0.0, info))
    last = {"frame_seconds": [], "correct": correct, "stop_reason": "answered"}
    turns.append(Turn(Decision(Answer(answer)), float(bool(correct)), last))
    start = {"item_id": name, "frame_seconds": list(overview), "span": (0.0, 100.0)}
    if error is not None:
        return Trajectory(name, 0, turns[:-1], start, error=error)
    return Trajectory(name, 0, turns, start, terminated=True)


def result(*pairs: tuple[QAItem, Trajectory], name: str = "policy") -> EvalResult:
    """Return the result of episodes of some items."""
    return EvalResult(name, [x for x, _ in pairs], [t for _, t in pairs], "greedy")


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
