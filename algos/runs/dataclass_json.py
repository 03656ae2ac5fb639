"""Dataclasses read back from JSON: the types of the fields say what lists and objects become."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_SCALARS: Mapping[Any, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (float, int),  # JSON does not tell 1 from 1.0
    str: (str,),
    NoneType: (NoneType,),
}


def dataclass_from_json(kind: type[T], data: object, place: str = "") -> T:
    """Rebuild a dataclass from what `dataclasses.asdict` and JSON made of it.

    The round trip is the identity for fields that are numbers, texts, `None`, literals, paths,
    tuples, unions of these, dataclasses of these, and mappings to scalars; any other mapping keeps
    what JSON has in it. A field that the data lack takes its default, since settings are added over
    time; a name that `kind` lacks is refused, since what it asked for would not be done.

    Args:
        kind: the dataclass.
        data: a JSON object with a value for each field.
        place: name of the object within the file, for messages; empty for the whole of it.

    Raises:
        ValueError: if the data are no object, lack a field without a default, have one too many, or
            a value of another type; the message names the field, as in `ppo.recipe.first_turns`.
    """
    if not isinstance(data, Mapping):
        raise _unsuited(place or kind.__name__, "a JSON object", data)
    known = {field.name: field for field in fields(kind) if field.init}  # type: ignore[arg-type]
    missing = [name for name, field in known.items() if name not in data and _is_needed(field)]
    unknown = [str(name) for name in data if name not in known]
    problems = [f"{_inside(place, name)} is missing" for name in missing]
    problems += [f"{_inside(place, name)} is not known" for name in unknown]
    if problems:
        raise ValueError(f"{', '.join(problems)}: {kind.__name__} has {', '.join(known)}")
    types = _types(kind)  # type: ignore[arg-type]
    return kind(**{k: _value(types[k], data[k], _inside(place, k)) for k in known if k in data})


@lru_cache(maxsize=256)  # a hundred thousand questions are of one kind
def _types(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)


@lru_cache(maxsize=1024)
def _parts(expected: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(expected), get_args(expected)


def _value(expected: Any, value: Any, place: str) -> Any:
    """Return `value` as the type `expected` has it."""
    origin, arguments = _parts(expected)
    if expected in _SCALARS:
        suits = isinstance(value, _SCALARS[expected])
        if suits and (expected is bool or not isinstance(value, bool)):  # True is an int to Python
            return value
    elif is_dataclass(expected):
        return dataclass_from_json(expected, value, place)  # type: ignore[arg-type]
    elif expected is Path:
        if isinstance(value, str):
            return Path(value)
    elif origin is Literal:
        if any(value == one and type(value) is type(one) for one in arguments):  # 1 == True
            return value
        raise _unsuited(place, f"one of {', '.join(map(repr, arguments))}", value)
    elif origin in (Union, UnionType):
        return _of_union(arguments, value, place)
    elif origin is tuple:
        return _tuple(arguments, value, place)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if isinstance(value, Mapping):
            kept = arguments[1] not in _SCALARS
            return {
                k: v if kept else _value(arguments[1], v, _inside(place, k))
                for k, v in value.items()
            }
    else:
        raise TypeError(f"{place} has the type {expected}, which JSON cannot give back")
    raise _unsuited(place, getattr(expected, "__name__", str(expected)), value)


def _of_union(members: tuple[Any, ...], value: Any, place: str) -> Any:
    """Return `value` as the first type that suits it."""
    problems = []
    for member in members:
        try:
            return _value(member, value, place)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(problems[0])


def _tuple(parts: tuple[Any, ...], value: Any, place: str) -> tuple[Any, ...]:
    """Return a list as a tuple, each value of its own type or, after `...`, all of one."""
    if not isinstance(value, list | tuple):
        raise _unsuited(place, "a list", value)
    if len(parts) == 2 and parts[1] is Ellipsis:
        parts = (parts[0],) * len(value)
    if len(parts) != len(value):
        raise _unsuited(place, f"a list of {len(parts)} values", value)
    places = [f"{place}[{number}]" for number in range(len(value))]
    return tuple(_value(*one) for one in zip(parts, value, places, strict=True))


def _is_needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _inside(place: str, name: object) -> str:
    return f"{place}.{name}" if place else str(name)


def _unsuited(place: str, expected: str, value: object) -> ValueError:
    return ValueError(f"{place}: expected {expected}, got {value!r}")
