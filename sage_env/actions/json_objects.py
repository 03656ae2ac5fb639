"""The JSON objects in a text, whatever stands around them, found in bounded time.

Only what JSON itself says is read: nothing is closed, quoted or corrected. An object that would
have to be guessed at (a key written twice, nested beyond `MAX_DEPTH`) is found, but has a problem.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MAX_OBJECTS = 256
"""Most objects, and most beginnings that turn out to be none, that are read in one text."""
MAX_DEPTH = 64
"""Most objects and lists inside each other: below the depth at which Python's recursion ends."""

_BEGINNING = re.compile(r"\{\s*[\"'}]")  # single quotes are an error that is worth explaining
_TOO_DEEP = f"the JSON object is nested too deeply, at most {MAX_DEPTH} levels are read"
# Characters that are read in one text, with those that are read again. From a brace whose object
# never ends the decoder reads to the end, so n such braces cost n / 2 times the text. A choice:
# twice the longest text that `action_text` takes.
_MAX_READ = 131_072


@dataclass(frozen=True)
class JsonObject:
    """An object in a text, or what begins like one: `text[start:end]`.

    Attributes:
        start: index of the brace.
        end: index behind the object; `start + 1` if it cannot be read.
        value: the object; `None` if it cannot be read.
        problem: why it must not be used, as a sentence without its end; empty if there is none.
    """

    start: int
    end: int
    value: dict[str, Any] | None
    problem: str = ""


class _TwiceWritten(dict[str, Any]):
    """An object in which `key` was written more than once."""

    key: str


def find_objects(text: str) -> list[JsonObject]:
    """Return the JSON objects of `text` in order, and what begins like one but is none.

    Objects inside an object are not listed; those inside one that cannot be read are. The search
    ends after `MAX_OBJECTS` of either, and when re-reading what is nested in something unreadable
    takes too long.
    """
    found: list[JsonObject] = []
    unreadable, left = 0, _MAX_READ
    beginning = _BEGINNING.search(text)
    while beginning and left > 0 and max(unreadable, len(found) - unreadable) < MAX_OBJECTS:
        one, cost = _read(text, beginning.start())
        found.append(one)
        unreadable += one.value is None
        left -= cost
        beginning = _BEGINNING.search(text, one.end)
    return found


def read_object(text: str) -> dict[str, Any]:
    """Return the one JSON object that `text` is.

    Raises:
        ValueError: saying why it is none.
    """
    begun = re.match(r"\s*\{", text)
    if begun is None:
        raise ValueError(f"no JSON object: {reprlib.repr(text)}")
    one, _ = _read(text, begun.end() - 1)
    if one.value is None or one.problem:
        raise ValueError(one.problem)
    if text[one.end :].strip():
        raise ValueError(f"more than one JSON object: {reprlib.repr(text)}")
    return one.value


def is_deeper(value: object, depth: int) -> bool:
    """Return whether `value` has more than `depth` objects and lists inside each other."""
    return _flaw(value, depth) == _TOO_DEEP


def _read(text: str, start: int) -> tuple[JsonObject, int]:
    """Read the object at `start`; return it, and how many characters that took."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        return JsonObject(start, start + 1, None, _why(text, error)), error.pos - start
    except RecursionError:
        return JsonObject(start, start + 1, None, _TOO_DEEP), len(text) - start
    return JsonObject(start, end, value, _flaw(value, MAX_DEPTH)), end - start


def _why(text: str, error: json.JSONDecodeError) -> str:
    if error.msg.startswith("Unterminated") or error.pos >= len(text.rstrip()):
        return "the text ends before its JSON object does, so it cannot be read"
    return (
        f"the JSON object cannot be read ({error.msg.removesuffix(' at')}, "
        f"line {error.lineno} column {error.colno})"
    )


def _flaw(value: object, depth: int) -> str:
    """Return why a JSON value must not be used; empty if it may be."""
    level = _containers([value])
    for _ in range(depth):
        if not level:
            return ""
        for node in level:
            if isinstance(node, _TwiceWritten):
                return f"the key {reprlib.repr(node.key)} is written twice in one JSON object"
        level = _containers(
            x for node in level for x in (node.values() if isinstance(node, dict) else node)
        )
    return _TOO_DEEP if level else ""


def _containers(values: Iterable[object]) -> list[dict[str, Any] | list[Any]]:
    return [value for value in values if isinstance(value, dict | list)]


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make the object; JSON leaves open which of two values of one key holds, so mark it."""
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    marked = _TwiceWritten(value)
    marked.key = Counter(key for key, _ in pairs).most_common(1)[0][0]
    return marked


def _whole(digits: str) -> int | float:
    """Read a whole number; one that Python refuses for its length is beyond every limit of ours."""
    try:
        return int(digits)
    except ValueError:
        return math.inf


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs,
    parse_int=_whole,
    strict=False,  # a line break inside a string is still that string
)
