"""The arguments of tools: the part of JSON Schema that is checked, applied, and sampled from.

The keywords are those of draft 2020-12: `type`, `enum`, `minimum`, `maximum` and `required` of
https://json-schema.org/draft/2020-12/json-schema-validation (section 6), the others of
https://json-schema.org/draft/2020-12/json-schema-core (section 10.3).

| keyword | of | means |
|---|---|---|
| `type` | any value | `"string"`, `"number"`, …, or a list of several |
| `enum` | any value | the values there are |
| `minimum`, `maximum` | a number | its limits, included |
| `items` | an array | the schema of each item |
| `properties` | an object | the schema of each key; other keys are refused |
| `required` | an object | the keys that must be there |
| `additionalProperties` | an object | `true` lets other keys in, a schema those that fit it |

Any other keyword is for the agent to read and for the tool to enforce. The standard lets other keys
in where `properties` stands alone; they are refused here, because an agent that misspells a key
should be told so.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from sage_env.argument_checks import is_finite, is_number
from sage_env.errors import ToolInputError

Schema: TypeAlias = Mapping[str, Any]

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "integer": (int, float),  # JSON has one kind of number: 8.0 is a whole one
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
_LARGEST = 2**53  # beyond it, floats are not exact whole numbers
_WORDS = ("goal", "who speaks?", "ein Käfer", "时间", "")


def check_parameters(schema: object) -> None:
    """Check that `schema` describes the arguments of a tool.

    Raises:
        ValueError: naming the part that does not.
    """
    law = "a tool's parameters must be a JSON Schema of an object"
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        raise ValueError(f'{law}, as {{"type": "object", "properties": {{}}}}, got {schema!r}')
    try:
        json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{law} that can be written as JSON: {error}") from None
    _check(schema, "parameters")


def fit_arguments(arguments: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Return a copy of `arguments` that fits `schema`; whole numbers become `int` where due.

    Raises:
        ToolInputError: saying what is missing or wrong.
    """
    try:
        fitted: dict[str, Any] = _fit(dict(arguments), schema, "arguments")
    except RecursionError:
        raise ToolInputError("arguments are nested too deeply") from None
    return fitted


def sample_arguments(
    schema: Schema, random: np.random.Generator, longest: float = 600.0
) -> dict[str, Any]:
    """Draw arguments that fit `schema`; numbers without limits are from `[0, longest]`."""
    drawn: dict[str, Any] = _sample(schema, random, max(longest, 1.0))
    return drawn


def _check(schema: object, where: str) -> None:
    """Check one schema and those inside it; what is wrong first is what is told."""
    if not isinstance(schema, Mapping):
        raise ValueError(f"{where} must be a JSON Schema, got {reprlib.repr(schema)}")
    _check_types(schema, where)
    _check_limits(schema, where)
    _check_enum(schema, where)
    _check_keys(schema, where)
    for name, inner in schema.get("properties", {}).items():
        _check(inner, f"{where}.{name}")
    if "items" in schema:
        _check(schema["items"], f"the items of {where}")
    others = schema.get("additionalProperties", True)
    if not isinstance(others, bool):
        _check(others, f"the additionalProperties of {where}")


def _check_types(schema: Schema, where: str) -> None:
    for name in _types(schema):
        if not isinstance(name, str) or name not in _TYPES:
            raise ValueError(f"the type of {where} must be of {', '.join(_TYPES)}, got {name!r}")


def _check_enum(schema: Schema, where: str) -> None:
    """Check that an `enum` lists values, and that the rest of the schema allows each of them."""
    if "enum" not in schema:
        return
    values = schema["enum"]
    if not isinstance(values, list) or not values:
        raise ValueError(f"the enum of {where} must be a list of values, got {values!r}")
    for value in values:
        try:
            _fit(value, schema, "it")
        except ToolInputError as error:
            raise ValueError(f"the enum of {where} holds {value!r}, but {error}") from None


def _check_keys(schema: Schema, where: str) -> None:
    """Check that `properties` is an object, and that every key of `required` is one of its keys."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping):
        raise ValueError(f"the properties of {where} must be an object, got {properties!r}")
    if not isinstance(required, list) or not all(key in list(properties) for key in required):
        raise ValueError(f"what {where} requires must be a list of its properties, got {required}")


def _check_limits(schema: Schema, where: str) -> None:
    limits = [schema[key] for key in ("minimum", "maximum") if key in schema]
    if not all(is_number(limit) and abs(limit) <= _LARGEST for limit in limits):
        raise ValueError(f"the limits of {where} must be numbers up to 2**53, got {limits}")
    low, high = schema.get("minimum", -_LARGEST), schema.get("maximum", _LARGEST)
    if low > high or ("integer" in _types(schema) and math.ceil(low) > math.floor(high)):
        raise ValueError(f"there must be a number within the limits of {where}, got {limits}")


def _fit(value: Any, schema: Schema, where: str) -> Any:
    """Return a copy of one value that fits its schema."""
    types = _types(schema)
    if types and not any(_is_a(value, name) for name in types):
        expected = " or ".join(types)
        raise ToolInputError(f"{where} must be of type {expected}, got {reprlib.repr(value)}")
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        raise ToolInputError(f"{where} must be one of {schema['enum']}, got {reprlib.repr(value)}")
    if is_number(value):
        if not is_finite(value) and "integer" not in types:  # JSON's may have any length
            raise ToolInputError(f"{where} must be finite, got {reprlib.repr(value)}")
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        if not low <= value <= high:
            raise ToolInputError(f"{where} must be from {low} to {high}, got {reprlib.repr(value)}")
        return int(value) if "integer" in types and _is_whole(value) else value
    if isinstance(value, list):
        items = schema.get("items", {})
        return [_fit(one, items, f"{where}[{i}]") for i, one in enumerate(value)]
    if isinstance(value, dict):
        return _fit_object(value, schema, where)
    return value


def _fit_object(value: dict[str, Any], schema: Schema, where: str) -> dict[str, Any]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    others = schema.get("additionalProperties", "properties" not in schema)
    missing = [key for key in schema.get("required", []) if key not in value]
    unknown = [reprlib.repr(key) for key in value if others is False and key not in properties]
    if missing or unknown:
        wrong = [f"{name} is missing" for name in missing]
        wrong += [f"{name} is not known" for name in unknown[:3]]
        keys = f"the keys are {', '.join(properties)}" if properties else "there are no keys"
        raise ToolInputError(f"{where}: {', '.join(wrong)}: {keys}")
    rest: Schema = others if isinstance(others, Mapping) else {}
    return {key: _fit(x, properties.get(key, rest), f"{where}.{key}") for key, x in value.items()}


def _sample(schema: Schema, random: np.random.Generator, longest: float) -> Any:
    """Draw one value that fits its schema."""
    if "enum" in schema:
        return schema["enum"][random.integers(len(schema["enum"]))]
    types = _types(schema) or ("string",)
    kind = types[int(random.integers(len(types)))]
    match kind:
        case "string":
            return _WORDS[random.integers(len(_WORDS))]
        case "boolean":
            return bool(random.integers(2))
        case "null":
            return None
        case "array":
            items = schema.get("items", {})
            return [_sample(items, random, longest) for _ in range(random.integers(4))]
        case "object":
            properties: Mapping[str, Schema] = schema.get("properties", {})
            needed = schema.get("required", [])
            chosen = [key for key in properties if key in needed or random.integers(2)]
            return {key: _sample(properties[key], random, longest) for key in chosen}
    low, high = _sampled_range(schema, longest)
    if kind == "number":
        return float(random.uniform(low, high))
    return int(random.integers(math.ceil(low), max(math.ceil(low), math.floor(high)) + 1))


def _sampled_range(schema: Schema, longest: float) -> tuple[float, float]:
    """Return limits that are inside those of the schema and no further apart than `longest`."""
    high = schema.get("maximum")
    low = schema.get("minimum", 0.0 if high is None or high >= 0 else high - longest)
    return low, low + longest if high is None else min(high, low + longest)


def _types(schema: Schema) -> Sequence[Any]:
    found = schema.get("type", [])
    return found if isinstance(found, list) else [found]


def _is_a(value: object, name: str) -> bool:
    if isinstance(value, bool):  # a kind of int in Python, and none in JSON
        return name == "boolean"
    return isinstance(value, _TYPES[name]) and (name != "integer" or _is_whole(value))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _same(value: object, other: object) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)
