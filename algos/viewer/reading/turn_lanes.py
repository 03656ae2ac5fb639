"""The turns of an episode on its video's time axis: what each acted on, and what it was shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from algos.rollout.trajectory import Trajectory
from sage_env.actions.action import ACTION_NAMES, Answer, Sample, Skip, Zoom
from sage_env.timeline import Span


@dataclass(frozen=True)
class Lane:
    """One turn on the time axis: the stretch that it acted on, and the frames that it was shown.

    Attributes:
        kind: `overview`, or the name of the action.
        span: the stretch that was skipped, sampled or zoomed; `None` if there is none.
        seconds: times of the frames shown.
        claimed: spans that an answer relies on.
        credit: nats that the answer's log-probability falls by without the frames; `None` where
            that was not measured.
    """

    kind: str
    span: Span | None
    seconds: tuple[float, ...]
    claimed: tuple[Span, ...] = ()
    credit: float | None = None


def lanes(trajectory: Trajectory) -> list[Lane]:
    """Return the overview and the turns of an episode, in order."""
    start = trajectory.start_info
    found = [Lane("overview", None, _seconds(start), credit=start.get("credit"))]
    cursor = 0.0
    for turn in trajectory.turns:
        action, served = turn.decision.action, turn.info.get("span")
        span = (float(served[0]), float(served[1])) if served else None
        claimed: tuple[Span, ...] = ()
        if isinstance(action, Skip):
            span = span or (min(cursor, action.to), max(cursor, action.to))
            cursor = action.to
        elif isinstance(action, Sample | Zoom):
            span = span or (action.start, action.end)
            cursor = span[1] if isinstance(action, Sample) else cursor
        elif isinstance(action, Answer):
            claimed = action.evidence
        seconds, credit = _seconds(turn.info), turn.info.get("credit")
        found.append(Lane(ACTION_NAMES[type(action)], span, seconds, claimed, credit))
    return found


def _seconds(info: dict[str, Any]) -> tuple[float, ...]:
    return tuple(float(second) for second in info.get("frame_seconds") or ())
