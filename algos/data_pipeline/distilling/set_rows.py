"""Rows of the sets: a question, an episode, a pair, as plain data with references to frames.

What depends on the machine that played, such as how long decoding took, is left out: the same
episodes are the same rows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from algos.data_pipeline.distilling.episode_facts import EpisodeFacts
from algos.data_pipeline.distilling.rl_questions import RLQuestion
from algos.rollout.telling import TOLD
from algos.rollout.trajectory import Trajectory
from algos.runs.evaluation_manifest import plain
from sage_env.actions.action import Invalid
from sage_env.actions.action_record import action_record
from sage_env.datasets.item import QAItem
from sage_env.datasets.question_sets import VIDEO_ID
from sage_env.storage.content_id import content_id
from sage_env.wrappers.chat_observations import user_text

Row = dict[str, Any]
_OF_THE_MACHINE = ("decode_seconds", "frames_decoded", "frames_cached")
_NOT_SHOWN = ("call_timeout", "frame_store", "reward", "judge", "opener")
"""Options of an environment that change nothing in what is shown."""


@dataclass(frozen=True)
class Played:
    """An episode with what its row says beside it.

    Attributes:
        facts: of it.
        trajectory: all of it.
        env_options: arguments of its environment.
        system: the system message: what an agent may do, and with which tools.
    """

    facts: EpisodeFacts
    trajectory: Trajectory
    env_options: Mapping[str, Any]
    system: str


def question_row(item: QAItem, root: Path) -> Row:
    """Return the columns of a question.

    Args:
        item: the question.
        root: folder below which the videos lie; they are named relative to it.

    Raises:
        OSError: if its video cannot be read.
    """
    row: Row = {field.name: getattr(item, field.name) for field in fields(item)}
    row["video"] = _below(item.video, root)
    row["subtitles"] = None if item.subtitles is None else _below(item.subtitles, root)
    row["evidence"] = [list(map(float, span)) for span in item.evidence]
    row["group"] = list(item.group.items())
    for name in ("choices", "aliases"):
        row[name] = list(row[name])
    return {**row, VIDEO_ID: content_id(item.video)}


def _below(path: Path, root: Path) -> str:
    return Path(os.path.relpath(os.path.abspath(path), os.path.abspath(root))).as_posix()


def episode_row(item: QAItem, played: Played) -> Row:
    """Return the columns of an episode, see `algos.sft.episode_sets`."""
    facts, trajectory = played.facts, played.trajectory
    told = [trajectory.start_info, *(turn.info for turn in trajectory.turns)]
    options = {k: v for k, v in played.env_options.items() if k not in _NOT_SHOWN}
    return {
        "episode": facts.name,
        "policy": facts.policy,
        "attempt": facts.attempt,
        "seed": trajectory.seed,
        "right": facts.right,
        "ret": trajectory.ret,
        "turns": facts.turns,
        "frames": facts.frames,
        "direct": facts.direct,
        "uses_tools": facts.uses_tools,
        "evidence_seen": facts.evidence_seen,
        "environment": _json(plain(options)),
        "conditions": _json(asdict(trajectory.conditions)),
        "system": played.system,
        "start": _json(_same_everywhere(trajectory.start_info)),
        "steps": [
            _step(item, info, turn, first=number == 0)
            for number, (info, turn) in enumerate(zip(told, trajectory.turns, strict=False))
        ],
    }


def _step(item: QAItem, info: Mapping[str, Any], turn: Any, *, first: bool) -> Row:
    told = {**info[TOLD], "question": item.question, "choices": "\n".join(item.choices)}
    action = turn.decision.action
    box = info.get("box")
    record = action_record(action)
    return {
        "prompt": user_text(told, first=first),
        "frames": [
            {"seconds": float(t), "box": None if box is None else list(map(float, box))}
            for t in info.get("frame_seconds") or ()
        ],
        "reply": info[TOLD]["text"],
        "action": _unicode(action.text) if isinstance(action, Invalid) else record["action"],
        "invalid": action.reason if isinstance(action, Invalid) else None,
        "text": _unicode(turn.decision.text),
        "reward": float(turn.reward),
        "reward_terms": [(k, float(v)) for k, v in (turn.info.get("reward_terms") or {}).items()],
        "info": _json(_same_everywhere(turn.info)),
    }


def pair_row(item: QAItem, root: Path, rule: str, chosen: Played, rejected: Played) -> Row:
    """Return the row of a pair: its question, why it is one, and both episodes.

    Args:
        item: the question.
        root: folder below which the videos lie.
        rule: why they are a pair.
        chosen: the better episode.
        rejected: the worse one.
    """
    both = {"chosen": episode_row(item, chosen), "rejected": episode_row(item, rejected)}
    return {**question_row(item, root), "rule": rule, **both}


def rl_row(item: QAItem, question: RLQuestion, root: Path) -> Row:
    """Return the row of a question of the RL set; reports group by its horizon."""
    row = question_row(item, root)
    row["group"] = [*row["group"], ("horizon", question.horizon)]
    return {
        **row,
        "tries": question.tries,
        "right_tries": question.right,
        "pass_rate": question.pass_rate,
        "horizon": question.horizon,
        "uses_tools": question.uses_tools,
    }


def _same_everywhere(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return an `info` without what another machine would not have measured alike."""
    spent = info.get("spent")
    if not isinstance(spent, Mapping):
        return dict(info)
    return {**info, "spent": {k: v for k, v in spent.items() if k not in _OF_THE_MACHINE}}


def _json(value: Any) -> str:
    return _unicode(json.dumps(value, default=str, sort_keys=True, ensure_ascii=False))


def _unicode(text: str) -> str:
    """Return a text that can be written as UTF-8."""
    return text.encode(errors="replace").decode()
