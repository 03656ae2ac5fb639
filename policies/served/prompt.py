"""Prompts of served models: the task, functions or their JSON, and observations in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from policies.base import Observation
from policies.prompt import render_user
from policies.served.reply_json import whole_text
from sage_env.actions.grammar_text import CALL_INSTRUCTIONS, JSON_INSTRUCTIONS
from sage_env.framing.picture_region import pictures
from sage_env.tools.quoting import told_notes
from sage_env.tools.tool import Tool
from sage_env.tools.tool_prompt import describe_tools
from sage_env.wrappers.chat_space import encoded_picture

Replies = Literal["calls", "json"]
"""The form of a reply: by calling a function, or with an action's JSON as plain text."""
Part = str | bytes
"""A piece of a user turn: text, or a frame as a JPEG file."""

ONLY_THE_FIRST = "Not done: only the first call of a reply is taken."


def system_prompt(replies: Replies, tools: Sequence[Tool] = ()) -> str:
    """Return the system message of a served model.

    Args:
        replies: its form. Functions are told to the service by their schemas, JSON by this text.
        tools: told for `"json"`; for `"calls"` each is a function of its own.
    """
    if replies == "calls":
        return CALL_INSTRUCTIONS
    return "\n".join([JSON_INSTRUCTIONS, *filter(None, [describe_tools(tools)])])


def user_parts(observation: Observation, *, first: bool, with_notes: bool = True) -> list[Part]:
    """Return the user turn that shows an observation, every frame after its own true time.

    Frames have no black bars but what fills whole visual tokens, as `sage_env.pictures` cuts them.

    Args:
        observation: what is shown.
        first: whether it opens the episode: then the question, the choices and the budget are told.
        with_notes: whether messages of the environment and replies of tools are told here.
    """
    told = observation if with_notes else {**observation, "message": "", "text": ""}
    shown = pictures(observation)
    return [
        whole_text(segment) if isinstance(segment, str) else encoded_picture(shown[segment], "jpeg")
        for segment in render_user(told, first=first)
    ]


def call_result(observation: Observation) -> str:
    """Return what a function call brought, as text; frames follow in a user turn."""
    notes = told_notes(str(observation["message"]), str(observation["text"]))
    if observation["num_frames"]:
        notes.append("The frames follow.")
    return whole_text("\n".join(notes)) or "Done."
