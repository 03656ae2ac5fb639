"""What a served model reads: the task, its functions or their JSON, and observations in parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from policies.base import Observation
from policies.prompt import SYSTEM, TASK, render_user
from sage_env.tools.tool import Tool
from sage_env.wrappers.chat_space import encoded_picture

Replies = Literal["calls", "json"]
"""How a model is to reply: by calling a function, or with an action's JSON as plain text."""
Part = str | bytes
"""A piece of a user turn: text, or a frame as a JPEG file."""

ONLY_THE_FIRST = "Not done: only the first call of a reply is taken."
_CALL = """

Reply with exactly one function call and nothing else. Times are seconds from the start of the \
video, and `thought` says in a few words what you look for and why."""


def system_prompt(replies: Replies, tools: Sequence[Tool] = ()) -> str:
    """Return the system prompt; functions are described by their schemas, JSON by this text."""
    if replies == "calls":
        return TASK + _CALL
    lines = [SYSTEM["full"]]
    for tool in tools:
        call = {"thought": "...", "action": "use_tool", "name": tool.name, "arguments": {}}
        lines.append(json.dumps(call, ensure_ascii=False))
        lines.append(f"    {tool.description} Its arguments, as JSON Schema:")
        lines.append(f"    {json.dumps(tool.parameters, ensure_ascii=False)}")
    return "\n".join(lines)


def user_parts(observation: Observation, *, first: bool, with_notes: bool = True) -> list[Part]:
    """Return the user turn that shows an observation, every frame after its own true time.

    Args:
        observation: what is shown.
        first: whether it opens the episode: then the question, the choices and the budget are told.
        with_notes: whether messages of the environment and replies of tools are told here.
    """
    told = observation if with_notes else {**observation, "message": "", "text": ""}
    return [
        segment
        if isinstance(segment, str)
        else encoded_picture(observation["frames"][segment], "jpeg")
        for segment in render_user(told, first=first)
    ]


def call_result(observation: Observation) -> str:
    """Return what a function call brought, as text; frames follow in a user turn."""
    notes = [str(note) for note in (observation["message"], observation["text"]) if note]
    if observation["num_frames"]:
        notes.append("The frames follow.")
    return "\n".join(notes) or "Done."
