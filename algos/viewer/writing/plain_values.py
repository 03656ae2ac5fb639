"""Numbers and texts of others as JSON and HTML can carry them; JSON for a `<script>` element."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import PurePath
from typing import Any

_DIGITS = 6
_EXACT = 2**53  # integers beyond it are rounded by a script anyway
# What would end a script element, or an old script's line: `<`, and U+2028/9.
_ESCAPED = {"<": "\\u003c", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)  # `json.dumps` makes one a call
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")


def rounded(value: float) -> float | int | None:
    """Return a number to six digits, thousands to a thousandth; `None` for one that is none."""
    if isinstance(value, int):
        return value if abs(value) < _EXACT else float(f"{value:.6g}") if value < 1e300 else None
    if not math.isfinite(value):
        return None
    if value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return round(value, 3) if 1000 <= abs(value) < 1e9 else float(f"{value:.{_DIGITS}g}")


def plain(value: Any) -> Any:
    """Return a value as JSON data: what says nothing is left out of every object.

    `None`, an empty text, list or object says nothing; 0 and `False` say something.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return rounded(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return said(value)
    if is_dataclass(value) and not isinstance(value, type):
        return said(values_of(value))
    if isinstance(value, PurePath):
        return value.name  # where it lies on this machine is nobody's business
    if hasattr(value, "tolist"):  # a number or array of numpy
        return plain(value.tolist())
    return str(value)


def said(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return an object as JSON data without what says nothing."""
    found = {str(key): plain(value) for key, value in values.items() if value is not None}
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def values_of(one: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, by name."""
    return {name: getattr(one, name) for name in _names(type(one))}  # type: ignore[arg-type]


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """Return the names of the fields of a class: a page has a million steps of one class."""
    return tuple(one.name for one in fields(kind))


def json_line(value: Any) -> str:
    """Return plain JSON data as ASCII text without blanks; a lone surrogate is escaped in it."""
    return _ENCODER.encode(value)


def script_json(value: Any) -> str:
    """Return plain JSON data as the content of a `<script>` element, which it cannot end."""
    text = json_line(value)
    for letter, escaped in _ESCAPED.items():
        text = text.replace(letter, escaped)
    return text


def html_text(text: str) -> str:
    """Return a text that any HTML file may hold, not yet escaped: no control, no lone surrogate."""
    return _CONTROL.sub("\ufffd", text)
