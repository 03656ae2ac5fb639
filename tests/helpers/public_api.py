"""The public names of the project with their signatures, as text: one line per name.

`python -m tests.helpers.public_api` writes `tests/public_api.txt` anew; a change of that file is a
change of the promise, and belongs in the changelog.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

PROMISE = Path(__file__).parents[1] / "public_api.txt"
PUBLIC = (
    "sage_env",
    "sage_env.actions",
    "sage_env.datasets",
    "sage_env.errors",
    "sage_env.synth",
    "sage_env.testing",
    "sage_env.tools",
    "sage_env.video",
    "sage_env.wrappers",
    "policies.base",
    "policies.baselines",
    "policies.check",
    "policies.errors",
    "policies.sage_mm",
    "policies.sage_released",
    "policies.sb3",
    "policies.served",
    "algos.cli",
    "algos.evaluation",
    "algos.ppo",
    "algos.presets",
    "algos.report",
    "algos.rollout",
    "algos.sft",
    "algos.suite",
)
"""Packages with an `__all__`, and modules, of which every public name that they define counts."""


def promised() -> str:
    """Return the public names with their signatures."""
    return "".join(f"{line}\n" for module in PUBLIC for line in _lines(module))


def _lines(name: str) -> Iterator[str]:
    module = import_module(name)
    for public in sorted(getattr(module, "__all__", None) or _defined(module)):
        value = getattr(module, public)
        yield f"{name}.{public}{_signature(value)}"
        if inspect.isclass(value) and not getattr(value, "_is_protocol", False):
            yield from (f"{name}.{public}.{line}" for line in _methods(value))


def _defined(module: Any) -> list[str]:
    """Return what a module defines itself."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def _methods(owner: type) -> Iterator[str]:
    """Yield the public methods and properties that a class has from classes of ours."""
    members: dict[str, Any] = {}
    for base in reversed(owner.__mro__):
        if base.__module__.partition(".")[0] in ("sage_env", "policies", "algos"):
            members |= vars(base)
    for name, value in sorted(members.items()):
        if isinstance(value, property) and not name.startswith("_"):
            yield f"{name}: property"
        elif isinstance(value, FunctionType | classmethod | staticmethod):
            if name == "__call__" or not name.startswith("_"):
                yield name + _parameters(getattr(owner, name))


def _signature(value: Any) -> str:
    """Return how it is called; nothing for constants and aliases."""
    if inspect.isclass(value) and issubclass(value, BaseException):
        return f": {' <- '.join(base.__name__ for base in value.__mro__[1:-2])}"
    if inspect.isclass(value) and getattr(value, "_is_protocol", False):
        return f": protocol of {'; '.join(_members(value))}"
    if inspect.isclass(value) or isinstance(value, FunctionType):
        return _parameters(value)
    return ""


def _parameters(function: Any) -> str:
    """Return the signature; a default that takes more than a word to write is `...`."""
    signature = inspect.signature(function)
    short = [
        p.replace(default=...)
        if p.default is not p.empty and (len(repr(p.default)) > 24 or "<" in repr(p.default))
        else p
        for p in signature.parameters.values()
    ]
    return str(signature.replace(parameters=short)).replace("Ellipsis", "...")


def _members(protocol: type) -> list[str]:
    """Return what an object must have to be one: attributes, and methods with their parameters."""
    found: dict[str, str] = {}
    for base in reversed(protocol.__mro__):
        if getattr(base, "_is_protocol", False):
            found |= {name: name for name in vars(base).get("__annotations__", {})}
            for name, value in vars(base).items():
                if inspect.isfunction(value) and (name == "__call__" or not name.startswith("_")):
                    found[name] = f"{name}{inspect.signature(value)}"
                elif isinstance(value, property):
                    found[name] = name
    return [found[name] for name in sorted(found)]


if __name__ == "__main__":
    PROMISE.write_text(promised(), encoding="utf-8")
