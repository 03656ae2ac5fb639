"""JSON from a server, read whatever it holds: the result is plain, or there is none.

Plain is what can be kept, written and sent back: strings are Unicode without lone surrogates, and
without the key; whole numbers that Python does not convert for their length are infinite; nothing
is nested deeper than `MAX_DEPTH`.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeAlias

from policies.served.api_key import Key

Json: TypeAlias = Any
"""What JSON can hold; numbers may be NaN or infinite, as Python's reader allows."""
MAX_DEPTH = 100
"""Most objects and lists inside each other. A choice: real replies have about ten."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_json(body: bytes, key: Key) -> Json:
    """Return what a body says, made plain.

    Raises:
        ValueError: if it is not JSON, or nested too deeply.
    """
    try:
        value = json.loads(body.decode("utf-8-sig", "replace"), parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return _plain(value, key, MAX_DEPTH)


def plain_text(text: str, key: Key) -> str:
    """Return the text without lone surrogates, each replaced by U+FFFD, and without the key."""
    return key.hide_in_reply(whole_text(text))


def whole_text(text: str) -> str:
    """Return the text without lone surrogates likewise: it can be written as UTF-8."""
    return _SURROGATE.sub("\ufffd", text)


def can_be_sent(value: Json) -> bool:
    """Return whether a value can be written as JSON: what was read may hold NaN or infinity.

    What was typed may hold a lone surrogate.
    """
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError):
        return False
    return True


def part_of(value: Json, *path: str | int) -> Json:
    """Return what stands at a path of keys and positions; `None` where there is no such thing."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def count_of(value: Json, *path: str | int) -> int | None:
    """Return the whole number >= 0 that stands at a path; `None` where no float holds one."""
    found = part_of(value, *path)
    return found if type(found) is int and 0 <= found < 2**53 else None


def _whole(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # longer than `sys.get_int_max_str_digits()`
        return -math.inf if digits.startswith("-") else math.inf


def _plain(value: Json, key: Key, depth: int) -> Json:
    if isinstance(value, str):
        return plain_text(value, key)
    if not isinstance(value, dict | list):
        return value
    if not depth:
        raise ValueError("it is nested too deeply")
    if isinstance(value, list):
        return [_plain(one, key, depth - 1) for one in value]
    return {plain_text(k, key): _plain(x, key, depth - 1) for k, x in value.items()}
