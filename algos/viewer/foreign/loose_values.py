"""Values of others' JSON as what they stand for, or `None`: nothing here raises."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST_TEXT = 200_000
"""Characters of a text that are shown; the rest is cut, and said."""
MOST_SECONDS = 1e7
Object = Mapping[str, Any]


def mapping(value: Any) -> Object:
    """Return an object; of anything else, an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> Sequence[Any]:
    """Return a list; of anything else, an empty one."""
    return value if isinstance(value, list | tuple) else ()


def text(value: Any) -> str:
    """Return a value as text: a text itself, nothing for `null`, other values as JSON."""
    if value is None:
        return ""
    try:
        told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return "a value that cannot be shown"
    if len(told) > LONGEST_TEXT:
        return f"{told[:LONGEST_TEXT]} … {len(told) - LONGEST_TEXT} more characters"
    return told


def some_text(value: Any) -> str | None:
    """Return a value as text; `None` where there is none."""
    return text(value) or None


def number(value: Any) -> float | None:
    """Return a finite number; `None` for anything else, also for `true`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def count(value: Any) -> int | None:
    """Return a whole number from 0 on."""
    found = number(value)
    return int(found) if found is not None and 0 <= found < 1e15 and found == int(found) else None


def seconds(value: Any) -> float | None:
    """Return a number of seconds, from 0 to `MOST_SECONDS`."""
    found = number(value)
    return found if found is not None and 0 <= found <= MOST_SECONDS else None


def truth(value: Any) -> bool | None:
    """Return what says right or wrong: `true`, `false`, and the numbers 1 and 0."""
    if isinstance(value, bool):
        return value
    found = number(value)
    return bool(found) if found in (0.0, 1.0) else None


def first(value: Object, *keys: str) -> Any:
    """Return the value of the first key that has one that is not `null`."""
    return next((value[key] for key in keys if value.get(key) is not None), None)
