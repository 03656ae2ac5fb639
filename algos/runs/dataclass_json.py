"""Dataclasses read back from JSON: the types of the fields say what lists and objects become.

What a type needs is worked out once: a hundred thousand questions are of one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_Reader = Callable[[Any], Any]
_SCALARS: Mapping[Any, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (float, int),  # JSON does not tell 1 from 1.0
    str: (str,),
    NoneType: (NoneType,),
}


class _Unsuited(ValueError):
    """A value of another type, which learns its place while it passes those around it."""

    def __init__(self, tell: Callable[[str], str], place: str = "") -> None:
        super().__init__()
        self._tell, self._place = tell, place

    def inside(self, place: str) -> _Unsuited:
        """Return what is to be raised one place further out."""
        return _Unsuited(self._tell, place + self._place)

    def __str__(self) -> str:
        return self._tell(self._place.removeprefix("."))


def dataclass_from_json(kind: type[T], data: object, place: str = "") -> T:
    """Rebuild a dataclass from what `dataclasses.asdict` and JSON made of it.

    The round trip is the identity for fields that are numbers, texts, `None`, literals, paths,
    tuples, unions of these, and dataclasses of these; a mapping keeps what JSON has in it. A field
    that the data lack takes its default, since settings are added over time; a name that `kind`
    lacks is refused, since what it asked for would not be done.

    Args:
        kind: the dataclass.
        data: a JSON object with a value for each field.
        place: name of the object within the file, for messages; empty for the whole of it.

    Raises:
        ValueError: if the data are no object, lack a field without a default, have one too many, or
            a value of another type; the message names the field, as in `ppo.recipe.first_turns`.
    """
    try:
        made: T = _reader_of(kind)(data)  # type: ignore[arg-type]
    except _Unsuited as error:
        raise ValueError(str(error.inside(place))) from None
    return made


@lru_cache(maxsize=256)
def _reader_of(kind: Any) -> _Reader:
    """Return what reads a dataclass."""
    types = get_type_hints(kind)
    known = {field.name: _reader(types[field.name]) for field in fields(kind) if field.init}
    needed = [field.name for field in fields(kind) if field.init and _is_needed(field)]

    def read(data: Any) -> Any:
        if not isinstance(data, Mapping):
            told = f"expected a JSON object, got {data!r}"
            raise _Unsuited(lambda place: f"{place or kind.__name__}: {told}")
        if not (data.keys() <= known.keys() and all(name in data for name in needed)):
            raise _Unsuited(partial(_other_names, kind, list(known), needed, list(data)))
        values = {}
        for name, reader in known.items():
            if name in data:
                try:
                    values[name] = reader(data[name])
                except _Unsuited as error:
                    raise error.inside(f".{name}") from None
        return kind(**values)

    return read


def _other_names(
    kind: Any, known: list[str], needed: list[str], named: list[Any], place: str
) -> str:
    """Say which names an object lacks or has too many.

    Args:
        kind: the dataclass.
        known: its fields.
        needed: those without a default.
        named: what the object has.
        place: of the object; "" for the whole.
    """
    problems = [f"{_inside(place, name)} is missing" for name in needed if name not in named]
    problems += [f"{_inside(place, name)} is not known" for name in named if name not in known]
    return f"{', '.join(problems)}: {kind.__name__} has {', '.join(known)}"


def _reader(expected: Any) -> _Reader:
    """Return what reads a value of some type.

    Not cached by the type: `str | Path` and `Path | str` are equal, and are read in their order.
    """
    origin, arguments = get_origin(expected), get_args(expected)
    if expected in _SCALARS:
        return _scalar(expected)
    if is_dataclass(expected):
        return lambda value: _reader_of(expected)(value)  # type: ignore[arg-type]
    if expected is Path:
        return _read_path
    if origin is Literal:
        return partial(_read_literal, arguments)
    if origin in (Union, UnionType):
        return _union([_reader(member) for member in arguments], NoneType in arguments)
    if origin is tuple:
        return _tuple(arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        values = _reader(arguments[1]) if arguments[1] in _SCALARS else None
        return partial(_read_mapping, origin.__name__, values)
    raise TypeError(f"a field has the type {expected}, which JSON cannot give back")


def _scalar(expected: Any) -> _Reader:
    suiting = _SCALARS[expected]
    exact = frozenset(suiting)  # True is an int to Python, and no number here

    def read(value: Any) -> Any:
        if type(value) in exact:
            return value
        if isinstance(value, suiting) and not isinstance(value, bool):
            return value
        raise _unsuited(expected.__name__, value)

    return read


@lru_cache(maxsize=1024)
def _path(text: str) -> Path:
    return Path(text)


def _read_path(value: Any) -> Path:
    if isinstance(value, str):
        return _path(value)  # the questions of one video share it
    raise _unsuited("Path", value)


def _read_literal(options: tuple[Any, ...], value: Any) -> Any:
    if any(value == one and type(value) is type(one) for one in options):  # 1 == True
        return value
    raise _unsuited(f"one of {', '.join(map(repr, options))}", value)


def _read_mapping(name: str, values: _Reader | None, value: Any) -> dict[Any, Any]:
    """Return a JSON object; its values have to be of a type where they are no structures."""
    if not isinstance(value, Mapping):
        raise _unsuited(name, value)
    found = {}
    for key, one in value.items():
        try:
            found[key] = one if values is None else values(one)
        except _Unsuited as error:
            raise error.inside(f".{key}") from None
    return found


def _union(members: list[_Reader], has_none: bool) -> _Reader:
    """Return what reads a value as the first type that suits it."""

    def read(value: Any) -> Any:
        if value is None and has_none:
            return None
        first: ValueError | None = None
        for member in members:
            try:
                return member(value)
            except ValueError as error:
                first = first or error
        assert first is not None
        raise first

    return read


def _tuple(parts: tuple[Any, ...]) -> _Reader:
    """Return what reads a list as a tuple: each value of its own type or, with `...`, of one."""
    alike = len(parts) == 2 and parts[1] is Ellipsis
    readers = [_reader(part) for part in parts if part is not Ellipsis]

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise _unsuited("a list", value)
        if not alike and len(readers) != len(value):
            raise _unsuited(f"a list of {len(readers)} values", value)
        found: list[Any] = []
        try:
            for reader, one in zip(readers * len(value) if alike else readers, value, strict=True):
                found.append(reader(one))
        except _Unsuited as error:
            raise error.inside(f"[{len(found)}]") from None
        return tuple(found)

    return read


def _is_needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _inside(place: str, name: object) -> str:
    return f"{place}.{name}" if place else str(name)


def _unsuited(expected: str, value: object) -> _Unsuited:
    return _Unsuited(lambda place: f"{place}: expected {expected}, got {value!r}")
