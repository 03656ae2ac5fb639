"""SAGE's traces and judged results (github.com/allenai/SAGE at b5d9c93), a record at a time.

Traces (`.jsonl`) have no verdict: it is taken from the judged results of the same name, `.json`,
where these lie beside them.

`algos.exchange.sage_results` says what each key stands for. Here the calls become turns with their
stretches, and extracted frames are on screen when their file names say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from algos.exchange.foreign_rows import ForeignQuestion, ForeignStep
from algos.exchange.sage_results import is_sage_result, sage_question
from algos.viewer.foreign.chat_messages import Call
from algos.viewer.foreign.conversations import step_of_call
from algos.viewer.foreign.json_records import LONGEST, parsed
from algos.viewer.foreign.loose_values import first, listed, mapping, some_text, text
from algos.viewer.foreign.traced import Source, Traced
from algos.viewer.view_data import EpisodeView, FrameView, QuestionView, StepView
from policies.sage_released.media import frame_second
from sage_env.actions.action import Invalid, UseTool
from sage_env.datasets.item import QAItem


def read_sage(record: Any, source: Source) -> Traced:
    """Return a record as a question and its episode."""
    found = sage_question(_judged(record, source.path))
    steps = [_step(turn, step) for turn, step in enumerate(found.steps, 1)]
    steps = [
        _thought_once(step, before) for step, before in zip(steps, [None, *steps], strict=False)
    ]
    answer = found.prediction
    if answer is not None:
        thought = _thought(found.text)
        steps.append(StepView(turn=len(steps) + 1, action="answer", call=answer, thought=thought))
    return traced_question(found, steps, str(found.item.video))


def judged_twin(path: Path) -> bool:
    """Return whether a file has the judged results of traces that lie beside it."""
    return path.suffix == ".json" and path.with_suffix(".jsonl").is_file()


def _judged(record: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Return a trace with the verdict of the judged results of the same name beside it."""
    beside = path.with_suffix(".json")
    if path.suffix != ".jsonl" or record.get("is_correct") is not None:
        return record
    try:
        state = beside.stat()
    except OSError:
        return record
    twin = _results(beside, state.st_size, state.st_mtime_ns).get(_asked(record), {})
    same = twin.get("answer") == record.get("answer")
    return {**twin, **{k: v for k, v in record.items() if v is not None}} if same else record


@lru_cache(maxsize=4)
def _results(path: Path, size: int, changed: int) -> Mapping[str, Mapping[str, Any]]:
    del changed
    try:
        rows = parsed(path.read_bytes()) if size <= LONGEST else ()
    except (OSError, ValueError):
        return {}
    return {_asked(row): row for row in listed(rows) if is_sage_result(row)}


def _asked(record: Mapping[str, Any]) -> str:
    """Return question and video, by which their evaluator names a question."""
    return f"{record['question']}|{first(record, 'path', 'video_path')}"


def traced_question(found: ForeignQuestion, steps: list[StepView], video: str | None) -> Traced:
    """Return a question that `algos.exchange` read, with the turns that were found of it."""
    known = mapping(found.known)
    episode = EpisodeView(
        entry="",
        steps=steps,
        verdict=found.verdict if found.error is None else None,
        judge_words=some_text(known.get("judge_words")),
        prediction=found.prediction,
        stop_reason="answered" if found.prediction is not None and found.error is None else None,
        error=found.error,
    )
    row = {key: known.get(key) for key in ("attempts", "seconds", "tokens", "prompt_tokens")}
    if not steps and known.get("turns"):
        row["turns"] = known["turns"]
    return Traced(question=_view(found.item), episode=episode, video=video, row=row)


def _view(item: QAItem) -> QuestionView:
    choice = item.choices.index(item.answer) if item.answer in item.choices else None
    return QuestionView(
        id=item.id,
        question=item.question,
        choices=list(item.choices),
        gold=item.answer or None,
        gold_choice=choice,
        kind=item.kind,
        group=dict(item.group),
        evidence=list(item.evidence),
        duration=item.duration,
    )


def _step(turn: int, step: ForeignStep) -> StepView:
    action = step.action
    if isinstance(action, Invalid):
        return StepView(
            turn=turn,
            action="invalid",
            call=text(action.text),
            reason=action.reason,
            thought=_thought(step.text),
            told=text(step.reply),
        )
    if isinstance(action, UseTool):
        made = step_of_call(Call(action.name, dict(action.arguments)), turn)
    else:
        made = step_of_call(Call("zoom", _arguments(action)), turn)
    seconds = [frame_second(path) for path in _paths(step.reply)]
    frames = [FrameView(second) for second in seconds if second is not None]
    return replace(
        made, frames=frames or made.frames, thought=_thought(step.text), told=text(step.reply)
    )


def _arguments(action: Any) -> Mapping[str, Any]:
    return {key: value for key, value in vars(action).items() if value is not None}


def _paths(reply: str) -> list[str]:
    """Return the frames that a reply of `extract_parts_from_timestamp` names."""
    try:
        paths = listed(mapping(json.loads(reply)).get("media_paths"))
    except (ValueError, RecursionError):
        return []
    return [path for path in paths if isinstance(path, str)]


def _thought(said: str) -> str | None:
    """Return what a reply reasons: why it can answer or not, and why it calls the tool."""
    try:
        reply = mapping(json.loads(said))
    except (ValueError, RecursionError):
        return some_text(said)
    calls = listed(mapping(reply.get("recommended_tools")).get("tool_calls"))
    told = [
        first(reply, "video_context"),
        mapping(reply.get("answerable")).get("reasoning"),
        *(mapping(call).get("rationale") for call in calls),
    ]
    return "\n\n".join(filter(None, map(text, told))) or None


def _thought_once(step: StepView, before: StepView | None) -> StepView:
    """Return a turn without a thought that the turn before has too: one reply, several calls."""
    same = before is not None and step.thought == before.thought
    return replace(step, thought=None) if same else step
