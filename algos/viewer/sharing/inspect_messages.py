"""An episode as the messages that inspect_ai's viewer shows: what was asked, done and shown.

Each turn is a message of the assistant with one call, and a message of the tool with what it
showed: when the frames are on screen, in seconds, and what was told. Pictures are left out: they
are large, and decoded again from the video by our own page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from algos.viewer.foreign.chat_messages import arguments_of
from algos.viewer.foreign.own_traces import answer_text
from algos.viewer.view_data import EpisodeView, FrameView, QuestionView, StepView
from sage_env.datasets.choice_labels import lettered

_NO_CALLS = ("answer", "message")


def messages_of(question: QuestionView, episode: EpisodeView) -> list[dict[str, Any]]:
    """Return the messages of an episode, from the question to the answer."""
    asked = "\n".join([question.question, *lettered(question.choices)])
    overview = [step for step in episode.steps if step.turn == 0]
    shown = [told for step in overview if (told := _looked(step.frames))]
    messages: list[dict[str, Any]] = [_message("user", "\n".join([asked, *shown]), "q")]
    for step in episode.steps:
        if step.turn > 0:
            messages += _turn(step)
    return messages


def call_arguments(step: StepView) -> dict[str, Any]:
    """Return what a turn asks for as arguments of a call."""
    named = arguments_of(step.call)
    known: dict[str, Any] = {}
    if step.span is not None:
        known |= {"start": step.span[0], "end": step.span[1]}
    if step.box is not None:
        known["box"] = list(step.box)
    if isinstance(named, Mapping):
        return known | {str(key): value for key, value in named.items() if key != "action"}
    return {"call": step.call} | known if step.call else known


def _turn(step: StepView) -> list[dict[str, Any]]:
    spoken = answer_text(step.call) if step.action in _NO_CALLS else ""
    said = _message("assistant", spoken, f"{step.turn}", source="generate")
    if step.thought:
        reasoning = {"type": "reasoning", "reasoning": step.thought}
        said["content"] = [reasoning, {"type": "text", "text": spoken}]
    if step.action in _NO_CALLS:
        return [said]
    name = f"call-{step.turn}"
    call = {"id": name, "function": step.action, "arguments": call_arguments(step)}
    said["tool_calls"] = [{**call, "type": "function"}]
    told = "\n".join(filter(None, (_looked(step.frames), step.told, step.reason)))
    reply = _message("tool", told, f"{step.turn}-reply", function=step.action)
    return [said, {**reply, "tool_call_id": name}]


def _message(role: str, content: str, name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "role": role, "content": content, **more}


def _looked(frames: Sequence[FrameView]) -> str:
    """Return when frames are on screen, each as our prompts write it."""
    times = " ".join(f"<{frame.second:.1f} seconds>" for frame in frames)
    return f"{len(frames)} frames: {times}" if frames else ""


def row_metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the table knows of a question, beyond what the sample says itself."""
    said = ("id", "entry", "question", "gold", "prediction", "verdict", "error")
    return {key: value for key, value in row.items() if key not in said and value is not None}
