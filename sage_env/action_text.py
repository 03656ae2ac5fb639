"""Actions as text: one JSON object per action, read from whatever a model writes around it.

`{"thought": "…", "action": "zoom", "start": 312.0, "end": 340.0, "num_frames": 8}`

Nothing is repaired: a value is taken as it is written, or the text is `Invalid` with a reason that
the model can act on. Keys that an action does not know are ignored.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sage_env.actions import ACTION_NAMES, Action, Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.timeline import parse_seconds

MAX_CHARS = 65_536
"""Longer texts are refused unread."""

_EXAMPLE = '{"action": "sample", "start": 0.0, "end": 60.0, "num_frames": 8}'
_KEYS: Mapping[type[Action], tuple[str, ...]] = {
    Skip: ("to",),
    Sample: ("start", "end", "num_frames"),
    Zoom: ("start", "end", "num_frames", "box"),
    Answer: ("text", "evidence"),
    UseTool: ("name", "arguments"),
}
_TYPES: Mapping[str, type[Action]] = {ACTION_NAMES[kind]: kind for kind in _KEYS}
_OPTIONAL = frozenset({"box", "evidence", "arguments"})
_BEGINNING = re.compile(r"\{\s*[\"}]")
_MAX_TRIES = 64  # each may read the whole text, so hostile texts would take seconds without a limit
_DECODER = json.JSONDecoder(strict=False)  # a line break inside a string is still that string


def parse_action(text: str) -> Action | Invalid:
    """Read the first valid action in `text`; never raises.

    The object may stand in a code fence, in tags or between sentences. Times may also be strings:
    `"312.0"`, `"05:12"`, `"00:05:12.500"`.
    """
    return _read(text)[0]


def parse_thought(text: str) -> str | None:
    """Return the `thought` of the object that `parse_action` reads; `None` if it has none."""
    thought = _read(text)[1].get("thought")
    return thought if isinstance(thought, str) else None


def format_action(action: Action, thought: str | None = None) -> str:
    """Write `action` so that `parse_action` gives it back; the `thought`, if any, comes first.

    Raises:
        TypeError: if `action` is not an action (an `Invalid` has its own `text`).
        ValueError: if a long thought makes the text longer than `MAX_CHARS`.
    """
    keys = _KEYS.get(type(action))
    if keys is None:
        raise TypeError(f"format_action takes an Action, got {reprlib.repr(action)}")
    written: dict[str, Any] = {} if thought is None else {"thought": thought}
    written["action"] = ACTION_NAMES[type(action)]
    for key in keys:
        value = getattr(action, key)
        if key not in _OPTIONAL or value:
            written[key] = value
    text = json.dumps(written, ensure_ascii=False)
    if len(text) > MAX_CHARS:
        raise ValueError(
            f"an action's text must be at most {MAX_CHARS} characters, got {len(text)}: "
            "shorten the thought"
        )
    return text


def _read(text: str) -> tuple[Action | Invalid, Mapping[str, Any]]:
    """Return the first valid action, else why there is none, and the object it was read from."""
    if len(text) > MAX_CHARS:
        reason = f"the reply has {len(text)} characters, at most {MAX_CHARS} are read"
        return Invalid(text, f"{reason}: reply with one JSON object like {_EXAMPLE}"), {}
    problem, first = f"no JSON object was found: reply with one like {_EXAMPLE}", None
    try:
        for found in _objects(text):
            try:
                return _action(found), found
            except (TypeError, ValueError) as error:
                if first is None:
                    problem, first = str(error), found
    except RecursionError:
        if first is None:
            problem = f"the JSON is nested too deeply: reply with one object like {_EXAMPLE}"
    except ValueError as error:
        if first is None:
            problem = f"the JSON object cannot be read ({error}): reply with one like {_EXAMPLE}"
    return Invalid(text, problem), first or {}


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in `text` in order, outermost only.

    Raises:
        ValueError: at the end, if there is a beginning but no object could be read.
        RecursionError: if one is nested too deeply.
    """
    error, any_found, tries = None, False, 0
    beginning = _BEGINNING.search(text)
    while beginning and tries < _MAX_TRIES:
        tries += 1
        try:
            found, position = _DECODER.raw_decode(text, beginning.start())
            any_found = True
            yield found
        except ValueError as problem:
            error = error or problem
            position = beginning.start() + 1
        beginning = _BEGINNING.search(text, position)
    if error is not None and not any_found:
        raise error


def _action(found: Mapping[str, Any]) -> Action:
    """Build the action that a JSON object names.

    Raises:
        TypeError, ValueError: saying what is missing or wrong.
    """
    name = found.get("action")
    kind = _TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        got = f"got {reprlib.repr(name)}" if "action" in found else "it is missing"
        raise ValueError(f'"action" must be one of {", ".join(_TYPES)}: {got}')
    keys = _KEYS[kind]
    missing = [key for key in keys if key not in found and key not in _OPTIONAL]
    if missing:
        raise ValueError(f'"{name}" needs {", ".join(keys)}: missing {", ".join(missing)}')
    values = {key: _READERS.get(key, _as_is)(found[key]) for key in keys if key in found}
    return kind(**values)


def _as_is(value: object) -> object:
    return value


def _time(value: object) -> object:
    """Turn a time written as a string into seconds; anything else is for the action to judge."""
    if not isinstance(value, str):
        return value
    seconds = parse_seconds(value)
    if seconds is None:
        raise ValueError(
            f"a time must be seconds, MM:SS or HH:MM:SS, all >= 0, got {reprlib.repr(value)}"
        )
    return seconds


def _whole(value: object) -> object:
    """Turn `"8"` and `8.0` into 8."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _times(value: object) -> object:
    """Read every time of a list of spans."""
    if not isinstance(value, list):
        return value
    return [[_time(x) for x in span] if isinstance(span, list) else span for span in value]


def _fractions(value: object) -> object:
    """Read the corners of a box; `null` is the whole picture."""
    return [_fraction(x) for x in value] if isinstance(value, list) else value


def _fraction(value: object) -> object:
    number = parse_seconds(value) if isinstance(value, str) and ":" not in value else None
    return value if number is None else number


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "to": _time,
    "start": _time,
    "end": _time,
    "num_frames": _whole,
    "box": _fractions,
    "evidence": _times,
}
