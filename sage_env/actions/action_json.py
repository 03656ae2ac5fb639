"""An action as a JSON object: which keys it has, and how their values are read.

A value means what it says, or it is refused: numbers may also be written as strings, and times as
`"05:12"` or `"00:05:12.500"`, and the name of a call may have a namespace before it (see
`function_name`); nothing is rounded, clamped, renamed or guessed.
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any, TypeGuard

from sage_env.actions.action import (
    ACTION_NAMES,
    Action,
    Answer,
    Sample,
    Skip,
    UseTool,
    Zoom,
    is_unicode,
)
from sage_env.actions.function_name import bare_name
from sage_env.actions.json_objects import read_object
from sage_env.timeline import parse_seconds

ACTION_TYPES: Mapping[str, type[Action]] = {
    ACTION_NAMES[kind]: kind for kind in (Skip, Sample, Zoom, Answer, UseTool)
}
"""The actions by name."""

_SHOW = reprlib.Repr()
_SHOW.maxlevel = 2  # what is nested deeper tells a model nothing, and takes long to write
_LONGEST_NUMBER = 64  # characters; longer strings are refused before their digits are converted


@dataclass(frozen=True)
class ActionReading:
    """An action, and the keys of its object that mean nothing to it."""

    action: Action
    ignored_keys: tuple[str, ...]


@dataclass(frozen=True)
class _Parts:
    """An object taken apart, whichever of its two forms it has.

    | object | name | values | strays |
    |---|---|---|---|
    | `{"action": "skip", "to": 3, "x": 1}` | skip | to, x | |
    | `{"name": "skip", "arguments": {"to": 3}, "x": 1}` | skip | to | x |
    | `{"name": "functions.skip", "arguments": {"to": 3}}` | skip | to | |
    | `{"name": "echo", "arguments": {"text": "a"}}` | use_tool | name, arguments | |

    Attributes:
        name: the action's.
        values: by key; some may be unknown to the action.
        thought: what stands under that key, of any type.
        strays: keys beside `name` and `arguments`, which mean nothing.
    """

    name: Any
    values: Mapping[str, Any]
    thought: Any = None
    strays: tuple[str, ...] = ()


def keys_of(kind: type[Action]) -> tuple[str, ...]:
    """Return the keys that an action is written with, besides `action` and `thought`."""
    return tuple(field.name for field in dataclasses.fields(kind))


def required_keys(kind: type[Action]) -> tuple[str, ...]:
    """Return those of `keys_of(kind)` that must be there."""
    return tuple(
        field.name
        for field in dataclasses.fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    )


def names_action(found: Mapping[str, Any]) -> bool:
    """Return whether an object is meant as an action, be it a valid one or not."""
    return "action" in found or _is_call(found)


def action_from_json(found: Mapping[str, Any]) -> ActionReading:
    """Read the action that a JSON object is.

    With the key `action` it is that action, and its other keys are the values. Without it, but with
    `name` and `arguments`, it is a function call: of an action if `name` is an action's name, of a
    tool of that name if not. `arguments` may be an object or its text. `null` for a key that may be
    left out is the same as leaving it out.

    Raises:
        TypeError, ValueError: saying what is missing or wrong.
    """
    parts = _parts(found)
    kind = ACTION_TYPES.get(parts.name) if isinstance(parts.name, str) else None
    if kind is None:
        raise ValueError(f'"action" must be one of {_names()}: got {_SHOW.repr(parts.name)}')
    known = keys_of(kind)
    unknown = (*parts.strays, *(key for key in parts.values if key not in known))
    action = _made(kind, parts.values, unknown)
    lost = parts.thought is not None and not _is_text(parts.thought)
    return ActionReading(action, (("thought",) if lost else ()) + unknown)


def thought_of(found: Mapping[str, Any]) -> str | None:
    """Return the thought in an object; `None` if it has none that is a string of Unicode text."""
    try:
        thought = _parts(found).thought
    except (TypeError, ValueError):
        thought = found.get("thought")
    return thought if _is_text(thought) else None


def action_to_json(action: Action, thought: str | None = None) -> dict[str, Any]:
    """Return the object of an action: the thought first, then `action`, then its values.

    Raises:
        TypeError: if `action` is not an action.
        ValueError: if `thought` holds a lone surrogate.
    """
    kind = type(action)
    if kind not in ACTION_TYPES.values():
        raise TypeError(f"format_action takes an Action, got {reprlib.repr(action)}")
    if thought is not None and not is_unicode(thought):
        raise ValueError(
            f"thought must be valid Unicode, got a lone surrogate: {ascii(thought)[:60]}"
        )
    written: dict[str, Any] = {} if thought is None else {"thought": thought}
    written["action"] = ACTION_NAMES[kind]
    required = required_keys(kind)
    for key in keys_of(kind):
        value = getattr(action, key)
        if key in required or value:
            written[key] = value
    return written


def shown_keys(keys: Sequence[str]) -> str:
    """Return a few of the keys, for a message."""
    more = f" and {len(keys) - 4} more" if len(keys) > 4 else ""
    return ", ".join(reprlib.repr(key) for key in keys[:4]) + more


def _names() -> str:
    return ", ".join(ACTION_TYPES)


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and is_unicode(value)


def _is_call(found: Mapping[str, Any]) -> bool:
    return "name" in found and "arguments" in found


def _parts(found: Mapping[str, Any]) -> _Parts:
    """Take an object apart."""
    if "action" in found:
        values = _without(found, "action", "thought")
        return _Parts(found["action"], values, found.get("thought"))
    if not _is_call(found):
        raise ValueError(f'"action" must be one of {_names()}: it is missing')
    name, thought = found["name"], found.get("thought")
    if not isinstance(name, str):
        raise TypeError(f"name must be that of an action or a tool, got {_SHOW.repr(name)}")
    name, arguments = bare_name(name, ACTION_TYPES), _arguments(found["arguments"])
    strays = tuple(_without(found, "name", "arguments", "thought"))
    if name not in ACTION_TYPES:  # a tool, whose arguments are its own
        call = {"name": name, "arguments": arguments}
        return _Parts(ACTION_NAMES[UseTool], call, thought, strays)
    if thought is None:
        thought = arguments.get("thought")
    return _Parts(name, _without(arguments, "thought"), thought, strays)


def _arguments(value: object) -> Mapping[str, Any]:
    """Return the arguments of a function call, which may be an object or its text."""
    if isinstance(value, str):
        try:
            return read_object(value)
        except ValueError as error:
            raise ValueError(f"arguments must be an object or its text: {error}") from None
    if not isinstance(value, dict):
        raise TypeError(f"arguments must be an object, got {_SHOW.repr(value)}")
    return value


def _without(found: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key not in keys}


def _made(kind: type[Action], values: Mapping[str, Any], unknown: Sequence[str]) -> Action:
    """Make the action from its values."""
    known, required = keys_of(kind), required_keys(kind)
    missing = [key for key in required if key not in values]
    if missing:
        hint = f" (it has no {shown_keys(unknown)})" if unknown else ""
        needs = f'"{ACTION_NAMES[kind]}" needs {", ".join(required)}'
        raise ValueError(f"{needs}: missing {', '.join(missing)}{hint}")
    read = {
        key: _READERS.get(key, _as_is)(key, values[key])
        for key in known
        if key in required or values.get(key) is not None
    }
    return kind(**read)


def _as_is(key: str, value: object) -> object:
    return value


def _time(key: str, value: object) -> object:
    """Turn a time written as a string into seconds; anything else is for the action to judge."""
    if not isinstance(value, str):
        return value
    seconds = parse_seconds(value) if len(value) <= _LONGEST_NUMBER else None
    if seconds is None:
        raise ValueError(
            f"{key} must be seconds, MM:SS or HH:MM:SS, all >= 0, got {reprlib.repr(value)}"
        )
    return seconds


def _number(key: str, value: object) -> object:
    """Turn a number written as a string into that number."""
    if not isinstance(value, str) or ":" in value or len(value) > _LONGEST_NUMBER:
        return value
    number = parse_seconds(value)
    return value if number is None else number


def _count(key: str, value: object) -> object:
    """Turn `"8"`, `8.0` and `"8.0"` into 8."""
    number = _number(key, value)
    return int(number) if isinstance(number, float) and number.is_integer() else value


def _corners(key: str, value: object) -> object:
    """Read the corners of a box."""
    if not isinstance(value, list) or len(value) != 4:
        return value
    return [_number(key, corner) for corner in value]


def _spans(key: str, value: object) -> object:
    """Read every time of a list of spans."""
    if not isinstance(value, list):
        return value
    times = "times of evidence"
    return [
        [_time(times, x) for x in span] if isinstance(span, list) and len(span) == 2 else span
        for span in value
    ]


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "to": _time,
    "start": _time,
    "end": _time,
    "num_frames": _count,
    "box": _corners,
    "evidence": _spans,
}
