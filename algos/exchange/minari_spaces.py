"""Our spaces in Minari's metadata: readable with Minari alone, and as they were with this.

Minari writes spaces as JSON and knows those of Gymnasium. `UnicodeText`, whose characters are all
of Unicode, is written as a `Text` of the characters that occur, with a key `unicode` that Minari
does not read: plain Minari then has a `Text` of these characters, and a process in which
`register_spaces` was called the `UnicodeText` that the environment has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from sage_env.unicode_text import UnicodeText

_KEY = "unicode"
_ASCII = "".join(map(chr, range(32, 127))) + "\n\t"


def register_spaces(texts: Iterable[str] = ()) -> None:
    """Teach Minari, in this process, to write and read `UnicodeText`.

    Args:
        texts: that a dataset will hold; their characters are named beside those of ASCII.
    """
    from minari.serialization import deserialize_space, serialize_space

    characters = "".join(sorted(set(_ASCII).union(*map(set, texts))))

    def write(space: UnicodeText, to_string: bool = True) -> Any:
        told = {
            "type": "Text",
            "max_length": space.max_length,
            "min_length": 0,
            "charset": characters,
            _KEY: True,
        }
        return json.dumps(told) if to_string else told

    serialize_space.register(UnicodeText, write)
    plain = getattr(deserialize_space.registry["Text"], "plain", deserialize_space.registry["Text"])
    deserialize_space.registry["Text"] = _reader(plain)


def _reader(plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that reads a text space of ours, and leaves others to `plain`."""

    def read(told: Any) -> Any:
        return UnicodeText(told["max_length"]) if told.get(_KEY) else plain(told)

    read.plain = plain  # type: ignore[attr-defined]
    return read
