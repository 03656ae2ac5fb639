"""The actions of an agent: five frozen dataclasses that refuse illegal values when made."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sage_env.actions.json_objects import MAX_DEPTH, is_deeper
from sage_env.argument_checks import is_number, is_whole
from sage_env.frames import Box
from sage_env.timeline import Span

MAX_TEXT = 8_192
"""Most characters of an answer, and of a tool's arguments written as JSON.

A choice: pages of text, and far less than a context. Raise it for tools that take longer texts.
"""
MAX_EVIDENCE = 64
"""Most evidence spans of one answer: a choice, far above the few spans that questions rest on."""
MAX_REQUEST = 1_000_000
"""Most frames that one action may ask for; an environment's budget is far below."""


@dataclass(frozen=True)
class Skip:
    """Move the cursor to `to` seconds. Decodes nothing.

    Raises:
        TypeError, ValueError: if `to` is not a finite number of seconds >= 0.
    """

    to: float

    def __post_init__(self) -> None:
        """Refuse illegal values."""
        _set(self, to=_seconds("to", self.to))


@dataclass(frozen=True)
class Sample:
    """Look at `num_frames` evenly spaced whole frames of `[start, end)` seconds.

    Raises:
        TypeError, ValueError: unless 0 <= start < end, both finite, and num_frames is from 1 to
            `MAX_REQUEST`.
    """

    start: float
    end: float
    num_frames: int

    def __post_init__(self) -> None:
        """Refuse illegal values."""
        start, end = _span("start", self.start, "end", self.end)
        _set(self, start=start, end=end, num_frames=_count("num_frames", self.num_frames))


@dataclass(frozen=True)
class Zoom:
    """Look at `num_frames` frames of the window `[start, end)`, cropped to `box` and enlarged.

    `box` is `(x0, y0, x1, y1)` in fractions of the picture; `None` is the whole picture.

    Raises:
        TypeError, ValueError: as `Sample`, and unless 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1.
    """

    start: float
    end: float
    num_frames: int
    box: Box | None = None

    def __post_init__(self) -> None:
        """Refuse illegal values."""
        start, end = _span("start", self.start, "end", self.end)
        _set(self, start=start, end=end, num_frames=_count("num_frames", self.num_frames))
        if self.box is not None:
            _set(self, box=_box(self.box))


@dataclass(frozen=True)
class Answer:
    """End the episode with `text`, relying on what was seen in the `evidence` spans (seconds).

    Raises:
        TypeError, ValueError: if `text` is not a string of at most `MAX_TEXT` Unicode characters,
            or `evidence` is not at most `MAX_EVIDENCE` spans with 0 <= start < end.
    """

    text: str
    evidence: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        """Refuse illegal values."""
        _text("text", self.text)
        spans = _items("evidence", self.evidence)
        if len(spans) > MAX_EVIDENCE:
            raise ValueError(f"evidence must be at most {MAX_EVIDENCE} spans, got {len(spans)}")
        _set(self, evidence=tuple(_evidence_span(span) for span in spans))


@dataclass(frozen=True)
class UseTool:
    """Call the tool `name`; its text comes back in the next observation.

    `arguments` is a JSON object; a copy is kept.

    Raises:
        TypeError, ValueError: if `name` is not a non-empty string or `arguments` is not a JSON
            object of at most `MAX_TEXT` characters, nested at most 63 deep.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse illegal values."""
        _text("name", self.name)
        if not self.name:
            raise ValueError("name must be the name of a tool, got an empty string")
        _set(self, arguments=_json_object("arguments", self.arguments))


@dataclass(frozen=True)
class Invalid:
    """A text that is no action: a turn is spent on it, and the `reason` is told."""

    text: str
    reason: str


Action: TypeAlias = Skip | Sample | Zoom | Answer | UseTool
ACTION_NAMES: Mapping[type, str] = {
    Skip: "skip",
    Sample: "sample",
    Zoom: "zoom",
    Answer: "answer",
    UseTool: "use_tool",
    Invalid: "invalid",
}


def _set(action: object, **fields: object) -> None:
    for name, value in fields.items():
        object.__setattr__(action, name, value)


def _real(name: str, value: object) -> float:
    if not is_number(value):
        raise TypeError(f"{name} must be a number, got {reprlib.repr(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number


def _seconds(name: str, value: object) -> float:
    seconds = _real(name, value)
    if seconds < 0:
        raise ValueError(f"{name} must be seconds from the start of the video, >= 0, got {seconds}")
    return seconds


def _span(start_name: str, start: object, end_name: str, end: object) -> Span:
    span = _seconds(start_name, start), _seconds(end_name, end)
    if span[0] >= span[1]:
        raise ValueError(f"{start_name} must be before {end_name}, got {span[0]} and {span[1]}")
    return span


def _count(name: str, value: object) -> int:
    if not is_whole(value):
        raise TypeError(f"{name} must be a whole number, got {reprlib.repr(value)}")
    count = int(value)
    if not 1 <= count <= MAX_REQUEST:
        got = count if abs(count) <= 10 * MAX_REQUEST else "a huge number"
        raise ValueError(f"{name} must be from 1 to {MAX_REQUEST}, got {got}")
    return count


def _items(name: str, value: object) -> Sequence[object]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise TypeError(f"{name} must be a list, got {reprlib.repr(value)}")
    return value


def _box(value: object) -> Box:
    corners = _items("box", value)
    if len(corners) != 4:
        raise ValueError(f"box must be (x0, y0, x1, y1), got {reprlib.repr(value)}")
    x0, y0, x1, y1 = (_real("box", corner) for corner in corners)
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise ValueError(
            "box must be fractions (x0, y0, x1, y1) with 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1, "
            f"got {(x0, y0, x1, y1)}"
        )
    return x0, y0, x1, y1


def _evidence_span(value: object) -> Span:
    ends = _items("an evidence span", value)
    if len(ends) != 2:
        raise ValueError(f"an evidence span must be (start, end), got {reprlib.repr(value)}")
    return _span("an evidence span's start", ends[0], "its end", ends[1])


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {reprlib.repr(value)}")
    if len(value) > MAX_TEXT:
        raise ValueError(f"{name} must be at most {MAX_TEXT} characters, got {len(value)}")
    if not is_unicode(value):
        raise ValueError(f"{name} must be valid Unicode, got a lone surrogate: {ascii(value)[:60]}")


def is_unicode(text: str) -> bool:
    """Return whether `text` can be written as UTF-8, that is, holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _json_object(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(f"{name} must be an object with string keys, got {reprlib.repr(value)}")
    try:
        written = json.dumps(dict(value), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} must be a JSON object: {error}") from None
    _text(f"{name} as JSON", written)
    copy: dict[str, Any] = json.loads(written)
    if is_deeper(copy, MAX_DEPTH - 1):  # the action around them is one level more
        raise ValueError(f"{name} must be nested at most {MAX_DEPTH - 1} deep: flatten it")
    return copy


def require_action(action: object) -> None:
    """Refuse what is neither an action nor `Invalid`.

    Raises:
        TypeError: naming what it is.
    """
    if type(action) not in ACTION_NAMES:
        raise TypeError(
            "step takes an action of sage_env.actions or Invalid, got "
            f"{type(action).__name__}: read text with sage_env.parse_action"
        )
