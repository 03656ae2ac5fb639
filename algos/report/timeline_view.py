"""One episode on its video's time axis: a lane per turn, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from algos.evaluation.sample_rows import overview_end
from algos.rollout.trajectory import Trajectory
from sage_env.actions.action import ACTION_NAMES, Answer, Sample, Skip, Zoom
from sage_env.datasets.item import QAItem
from sage_env.timeline import Span, clock

WIDTH, LANE = 960, 26
"""Units of the view box: its width, and the height of one turn's lane.

A wider box shows frames that are close in time apart, and makes the text smaller where the page is
narrower. Not measured: chosen by eye."""
_LEFT, _RIGHT, _AXIS = 96, 16, 34
"""Margins in the same units: the names of the actions, half a label, and the time axis above."""


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


def duration_of(item: QAItem, trajectory: Trajectory) -> float:
    """Return the seconds that the axis spans.

    They are the item's; where it says none, those of the overview, which is of the whole video;
    without one, those up to the last thing on the axis.
    """
    known = item.duration if item.duration is not None else overview_end(trajectory)
    if known is not None:
        return known
    ends = [end for lane in lanes(trajectory) for end in (*lane.seconds, *(lane.span or ()))]
    return max([*ends, *(end for _, end in item.evidence)], default=1.0) or 1.0


def timeline(item: QAItem, trajectory: Trajectory, name: str) -> str:
    """Return the picture: evidence as a band, skipped hatched, zooms as brackets, frames dotted.

    Args:
        item: the question, for its evidence and duration.
        trajectory: the episode.
        name: says in the picture's text alternative who played.
    """
    shown = lanes(trajectory)
    duration = duration_of(item, trajectory)
    height = _AXIS + LANE * len(shown) + 8
    parts = [_axis(duration, height)]
    for start, end in item.evidence:
        x0, x1 = _x(start, duration), _x(end, duration)
        x0 -= max(0.0, 3 - (x1 - x0)) / 2  # a moment in two hours must still be seen
        width = max(x1 - x0, 3.0)
        parts.append(
            f'<rect class="evidence" x="{x0:.1f}" y="{_AXIS - 6}" width="{width:.1f}" '
            f'height="{height - _AXIS}"/>'
        )
    parts += [_lane(k, lane, item.evidence, duration) for k, lane in enumerate(shown)]
    label = f"{name}: " + "; ".join(_words(k, lane) for k, lane in enumerate(shown))
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="Time axis"><svg '
        f'class="timeline" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg></div>'
    )


def in_evidence(second: float, evidence: Sequence[Span]) -> bool:
    """Return whether a time lies in one of the spans."""
    return any(start <= second < end for start, end in evidence)


def _seconds(info: dict[str, Any]) -> tuple[float, ...]:
    return tuple(float(second) for second in info.get("frame_seconds") or ())


def _x(second: float, duration: float) -> float:
    share = min(max(second / duration, 0.0), 1.0)
    return _LEFT + share * (WIDTH - _LEFT - _RIGHT)


def _axis(duration: float, height: int) -> str:
    parts = [f'<path class="spine" d="M{_LEFT} {_AXIS - 6}H{WIDTH - _RIGHT}"/>']
    for k in range(5):
        second = duration * k / 4
        x = _x(second, duration)
        anchor = "start" if k == 0 else "end" if k == 4 else "middle"
        parts.append(f'<path class="grid" d="M{x:.1f} {_AXIS - 10}V{height - 4}"/>')
        parts.append(f'<text x="{x:.1f}" y="16" text-anchor="{anchor}">{clock(second)}</text>')
    return "".join(parts)


def _lane(k: int, lane: Lane, evidence: Sequence[Span], duration: float) -> str:
    y = _AXIS + LANE * k + LANE / 2
    name = lane.kind if lane.kind == "overview" else f"{k}  {lane.kind}"
    parts = [f'<text x="4" y="{y + 4:.1f}">{escape(name)}</text>']
    if lane.span is not None:
        x0, x1 = _x(lane.span[0], duration), _x(lane.span[1], duration)
        parts.append(_span(lane.kind, x0, max(x1, x0 + 2), y))
    for start, end in lane.claimed:
        x0, x1 = _x(start, duration), _x(end, duration)
        width = max(x1 - x0, 2.0)
        parts.append(
            f'<rect class="claimed" x="{x0:.1f}" y="{y - 7:.1f}" width="{width:.1f}" height="14"/>'
        )
    for second in lane.seconds:
        parts.append(_dot(_x(second, duration), y, in_evidence(second, evidence)))
    if lane.credit is not None:
        place = f'x="{WIDTH - 2}" y="{y + 4:.1f}" text-anchor="end"'
        parts.append(f'<text class="credit" {place}>{lane.credit:+.2f}</text>')
    return "".join(parts)


def _span(kind: str, x0: float, x1: float, y: float) -> str:
    if kind == "zoom":  # a bracket, open at the bottom
        return f'<path class="zoom" d="M{x0:.1f} {y + 8:.1f}V{y - 8:.1f}H{x1:.1f}V{y + 8:.1f}"/>'
    fill = ' fill="url(#hatch)"' if kind == "skip" else ""
    return (
        f'<rect class="{escape(kind)}" x="{x0:.1f}" y="{y - 7:.1f}" width="{x1 - x0:.1f}" '
        f'height="14"{fill}/>'
    )


def _dot(x: float, y: float, hit: bool) -> str:
    if hit:  # another shape, not only another colour
        return f'<path class="hit" d="M{x:.1f} {y:.1f}m0-6l5 6l-5 6l-5-6z"/>'
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'


def _words(k: int, lane: Lane) -> str:
    name = "overview" if lane.kind == "overview" else f"turn {k} {lane.kind}"
    span = "" if lane.span is None else f" {clock(lane.span[0])} to {clock(lane.span[1])}"
    frames = f", {len(lane.seconds)} frames" if lane.seconds else ""
    credit = "" if lane.credit is None else f", credit {lane.credit:+.2f} nats"
    return name + span + frames + credit
