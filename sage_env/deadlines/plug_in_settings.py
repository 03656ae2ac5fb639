"""Settings of a plug-in that are written as text, `size=small&beams=5`, read by their types."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import unquote

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def split_settings(written: str) -> tuple[str, dict[str, str]]:
    """Return a name, and the settings that follow it after a `?`, as text.

    >>> split_settings("ground?server=http://localhost:8000/v1&frames=16")
    ('ground', {'server': 'http://localhost:8000/v1', 'frames': '16'})

    Args:
        written: `NAME` or `NAME?KEY=VALUE&KEY=VALUE`; a `%26` in a value is a `&`.

    Raises:
        ValueError: if one is not `KEY=VALUE`, or a key comes twice.
    """
    name, _, rest = written.partition("?")
    settings: dict[str, str] = {}
    for one in filter(None, rest.split("&")):
        key, equals, value = one.partition("=")
        if not (key and equals):
            raise ValueError(f"a setting of {name} must be KEY=VALUE, got {key!r:.60}")
        if key in settings:
            raise ValueError(f"{name} has the setting {key!r} twice: leave one out")
        settings[key] = unquote(value)
    return name, settings


def written_settings(make: Callable[..., Any], written: Mapping[str, str]) -> dict[str, Any]:
    """Return keyword arguments of a class, read as its annotations say.

    | annotated as | is written |
    |---|---|
    | `str`, `Path` | as it is |
    | `int`, `float` | as a number |
    | `bool` | `true` or `false`, `yes` or `no`, `1` or `0` |
    | `Literal[...]` | as one of these |
    | `Optional[X]` | `none`, else as `X` |
    | `tuple[X, ...]` | with commas between |

    Args:
        make: the class.
        written: its settings, by their names.

    Raises:
        ValueError: if there is no such setting, saying which there are, or a value is none of its
            type.
    """
    if not written:
        return {}
    kinds = {
        name: parameter.annotation
        for name, parameter in inspect.signature(make, eval_str=True).parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    }
    for name in written:
        if name not in kinds:
            known = f"they are {', '.join(kinds)}" if kinds else "there are none"
            raise ValueError(f"no setting {name!r}: {known}")
    return {name: _read(text, kinds[name], name) for name, text in written.items()}


def _read(text: str, kind: Any, name: str) -> Any:
    """Return a value of a type that is written as text."""
    if get_origin(kind) in (Union, types.UnionType):
        if type(None) in get_args(kind) and text.lower() == "none":
            return None
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is tuple:
        return tuple(_read(one, get_args(kind)[0], name) for one in text.split(",") if one)
    read = _reader(kind)
    try:
        return read(text)
    except (ValueError, KeyError):
        told = f"one of {', '.join(map(str, get_args(kind)))}" if get_args(kind) else kind.__name__
        raise ValueError(f"the setting {name!r} must be {told}, got {text!r:.60}") from None


def _reader(kind: Any) -> Callable[[str], Any]:
    """Return the function that reads a value of a type."""
    if get_origin(kind) is Literal:
        return lambda text: {str(one): one for one in get_args(kind)}[text]
    if kind is bool:
        return lambda text: _TRUTH[text.lower()]
    if kind in (int, float, str, Path):
        read: Callable[[str], Any] = kind
        return read
    raise ValueError(f"settings of the type {kind} cannot be written as text")
