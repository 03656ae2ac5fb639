"""What is chosen by: a few facts of each episode, and where the whole of it stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from algos.rollout.telling import TOLD
from algos.rollout.trajectory import Trajectory, Turn
from sage_env.actions.action import Action, Answer, Invalid, UseTool
from sage_env.datasets.item import QAItem
from sage_env.timeline import Span

_PROMPT = ("frame_seconds", TOLD, "budget")
"""What of the `info` of a reset makes the first prompt of an episode."""


@dataclass(frozen=True)
class EpisodeFacts:
    """One episode, small enough that hundreds of thousands fit into memory.

    Attributes:
        name: unique among all: `POLICY ITEM#TRY`.
        policy: who played, by name.
        item_id: the question.
        attempt: number of the try, from 0.
        error: why it failed on our side, a tool that was late included; `None` if it did not.
        ended: whether it was played to its end.
        right: whether the answer is; `None` where that was not judged.
        turns: turns taken, the answer included.
        frames: frames shown, the overview included.
        actions: in order.
        evidence_seen: whether the answer's evidence was seen; `None` where there is none to see.
        prompt: digest of what stood before the first action; two episodes of a pair have one.
    """

    name: str
    policy: str
    item_id: str
    attempt: int
    error: str | None
    ended: bool
    right: bool | None
    turns: int
    frames: int
    actions: tuple[Action | Invalid, ...]
    evidence_seen: bool | None
    prompt: str

    @property
    def direct(self) -> bool:
        """Return whether it answered at once."""
        return self.turns == 1

    @property
    def uses_tools(self) -> bool:
        """Return whether it called a tool."""
        return any(isinstance(action, UseTool) for action in self.actions)

    @property
    def cost(self) -> tuple[int, int]:
        """Return frames, then turns: what a cheaper episode has less of."""
        return self.frames, self.turns


def episode_name(policy: str, item_id: str, attempt: int) -> str:
    """Return the name of an episode."""
    return f"{policy} {item_id}#{attempt}"


def facts_of(policy: str, attempt: int, item: QAItem, played: Trajectory) -> EpisodeFacts:
    """Return the facts of an episode.

    Args:
        policy: who played.
        attempt: number of the try.
        item: the question.
        played: the episode, as `Telling` has it.
    """
    last = played.turns[-1].info if played.turns else played.start_info
    error = played.error or ("a tool was late" if played.hindered else None)
    right = last.get("correct") if error is None else None
    actions = tuple(turn.decision.action for turn in played.turns)
    spent = last.get("spent") or {}
    return EpisodeFacts(
        name=episode_name(policy, item.id, attempt),
        policy=policy,
        item_id=item.id,
        attempt=attempt,
        error=error,
        ended=bool(played.turns) and played.terminated and error is None,
        right=right,
        turns=len(actions),
        frames=int(spent.get("frames_shown") or 0),
        actions=actions,
        evidence_seen=_evidence_seen(item, played),
        prompt=_prompt(played.start_info),
    )


def _evidence_seen(item: QAItem, played: Trajectory) -> bool | None:
    """Return whether a shown frame lies in the evidence, or a tool was asked about it."""
    if not item.evidence:
        return None
    infos = [played.start_info, *(turn.info for turn in played.turns)]
    shown = [float(t) for info in infos for t in info.get("frame_seconds") or ()]
    asked = [span for turn in played.turns if (span := _asked(turn))]
    return any(
        any(start <= t < end for t in shown) or any(a < end and start < b for a, b in asked)
        for start, end in item.evidence
    )


def _asked(turn: Turn) -> Span | None:
    """Return the stretch that a tool was asked about, and had something to say of."""
    action = turn.decision.action
    if not (isinstance(action, UseTool) and (turn.info.get(TOLD) or {}).get("text")):
        return None
    start, end = (action.arguments.get(name) for name in ("start", "end"))
    if isinstance(start, int | float) and isinstance(end, int | float) and start < end:
        return float(start), float(end)
    return None


def _prompt(info: Mapping[str, Any]) -> str:
    told = json.dumps([info.get(name) for name in _PROMPT], sort_keys=True, default=str)
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


def same_actions(one: EpisodeFacts, other: EpisodeFacts, seconds: float) -> bool:
    """Return whether two episodes did the same: no time of theirs is further apart.

    Args:
        one: an episode.
        other: another one of the same question.
        seconds: tolerance of times; those of boxes is a twentieth of the picture's side.
    """
    if len(one.actions) != len(other.actions):
        return False
    return all(_same(a, b, seconds) for a, b in zip(one.actions, other.actions, strict=True))


_BOX = 0.05


def _same(one: Any, other: Any, seconds: float) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, Answer):
        same = one.text.strip().casefold() == other.text.strip().casefold()
        return same and _near(one.evidence, other.evidence, seconds)
    if isinstance(one, UseTool):
        return one.name == other.name and _near(one.arguments, other.arguments, seconds)
    if isinstance(one, Invalid):
        return bool(one.text == other.text)
    a, b = vars(one), vars(other)
    return (
        a.get("num_frames") == b.get("num_frames")
        and _near(a.get("box"), b.get("box"), _BOX)
        and all(_near(a.get(name), b.get(name), seconds) for name in ("start", "end", "to"))
    )


def _near(one: Any, other: Any, tolerance: float) -> bool:
    """Return whether two values of JSON are alike, numbers up to a tolerance."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= tolerance
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_near(one[k], other[k], tolerance) for k in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_near(a, b, tolerance) for a, b in pairs)
    return bool(one == other)
