"""The actions as JSON Schema: for constrained decoding, and for function calling.

What these schemas accept is a valid action, but for the laws that JSON Schema cannot say: a start
before its end, a box's corners in order, numbers that fit a float, arguments of at most `MAX_TEXT`
characters as JSON. What `format_action` writes is accepted, if the frames and the tool are allowed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from sage_env.actions.action import (
    ACTION_NAMES,
    MAX_EVIDENCE,
    MAX_REQUEST,
    MAX_TEXT,
    Action,
    Answer,
    Sample,
    Skip,
    UseTool,
    Zoom,
)
from sage_env.actions.action_json import ACTION_TYPES, keys_of, required_keys
from sage_env.tools.naming import find_tools
from sage_env.tools.tool import Tool

Schema: TypeAlias = dict[str, Any]

_DESCRIPTIONS: Mapping[type[Action], str] = {
    Skip: "Move the cursor to a time of the video. Shows nothing.",
    Sample: "Look at evenly spaced frames of a stretch of the video.",
    Zoom: "Look closely at a short window of the video, and at a region of the picture if wanted.",
    Answer: "Answer the question. This ends the episode.",
}
_TIME: Schema = {"type": "number", "minimum": 0}
_SPAN: Schema = {"type": "array", "items": _TIME, "minItems": 2, "maxItems": 2}
_FRACTION: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_VALUES: Mapping[str, Schema] = {
    "to": _TIME | {"description": "Seconds from the start of the video."},
    "start": _TIME | {"description": "Where to begin, in seconds from the start of the video."},
    "end": _TIME | {"description": "Where to stop, in seconds; after the start."},
    "num_frames": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_REQUEST,
        "description": "How many frames to look at.",
    },
    "box": {
        "type": "array",
        "items": _FRACTION,
        "minItems": 4,
        "maxItems": 4,
        "description": "Region x0, y0, x1, y1 in fractions of the picture, x0 < x1 and y0 < y1.",
    },
    "text": {
        "type": "string",
        "maxLength": MAX_TEXT,
        "description": "The answer: the letter of a choice, or a short text.",
    },
    "evidence": {
        "type": "array",
        "items": _SPAN,
        "maxItems": MAX_EVIDENCE,
        "description": "Stretches [start, end] in seconds that the answer relies on.",
    },
}
_THOUGHT: Schema = {"type": "string", "description": "Why this action is the next one."}


def action_schema(
    tools: Iterable[Tool] = (), max_frames: int | None = None, thought: bool = True
) -> Schema:
    """Return the JSON Schema (draft 2020-12) of one action as `format_action` writes it.

    It is an `anyOf` with one object per action, and one per tool. The keys are in the order in
    which they are written, the thought first.

    Args:
        tools: the tools that may be used; without them `use_tool` is not in the schema.
        max_frames: most frames that one action may ask for; `None` for `MAX_REQUEST`.
        thought: whether an action may have a `thought`.

    Raises:
        ValueError: if one of `tools` is no tool, or is named like an action or another tool, or if
            `max_frames` is not from 1 to `MAX_REQUEST`.
    """
    kinds = [
        _object(
            {"action": {"const": ACTION_NAMES[kind]}} | _values(kind, max_frames),
            ["action", *required_keys(kind)],
            thought,
        )
        for kind in _DESCRIPTIONS
    ]
    for tool in _checked(tools):
        parameters = _parameters(tool)
        call = {
            "action": {"const": ACTION_NAMES[UseTool]},
            "name": {"const": tool.name},
            "arguments": parameters,
        }
        must = ["arguments"] if parameters.get("required") else []
        kinds.append(_object(call, ["action", "name", *must], thought))
    for kind in kinds:
        kind["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Action",
        "anyOf": kinds,
    }


def function_schemas(
    tools: Iterable[Tool] = (), max_frames: int | None = None, thought: bool = True
) -> list[Schema]:
    """Return one function per action and per tool, for function calling.

    Each is `{"name", "description", "parameters"}`, and the parameters of actions use only what
    the OpenAI and the Gemini interfaces both accept: no unions, constants or references. A tool's
    parameters are passed on as they are, and left out where they name no properties.

    `read_action` reads a call that is written as `{"name": …, "arguments": …}`, with the arguments
    as an object or as its text.

    Args:
        tools: the tools that may be used, each a function of its own.
        max_frames: most frames that one action may ask for; `None` for `MAX_REQUEST`.
        thought: whether the actions have a parameter `thought`.

    Raises:
        ValueError: as for `action_schema`.
    """
    functions: list[Schema] = [
        {
            "name": ACTION_NAMES[kind],
            "description": description,
            "parameters": _object(_values(kind, max_frames), list(required_keys(kind)), thought),
        }
        for kind, description in _DESCRIPTIONS.items()
    ]
    for tool in _checked(tools):
        functions.append({"name": tool.name, "description": tool.description})
        parameters = _parameters(tool)
        if parameters.get("properties"):  # Gemini refuses an object without any
            functions[-1]["parameters"] = parameters
    return functions


def _values(kind: type[Action], max_frames: int | None) -> Schema:
    """Return the schemas of an action's values."""
    values = {key: copy.deepcopy(_VALUES[key]) for key in keys_of(kind)}
    if max_frames is not None and "num_frames" in values:
        if not 1 <= max_frames <= MAX_REQUEST:
            raise ValueError(f"max_frames must be from 1 to {MAX_REQUEST}, got {max_frames}")
        values["num_frames"]["maximum"] = max_frames
    return values


def _object(properties: Schema, required: list[str], thought: bool) -> Schema:
    first = {"thought": dict(_THOUGHT)} if thought else {}
    return {"type": "object", "properties": first | properties, "required": required}


def _checked(tools: Iterable[Tool]) -> list[Tool]:
    found = find_tools(list(tools))
    for name in found:
        if name in ACTION_TYPES:
            raise ValueError(f"no tool may have the name of an action, got {name!r}: rename it")
    return list(found.values())


def _parameters(tool: Tool) -> Schema:
    """Return a tool's parameters as a copy of plain objects and lists."""
    copied: Schema = json.loads(json.dumps(tool.parameters))
    return copied
