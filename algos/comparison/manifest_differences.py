"""What two runs were made with, field by field: why one number is not the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from algos.comparison.compared_runs import ComparedRun

MISSING = "-"
"""Stands for a field that one of the manifests does not have."""


@dataclass(frozen=True)
class FieldDifference:
    """A field that two manifests have otherwise, each value as JSON data, or `MISSING`."""

    field: str
    a: Any
    b: Any


def manifest_differences(a: ComparedRun, b: ComparedRun) -> list[FieldDifference]:
    """Return the fields that differ: what the answers depend on first, then versions and machines.

    Of several sessions of a run, the last one counts. When it began makes no difference.
    """
    ours, theirs = dict(_fields(a.manifest)), dict(_fields(b.manifest))
    names = [*ours, *(name for name in theirs if name not in ours)]
    names.sort(key=lambda name: name.startswith("session"))  # stable: settings stay in their order
    pairs = [(name, ours.get(name, MISSING), theirs.get(name, MISSING)) for name in names]
    return [FieldDifference(*pair) for pair in pairs if pair[1] != pair[2]]


def _fields(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a manifest, those inside an object as `outer.inner`."""
    for name, value in manifest.items():
        if name == "settings" and isinstance(value, Mapping):
            yield from _inside("", value)
        elif name == "sessions":
            last = value[-1] if isinstance(value, list) and value else {}
            last = last if isinstance(last, Mapping) else {}
            yield from _inside("session", {k: x for k, x in last.items() if k != "started"})
        elif name != "scorings":
            yield from _inside("", {name: value})


def _inside(outer: str, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        name = f"{outer}.{key}" if outer else str(key)
        if isinstance(inner, Mapping) and inner:
            yield from _inside(name, inner)
        else:
            yield name, inner
