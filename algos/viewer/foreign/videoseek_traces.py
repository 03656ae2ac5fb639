"""VideoSeek's `trajectory.json` (github.com/jylins/videoseek at 45b75ce).

    {"question", "steps": [{"step_id", "thought", "action": {"function_name", "parameters",
     "function_id"}, "observation": {"action", "outcome"}}], "final_answer", "finish_reason"}

A step of theirs with several calls stands there once for each. Its tools are `overview`,
`skim(query, start_time, end_time)`, `focus(query, start_time, end_time)` and `answer`; no frame is
kept. The folder is named `VIDEO_TIME`: the video is taken from there where a clip has that name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from algos.viewer.foreign.chat_messages import Call, arguments_of
from algos.viewer.foreign.conversations import step_of_call
from algos.viewer.foreign.loose_values import first, listed, mapping, some_text, text
from algos.viewer.foreign.traced import Source, Traced, question_view, told_of, video_of
from algos.viewer.view_data import EpisodeView, StepView

_FOLDER = re.compile(r"(.+)_\d{9,}$")
_OUT_OF_STEPS = "reach_max_steps"


def is_videoseek(record: Any) -> bool:
    """Return whether a record is a trajectory of VideoSeek."""
    found = mapping(record)
    steps = listed(found.get("steps"))
    if "question" not in found or not ({"final_answer", "finish_reason"} & found.keys()):
        return False
    return all(mapping(step).keys() & {"thought", "action"} for step in steps[:3])


def read_videoseek(record: Any, source: Source) -> Traced:
    """Return a trajectory as a question and its episode."""
    found = mapping(record)
    steps = [_step(turn, mapping(one)) for turn, one in enumerate(listed(found.get("steps")), 1)]
    answer = some_text(found.get("final_answer"))
    ended = found.get("finish_reason")
    if answer is not None and (not steps or steps[-1].action != "answer"):
        steps.append(StepView(turn=len(steps) + 1, action="answer", call=answer))
    folder = _FOLDER.fullmatch(source.path.parent.name)
    told = told_of(found, source)
    told["name"] = told["name"] or (source.path.parent.name if folder else "")
    stopped = {"stop": "answered", _OUT_OF_STEPS: "out_of_turns"}
    episode = EpisodeView(
        entry="",
        steps=steps,
        prediction=answer,
        stop_reason=stopped.get(text(ended)),
    )
    return Traced(
        question=question_view(text(found.get("question")), **told),
        episode=episode,
        video=video_of(found) or (folder[1] if folder else None),
        model=some_text(found.get("model")),
    )


def _step(turn: int, step: Mapping[str, Any]) -> StepView:
    action = mapping(step.get("action"))
    observation = step.get("observation")
    outcome = first(mapping(observation), "outcome", "content")
    told = text(outcome if isinstance(observation, Mapping) else observation)
    name = text(first(action, "function_name", "name", "function")) or text(step.get("action"))
    arguments = arguments_of(first(action, "parameters", "arguments", "args"))
    written = {k: v for k, v in mapping(arguments).items() if k not in ("vr", "subtitles")}
    number = {"step": text(step["step_id"])} if "step_id" in step else {}
    if name == "answer":
        said = text(first(written, "answer")) or told
        thought = some_text(step.get("thought"))
        return StepView(turn=turn, action="answer", call=said, thought=thought, extra=number)
    made = step_of_call(Call(name or "message", written or None), turn)
    fields = {"thought": some_text(step.get("thought")), "told": told}
    return StepView(**{**vars(made), **fields, "extra": {**number, **made.extra}})
