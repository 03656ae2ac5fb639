"""Actions as JSON data for files: what was said is kept, valid or not, and comes back equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sage_env.actions.action import Action, Invalid
from sage_env.actions.action_text import format_action, parse_action


def action_record(action: Action | Invalid) -> dict[str, Any]:
    """Return an action as JSON data; `read_action_record` takes it back.

    >>> action_record(Invalid("hm", "no JSON"))
    {'invalid': {'text': 'hm', 'reason': 'no JSON'}}
    """
    if isinstance(action, Invalid):
        return {"invalid": {"text": action.text, "reason": action.reason}}
    return {"action": format_action(action)}


def read_action_record(row: Mapping[str, Any]) -> Action | Invalid:
    """Read what `action_record` returned; other keys of the row are not looked at.

    Raises:
        ValueError: if it is damaged: an action that was chosen must not become an invalid one.
        KeyError, TypeError: if it is no such record.
    """
    if "invalid" in row:
        told = Invalid(**row["invalid"])
        if not (isinstance(told.text, str) and isinstance(told.reason, str)):
            raise ValueError(
                f"text and reason of an invalid action must be texts, got {told!r:.80}"
            )
        return told
    action = parse_action(row["action"])
    if isinstance(action, Invalid):
        raise ValueError(f"the action {row['action']!r} cannot be read: {action.reason}")
    return action
