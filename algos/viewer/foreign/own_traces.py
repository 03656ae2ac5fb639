"""Our own files alone, without their run: episodes (`evaluations/NAME.jsonl`) and rows of samples.

An episode names its question by id only; text, choices and gold answer stand in the result of the
same name beside it, `NAME.json`, where that is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from algos.exchange.foreign_rows import UNKNOWN_VIDEO
from algos.rollout.trajectory import Trajectory
from algos.runs.json_files import item_from_json
from algos.viewer.foreign.chat_messages import arguments_of
from algos.viewer.foreign.json_records import LONGEST, parsed
from algos.viewer.foreign.loose_values import (
    first,
    listed,
    mapping,
    number,
    seconds,
    some_text,
    text,
    truth,
)
from algos.viewer.foreign.traced import Source, Traced, question_view
from algos.viewer.reading.episode_steps import episode_steps
from algos.viewer.view_data import EpisodeView, FrameView, Span, StepView
from sage_env.datasets.item import QAItem

_ROW = ("turns", "frames", "seconds", "tokens", "prompt_tokens", "cost", "evidence_recall")


def is_own_episode(record: Any) -> bool:
    """Return whether a record is an episode as a run of ours stores it."""
    return {"item_id", "turns", "start_info", "terminated"} <= mapping(record).keys()


def is_own_row(record: Any) -> bool:
    """Return whether a record is a row of `samples.jsonl`."""
    return {"id", "question", "gold", "prediction", "verdict", "rule"} <= mapping(record).keys()


def read_own_episode(record: Any, source: Source) -> Traced:
    """Return an episode, with its question where its result lies beside the file."""
    items = _items_beside(source.path)
    item = items.get(text(mapping(record).get("item_id")), {})
    return read_own_parts({"item": item, "trajectory": record}, (), None)


def read_own_row(record: Any, source: Source) -> Traced:
    """Return a row, which knows no turns."""
    del source
    row = mapping(record)
    return read_own_parts({"item": {}, "row": row}, (), row.get("policy"))


def read_own_parts(own: Mapping[str, Any], steps: Sequence[StepView], model: Any) -> Traced:
    """Return item, row and trajectory of ours as a question and its episode.

    Args:
        own: `item`, `row` and `trajectory`, those that are known.
        steps: as the document that holds them shows them, which may carry pictures.
        model: who played.
    """
    item, row = mapping(own.get("item")), mapping(own.get("row"))
    played = mapping(own.get("trajectory"))
    turns = [mapping(turn) for turn in listed(played.get("turns"))]
    last = mapping(turns[-1].get("info")) if turns else {}
    if played:
        steps = _steps(item, played, steps)
    said = answer_text(steps[-1].call) if steps and steps[-1].action == "answer" else None
    answered = row.get("prediction") if "prediction" in row else said
    verdict = truth(row["verdict"] if "verdict" in row else last.get("correct"))
    question = question_view(
        text(first(item, "question") or row.get("question")),
        name=text(first(item, "id") or first(row, "id") or played.get("item_id")),
        gold=some_text(first(item, "answer") or row.get("gold")),
        choices=[text(choice) for choice in listed(item.get("choices"))],
        duration=seconds(first(item, "duration") or row.get("duration")),
        evidence=spans_of(first(item, "evidence") or row.get("evidence")),
        group={k: text(v) for k, v in mapping(item.get("group") or row.get("group")).items()},
    )
    episode = EpisodeView(
        entry="",
        steps=steps,
        verdict=verdict,
        rule=some_text(row.get("rule", last.get("rule"))),
        judge=some_text(row.get("judge")),
        judge_words=some_text(row.get("judge_words")),
        prediction=some_text(answered),
        stop_reason=some_text(row.get("stop_reason", last.get("stop_reason"))),
        error=some_text(row.get("error", played.get("error"))),
    )
    return Traced(
        question=question,
        episode=episode,
        video=some_text(first(item, "video") or row.get("video")),
        row={key: number(row.get(key)) for key in _ROW},
        model=some_text(model),
    )


def answer_text(call: str) -> str:
    """Return the answer of an action that stands as JSON in a text."""
    named = mapping(arguments_of(call)).get("text")
    return text(named) if named is not None else call


def spans_of(value: Any) -> list[Span]:
    """Return stretches of time, `[[start, end], …]`, those of them that are some."""
    found = []
    for pair in listed(value):
        edges = [seconds(edge) for edge in listed(pair)]
        if len(edges) == 2 and edges[0] is not None and edges[1] is not None:
            found.append((edges[0], edges[1]))
    return [span for span in found if span[0] <= span[1]]


def _steps(
    item: Mapping[str, Any], played: Mapping[str, Any], shown: Sequence[StepView]
) -> list[StepView]:
    """Return the turns of a stored episode, with the pictures of the document that holds it."""
    name = text(first(item, "id") or played.get("item_id"))
    known = item_from_json(item) if item else QAItem(name, UNKNOWN_VIDEO, name or "?", (), "")
    steps = episode_steps(known, Trajectory.from_json(dict(played)))
    pictures = {step.turn: [frame.picture for frame in step.frames] for step in shown}
    return [_pictured(step, pictures.get(step.turn, ())) for step in steps]


def _pictured(step: StepView, pictures: Sequence[bytes | None]) -> StepView:
    if len(pictures) != len(step.frames):
        return step
    return replace(step, frames=list(map(_with, step.frames, pictures)))


def _with(frame: FrameView, picture: bytes | None) -> FrameView:
    return replace(frame, picture=picture)


def _items_beside(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the questions of the result beside a file of episodes; none where there is none."""
    beside = path.with_suffix(".json")
    try:
        state = beside.stat()
    except OSError:
        return {}
    return _items(beside, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4)
def _items(path: Path, size: int, changed: int) -> Mapping[str, Mapping[str, Any]]:
    del changed
    try:
        found = mapping(parsed(path.read_bytes())).get("items") if size <= LONGEST else None
    except (OSError, ValueError):
        return {}
    return {text(mapping(item).get("id")): mapping(item) for item in listed(found)}
