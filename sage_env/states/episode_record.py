"""An episode as JSON data: its budget, its history, and where it stood."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from typing import Any

from sage_env.actions.action_record import action_record, read_action_record
from sage_env.datasets.item import QAItem
from sage_env.datasets.matching import Judged
from sage_env.episode import Budget, Episode
from sage_env.history import History, Look, Spent

_ENDING = ("stop_reason", "verdict", "rule")


def episode_record(episode: Episode) -> dict[str, Any]:
    """Return a running or ended episode as JSON data, without its question."""
    history = episode.history
    return {
        "duration": float(episode.duration),
        "budget": asdict(episode.budget),
        "cursor": float(episode.cursor),
        "frames_left": episode.frames_left,
        "message": episode.message,
        "actions": [action_record(action) for action in history.actions],
        "looks": [_look_record(look) for look in history.looks],
        "spent": asdict(history.spent),
        **{name: getattr(history, name) for name in _ENDING},
        "judged": None if history.judged is None else deepcopy(history.judged._asdict()),
    }


def read_history(record: Mapping[str, Any], item: QAItem, whole: Budget) -> History:
    """Return the history of an episode as `episode_record` wrote it.

    Args:
        record: the JSON data.
        item: the question.
        whole: the environment's budget.

    Raises:
        AttributeError, IndexError, KeyError, TypeError, ValueError: if the record is damaged.
    """
    budget, judged = Budget(**record["budget"]), record["judged"]
    return History(
        item,
        tuple(read_action_record(row) for row in record["actions"]),
        tuple(_read_look(row) for row in record["looks"]),
        Spent(**record["spent"]),
        budget.turns,
        budget.frames,
        **{name: record[name] for name in _ENDING},
        judged=None if judged is None else Judged(**judged),
        env_turns=whole.turns,
        env_frames=whole.frames,
    )


def require_whole(record: Mapping[str, Any]) -> None:
    """Refuse a record that lacks what an episode goes on from, before anything is done.

    Raises:
        KeyError, TypeError: naming what is wrong.
    """
    kinds = {"duration": float, "cursor": float, "frames_left": int, "message": str}
    if wrong := [name for name, kind in kinds.items() if not isinstance(record[name], kind)]:
        raise TypeError(f"{wrong[0]} is {record[wrong[0]]!r}")


def _look_record(look: Look) -> dict[str, Any]:
    kept: dict[str, Any] = {
        name: None if value is None else [float(number) for number in value]
        for name, value in (("span", look.span), ("box", look.box), ("seconds", look.seconds))
    }
    kept |= {"text": look.text, "refused": look.refused, "outcome": look.outcome}
    return kept | {"usage": None if look.usage is None else dict(look.usage)}


def _read_look(row: Mapping[str, Any]) -> Look:
    span, box, outcome = row["span"], row["box"], row["outcome"]
    return Look(
        span=None if span is None else (float(span[0]), float(span[1])),
        box=None if box is None else (box[0], box[1], box[2], box[3]),
        seconds=tuple(float(second) for second in row["seconds"]),
        text=str(row["text"]),
        refused=bool(row["refused"]),
        outcome=None if outcome is None else str(outcome),
        usage=row["usage"],
    )
