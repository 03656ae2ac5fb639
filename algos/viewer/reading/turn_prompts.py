"""The text that a policy read in each turn, beyond what it had read before, without the frames.

`info["told"]` has all words of an observation where an episode was played with it. Where it was
not, the numbers follow from the budget and the frames shown, and the message from the action where
the request was served whole or was no action; of any other turn the text is not known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from algos.evaluation.sample_rows import overview_end
from algos.rollout.telling import TOLD
from algos.rollout.trajectory import Trajectory, Turn
from policies.prompt import Style, render_user
from sage_env.actions.action import Invalid, Sample, Skip, Zoom
from sage_env.datasets.item import QAItem
from sage_env.tools.calling import agent_message
from sage_env.wrappers.chat_observations import user_text

_NEAR = 1e-6  # seconds; a span as it was asked for is stored to the last bit


def style_of(settings: Mapping[str, Any]) -> Style | None:
    """Return how a policy's prompts are worded, by its name in a manifest; `None`: not known."""
    name = str(settings.get("policy", ""))
    if name == "sage-mm-tiny":
        return "brief"
    return "full" if name.startswith("sage-mm:") else None


def turn_prompts(
    item: QAItem, trajectory: Trajectory, style: Style | None = None
) -> list[str | None]:
    """Return the text before each turn, and before one that would come after the last.

    Args:
        item: the question.
        trajectory: the episode.
        style: of the policy's prompts; `None`: as a chat reads them, where all words were kept.
    """
    asked = {"question": item.question, "choices": "\n".join(item.choices)}
    told = [trajectory.start_info.get(TOLD), *(turn.info.get(TOLD) for turn in trajectory.turns)]
    if not any(told):
        told = [] if style is None or not item.question else _inferred(item, trajectory)
    found = [
        None if one is None else _text({**asked, **one}, style, first=number == 0)
        for number, one in enumerate(told)
    ]
    return found or [None] * (len(trajectory.turns) + 1)


def _text(observation: Mapping[str, Any], style: Style | None, *, first: bool) -> str:
    if style is None:
        return user_text(observation, first=first)
    blind = {**observation, "num_frames": 0, "seconds": ()}
    return "".join(map(str, render_user(blind, first=first, style=style))).strip("\n")


def _inferred(item: QAItem, trajectory: Trajectory) -> list[dict[str, Any] | None]:
    """Return the words and numbers of each observation, as far as they follow from the record."""
    budget = trajectory.conditions
    duration = overview_end(trajectory) if item.duration is None else item.duration
    if budget.max_turns is None or budget.max_frames is None or duration is None:
        return []
    shown = len(trajectory.start_info.get("frame_seconds") or ())
    cursor, left = 0.0, (budget.max_turns, budget.max_frames - shown)
    first = _observation("", cursor, duration, *left) if shown == budget.overview_frames else None
    found = [first]
    for number, turn in enumerate(trajectory.turns, 1):
        shown += len(turn.info.get("frame_seconds") or ())
        cursor = _cursor(turn, cursor, duration)
        message = _message(turn)
        left = budget.max_turns - number, budget.max_frames - shown
        found.append(None if message is None else _observation(message, cursor, duration, *left))
    return found


def _observation(
    message: str, cursor: float, duration: float, turns: int, frames: int
) -> dict[str, Any] | None:
    return {
        "message": message,
        "text": "",
        "cursor": cursor,
        "duration": duration,
        "turns_left": turns,
        "frames_left": frames,
    }


def _cursor(turn: Turn, before: float, duration: float) -> float:
    action = turn.decision.action
    if isinstance(action, Skip):
        return min(action.to, duration)
    return min(action.end, duration) if isinstance(action, Sample) else before


def _message(turn: Turn) -> str | None:
    """Return what the environment said of a request; `None` where that does not follow."""
    action, shown = turn.decision.action, len(turn.info.get("frame_seconds") or ())
    start, end = turn.info.get("span") or (math.inf, math.inf)
    whole = False
    if isinstance(action, Invalid):
        return f"Not a valid action: {agent_message(action.reason)}"
    if isinstance(action, Skip):
        whole = abs(end - action.to) < _NEAR
    elif isinstance(action, Sample | Zoom):
        apart = max(abs(start - action.start), abs(end - action.end))
        whole = apart < _NEAR and shown == action.num_frames
    return "" if whole else None
