"""Episodes as documents of ATIF v1.8 (Agent Trajectory Interchange Format), and back.

The format is that of the package `atif` 1.8.0, which validates what is written here; it is not
needed to write or read.

| ATIF | is |
|---|---|
| step 1, `user` | the question, its choices, and the overview |
| each further step, `agent` | what the policy wrote, its action as a tool call, what came of it |
| `observation.results[0].content` | when the frames shown are on screen; with pictures, each \
behind its time |
| `final_metrics` | tokens and dollars of the row, left out where unknown |
| `extra` of document and steps | all that is ours: item, row, conditions, rewards, `info` |

A document holds the whole episode: `read_atif` gives item, row and trajectory back as they were.
Our episodes do not say when each turn was played, so steps have no `timestamp`; the document's
`extra` says when the processes that played began.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.exchange.lmms_samples import question_text
from algos.exchange.picture_files import MEDIA_TYPES, PictureFolder
from algos.exchange.played_entry import ExchangeError, PlayedEntry, PlayedQuestion, plain_json
from algos.exchange.playing_again import actions_of, environment_of, play_again, shown_frames
from algos.rollout.trajectory import Trajectory
from algos.runs.append_log import read_log
from algos.runs.json_files import item_from_json, item_to_json
from policies.base import Decision, Observation
from sage_env.actions.action import ACTION_NAMES, Action, Invalid
from sage_env.actions.action_json import action_to_json
from sage_env.framing.picture_region import pictures
from sage_env.release import __version__
from sage_env.storage.atomic_file import atomic_path
from sage_env.timeline import clock

SCHEMA = "ATIF-v1.8"
DOCUMENTS = "trajectories.jsonl"
"""Name of the file of documents, one a line."""
PICTURES = "images"
OWN = "sage_vqa"
Document = dict[str, Any]


def write_atif(
    entry: PlayedEntry,
    folder: Path,
    *,
    pictures_as: PictureFolder | None = None,
    root: Path | None = None,
    call_tools: bool = False,
) -> int:
    """Write `trajectories.jsonl`, one document for each question whose episode is known.

    Args:
        entry: whose episodes.
        folder: where to; made if it is missing.
        pictures_as: where the pictures go that were shown; without, only their times are written,
            and no video is needed.
        root: folder of the videos, where they are not where the run had them.
        call_tools: whether tools may be called again to show what they showed.

    Returns:
        The number of documents.

    Raises:
        ExchangeError: if pictures are asked for and something else is shown than then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with atomic_path(folder / DOCUMENTS) as partial, partial.open("w", encoding="utf-8") as file:
        for document in _documents(entry, pictures_as, root, call_tools):
            file.write(json.dumps(document) + "\n")
            count += 1
    return count


def _documents(
    entry: PlayedEntry, folder: PictureFolder | None, root: Path | None, call_tools: bool
) -> Iterator[Document]:
    known = [(q, q.trajectory) for q in entry.questions if q.trajectory is not None]
    if folder is None:
        for question, trajectory in known:
            yield atif_document(entry, question, trajectory)
        return
    with environment_of(entry, root=root, call_tools=call_tools) as env:
        for question, trajectory in known:
            shown: list[list[dict[str, Any]]] = []
            if trajectory.error is None or trajectory.not_judged:
                seen = play_again(env, question, trajectory, actions_of(trajectory))
                shown = [_picture_parts(observation, folder) for observation in seen]
            yield atif_document(entry, question, trajectory, shown)


def atif_document(
    entry: PlayedEntry,
    question: PlayedQuestion,
    trajectory: Trajectory,
    shown: Sequence[Sequence[Mapping[str, Any]]] = (),
) -> Document:
    """Return one episode as a document.

    Args:
        entry: that it is of.
        question: that it answers.
        trajectory: the episode.
        shown: content parts of the overview and of each turn; by default times alone.
    """
    told = trajectory.to_json()
    turns = told.pop("turns")
    parts = list(shown) or [
        [_text_part(_looked(info))] for info in (told["start_info"], *(t["info"] for t in turns))
    ]
    first = [_text_part(question_text(question.item)), *parts[0]]
    steps = [{"step_id": 1, "source": "user", "message": first}]
    for number, (turn, played) in enumerate(zip(turns, trajectory.turns, strict=True), 2):
        steps.append(_agent_step(number, turn, played.decision.action, parts[number - 1]))
    if trajectory.failed is not None:  # what was decided, and came to nothing by our fault
        steps.append(_lost_step(len(steps) + 1, trajectory.failed))
    document = {
        "schema_version": SCHEMA,
        "session_id": entry.name,
        "trajectory_id": question.item.id,
        "agent": {
            "name": "sage-video-qa",
            "version": __version__,
            "model_name": entry.policy,
        },
        "steps": steps,
        "final_metrics": _metrics(question.row, len(steps)),
        "extra": {
            OWN: {
                "item": plain_json(item_to_json(question.item)),
                "row": plain_json(question.row),
                "outcome": question.outcome,
                "trajectory": plain_json(told),
                "settings": plain_json(entry.settings),
                "started": [session.get("started") for session in entry.sessions],
            }
        },
    }
    if trajectory.not_judged:
        document["notes"] = f"The answer was not judged: {trajectory.error}"
    elif trajectory.error is not None:
        document["notes"] = f"The episode failed on our side, and is no answer: {trajectory.error}"
    return document


def read_atif(path: Path) -> list[PlayedQuestion]:
    """Read what `write_atif` wrote.

    Raises:
        ExchangeError: if a document was written by another project, or is damaged.
        LogError: if a line is not JSON.
    """
    rows = read_log(path)
    return [_read(f"{path}, line {number}", row) for number, row in enumerate(rows, 1)]


def _read(place: str, document: Any) -> PlayedQuestion:
    try:
        own = document["extra"][OWN]
        turns = [step["extra"][OWN] for step in document["steps"] if OWN in step.get("extra", {})]
        trajectory = Trajectory.from_json({**own["trajectory"], "turns": turns})
        return PlayedQuestion(item_from_json(own["item"]), own["row"], trajectory)
    except (KeyError, TypeError, ValueError) as error:
        raise ExchangeError(f"{place} is no episode that was exported here: {error!r}") from error


def _agent_step(
    number: int,
    turn: Mapping[str, Any],
    action: Action | Invalid,
    content: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return a turn as a step; `turn` is its JSON, which `extra` holds."""
    call = _call(number, action)
    result = {"source_call_id": call["tool_call_id"], "content": list(content)}
    return {
        "step_id": number,
        "source": "agent",
        "message": turn["text"],
        "tool_calls": [call],
        "observation": {"results": [result]},
        "metrics": {"extra": {"reward": turn["reward"]}},
        "extra": {OWN: plain_json(turn)},
    }


def _lost_step(number: int, decision: Decision) -> dict[str, Any]:
    """Return a decision whose step failed; the document's `extra` holds it too."""
    return {
        "step_id": number,
        "source": "agent",
        "message": decision.text,
        "tool_calls": [_call(number, decision.action)],
    }


def _call(number: int, action: Action | Invalid) -> dict[str, Any]:
    """Return an action as the call of a tool."""
    arguments = (
        {"text": action.text, "reason": action.reason}
        if isinstance(action, Invalid)
        else {k: v for k, v in action_to_json(action).items() if k != "action"}
    )
    name = ACTION_NAMES[type(action)]
    return {"tool_call_id": f"call_{number - 1}", "function_name": name, "arguments": arguments}


def _metrics(row: Mapping[str, Any], steps: int) -> dict[str, Any]:
    named = {
        "total_prompt_tokens": row.get("prompt_tokens"),
        "total_completion_tokens": row.get("tokens"),
        "total_cost_usd": row.get("cost"),
    }
    return {"total_steps": steps} | {k: v for k, v in named.items() if v is not None}


def _picture_parts(observation: Observation, folder: PictureFolder) -> list[dict[str, Any]]:
    """Return an observation as content: each picture behind its time, then what was told."""
    parts: list[dict[str, Any]] = []
    media = MEDIA_TYPES[folder.encoding]
    for second, picture in zip(shown_frames(observation), pictures(observation), strict=True):
        parts.append(_text_part(f"<{second:.1f} seconds>"))
        source = {"media_type": media, "path": folder.add(picture)}
        parts.append({"type": "image", "source": source})
    told = [observation[key] for key in ("message", "text") if observation[key]]
    if told or not parts:
        parts.append(_text_part("\n".join(told) or "No frames."))
    return parts


def _looked(info: Mapping[str, Any]) -> str:
    seconds = info.get("frame_seconds") or ()
    if not seconds:
        return "No frames."
    return f"{len(seconds)} frames at {', '.join(clock(second) for second in seconds)}."


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
