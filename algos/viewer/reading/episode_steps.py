"""A trajectory turn by turn, as the page shows it: what was read, written, seen and earned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from algos.rollout.telling import TOLD
from algos.rollout.trajectory import Trajectory, Turn
from algos.runs.token_records import TurnRecord
from algos.viewer.reading.turn_lanes import Lane, lanes
from algos.viewer.reading.turn_prompts import turn_prompts
from algos.viewer.token_views import step_fields
from algos.viewer.view_data import Box, FrameView, StepView
from policies.base import Decision
from policies.prompt import Style
from sage_env.actions.action import ACTION_NAMES, Action, Answer, Invalid
from sage_env.actions.action_text import format_action, parse_thought
from sage_env.actions.thoughts import after_thoughts
from sage_env.datasets.item import QAItem


def episode_steps(
    item: QAItem,
    trajectory: Trajectory,
    records: Sequence[TurnRecord | None] | None = None,
    style: Style | None = None,
) -> list[StepView]:
    """Return the overview, where frames were shown in it, and the turns in order.

    A decision whose step failed on our side is a last turn: an answer that was not judged is one.

    Args:
        item: the question.
        trajectory: the episode.
        records: the sampled tokens of each turn, where they were kept.
        style: of the policy's prompts; `None` where it is not known.
    """
    overview, *others = lanes(trajectory)
    prompts = turn_prompts(item, trajectory, style)
    steps = []
    if overview.seconds:
        start = trajectory.start_info
        steps.append(
            StepView(turn=0, action="overview", span=_span(start), **_shown(overview, start))
        )
    for number, (turn, lane) in enumerate(zip(trajectory.turns, others, strict=True), 1):
        record = records[number - 1] if records and number <= len(records) else None
        steps.append(_turn(number, turn, lane, prompts[number - 1], record))
    if trajectory.failed is not None:
        prompt = prompts[len(trajectory.turns)] if len(prompts) > len(trajectory.turns) else None
        steps.append(_failed(len(trajectory.turns) + 1, trajectory.failed, prompt))
    return steps


def _turn(
    number: int, turn: Turn, lane: Lane, prompt: str | None, record: TurnRecord | None
) -> StepView:
    info = turn.info
    tokens = turn.decision.tokens
    counts = {} if tokens is None else {"tokens": len(tokens.completion)}
    return StepView(
        turn=number,
        action=lane.kind,
        span=lane.span,
        box=_box(info),
        **(_shown(lane, info) | _written(turn.decision)),
        prompt=prompt,
        reward=turn.reward,
        reward_terms=dict(info.get("reward_terms") or {}),
        beliefs=turn.beliefs,
        claimed=lane.claimed,
        **(counts | step_fields(record)),
    )


def _failed(number: int, decision: Decision, prompt: str | None) -> StepView:
    action = decision.action
    claimed = action.evidence if isinstance(action, Answer) else ()
    return StepView(
        turn=number,
        action=ACTION_NAMES[type(action)],
        prompt=prompt,
        claimed=claimed,
        **_written(decision),
    )


def _shown(lane: Lane, info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what came back: frames and their worth, what was said, and why a request was cut."""
    return {
        "frames": [FrameView(second) for second in lane.seconds],
        "credit": lane.credit,
        "told": _told(info, "text"),
        "reason": _told(info, "message"),
    }


def _written(decision: Decision) -> dict[str, Any]:
    """Return the action as text, the thought before it, and all of the reply if it is more."""
    action, text = decision.action, decision.text
    call = action.text if isinstance(action, Invalid) else format_action(action)
    thought = _thought(text)
    found: dict[str, Any] = {"call": call, "thought": thought}
    if isinstance(action, Invalid):
        found["reason"] = action.reason
    if text.strip() not in ("", call.strip(), _whole(action, thought)):
        found["raw"] = text
    return found


def _thought(text: str) -> str | None:
    """Return what a policy wrote for itself: the `thought` of its action, or what it thought aloud.

    >>> _thought("<think>red?</think> {}")
    '<think>red?</think>'
    """
    found = parse_thought(text)
    rest = after_thoughts(text) if found is None else text
    if found is not None or rest == text:
        return found
    return (text if rest is None else text[: len(text) - len(rest)]).strip() or None


def _whole(action: Action | Invalid, thought: str | None) -> str | None:
    if isinstance(action, Invalid):
        return None
    try:
        return format_action(action, thought)
    except ValueError:  # a thought that no action can carry
        return None


def _told(info: Mapping[str, Any], name: str) -> str:
    told = info.get(TOLD)
    return str(told.get(name) or "") if isinstance(told, Mapping) else ""


def _span(info: Mapping[str, Any]) -> tuple[float, float] | None:
    span = info.get("span")
    return (float(span[0]), float(span[1])) if span else None


def _box(info: Mapping[str, Any]) -> Box | None:
    box = info.get("box")
    return (float(box[0]), float(box[1]), float(box[2]), float(box[3])) if box else None
