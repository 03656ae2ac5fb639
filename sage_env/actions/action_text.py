"""Actions as text: one JSON object per action, read from whatever a model writes around it.

`{"thought": "…", "action": "zoom", "start": 312.0, "end": 340.0, "num_frames": 8}`

Nothing is repaired: a value is taken as it is written, or the text is `Invalid` with a reason that
the model can act on. `read_action` reports what it ignored: keys that the action does not know, and
further objects.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sage_env.actions.action import ACTION_NAMES, Action, Invalid
from sage_env.actions.action_json import (
    action_from_json,
    action_to_json,
    keys_of,
    names_action,
    shown_keys,
    thought_of,
)
from sage_env.actions.json_objects import JsonObject, find_objects
from sage_env.actions.thoughts import usable_spans

MAX_CHARS = 65_536
"""Longer texts are refused unread.

A choice, some 16,000 tokens of English: raise it for models that reason for longer.
"""
MAX_REASON = 300
"""Most characters of the reason of an `Invalid`: a model reads it in its next prompt."""

_EXAMPLE = '{"action": "sample", "start": 0.0, "end": 60.0, "num_frames": 8}'


@dataclass(frozen=True)
class ActionText:
    """The reading of a model's text.

    Attributes:
        action: the first valid action, or `Invalid` with the reason why there is none.
        thought: the `thought` of the object that `action` was read from, or that its reason is
            about; `None` if it has none.
        ignored_keys: keys of that object that the action does not know, and `thought` if it is no
            string of Unicode characters; empty for `Invalid`.
        extra_objects: the other JSON objects of the text as they are written there, in order; of
            more than `MAX_OBJECTS`, the first.
    """

    action: Action | Invalid
    thought: str | None = None
    ignored_keys: tuple[str, ...] = ()
    extra_objects: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was ignored, as sentences for the model; empty if nothing was."""
        if isinstance(self.action, Invalid):
            return ()
        notes, count = [], len(self.extra_objects)
        unknown = [key for key in self.ignored_keys if key != "thought"]
        if unknown:
            name, keys = ACTION_NAMES[type(self.action)], keys_of(type(self.action))
            were = "was" if len(unknown) == 1 else "were"
            notes.append(f"{name} takes {', '.join(keys)}: {shown_keys(unknown)} {were} ignored.")
        if len(unknown) < len(self.ignored_keys):
            notes.append("A thought must be a string of Unicode characters: it was ignored.")
        if count:
            others = "another JSON object was" if count == 1 else f"{count} other objects were"
            notes.append(f"Only the first valid action of a reply is taken: {others} ignored.")
        return tuple(notes)


def read_action(text: str, *, thinking: bool = False) -> ActionText:
    """Read the first valid action in `text`, and report what was ignored; never raises.

    An action is one JSON object: the action's name under `action` and its values beside it, or a
    function call, `{"name": "zoom", "arguments": {…}}`, whose name is an action's or else a tool's.
    It may stand in a code fence, in tags or between sentences. What stands in thoughts is a draft,
    and only reported: all before a `</think>`, and all behind a `<think>` that nothing ends
    (`thoughts` has the marks of other families). Numbers may also be strings, times `"05:12"` or
    `"00:05:12.500"` too. Names are case-sensitive. An object with a key written twice is not valid.

    Args:
        text: a reply, as the model wrote it.
        thinking: whether the prompt ended inside thoughts, as the chat templates of models that
            always think make it; or whether the reply was cut by its length where that is not
            known. Then an action counts only behind the end of the thoughts.
    """
    if len(text) > MAX_CHARS:
        reason = f"the reply has {len(text)} characters, at most {MAX_CHARS} are read"
        return ActionText(_invalid(text, f"{reason}: reply with one JSON object like {_EXAMPLE}"))
    found = find_objects(text)
    spans = [(one.start, one.end) for one in found]
    usable, unfinished = usable_spans(text, spans, thinking=thinking)
    problem: str | None = None
    blamed: JsonObject | None = None
    for one in found[usable.start : usable.stop]:
        try:
            reading = action_from_json(_usable(one))
        except (TypeError, ValueError) as error:
            if blamed is None or _rank(one) < _rank(blamed):
                problem, blamed = str(error), one
        else:
            return _report(text, reading.action, one, found, reading.ignored_keys)
    if problem is None:
        problem = _nothing_found(unfinished, bool(usable.start))
    return _report(text, _invalid(text, problem), blamed, found)


def parse_action(text: str, *, thinking: bool = False) -> Action | Invalid:
    """Return the first valid action in `text`, as `read_action` does; never raises."""
    return read_action(text, thinking=thinking).action


def parse_thought(text: str) -> str | None:
    """Return the `thought` of the object that `parse_action` reads; `None` if it has none."""
    return read_action(text).thought


def format_action(action: Action, thought: str | None = None) -> str:
    """Write `action` so that `parse_action` gives it back; the `thought`, if any, comes first.

    Raises:
        TypeError: if `action` is not an action (an `Invalid` has its own `text`).
        ValueError: if a long thought makes the text longer than `MAX_CHARS`, or the thought holds a
            lone surrogate.
    """
    written = action_to_json(action, thought)
    text = json.dumps(written, ensure_ascii=False)
    if len(text) > MAX_CHARS:
        raise ValueError(
            f"an action's text must be at most {MAX_CHARS} characters, got {len(text)}: "
            "shorten the thought"
        )
    return text


def _usable(one: JsonObject) -> dict[str, Any]:
    if one.value is None or one.problem:
        raise ValueError(f"{one.problem}: reply with one JSON object like {_EXAMPLE}")
    return one.value


def _rank(one: JsonObject) -> int:
    """Return how well an object explains why there is no action; the least is best."""
    if one.value is None:
        return 1
    return 0 if names_action(one.value) else 2


def _nothing_found(unfinished: bool, ended: bool) -> str:
    """Return why there is no action, where no object stands outside the thoughts."""
    if unfinished:
        return (
            "the reply was cut or ends inside its thoughts, so nothing in it counts: be brief, end "
            f"thoughts with </think>, then write one JSON object like {_EXAMPLE}"
        )
    where = " after </think>" if ended else ""
    return f"no JSON object was found{where}: reply with one like {_EXAMPLE}"


def _report(
    text: str,
    action: Action | Invalid,
    blamed: JsonObject | None,
    found: list[JsonObject],
    ignored_keys: tuple[str, ...] = (),
) -> ActionText:
    """Report what was read from the object `blamed`, and what else there is."""
    others = [one for one in found if one is not blamed and one.value is not None]
    thought = None if blamed is None or blamed.value is None else thought_of(blamed.value)
    return ActionText(
        action, thought, ignored_keys, tuple(text[one.start : one.end] for one in others)
    )


def _invalid(text: str, reason: str) -> Invalid:
    return Invalid(text, reason if len(reason) <= MAX_REASON else reason[: MAX_REASON - 1] + "…")
