"""Sites: the modules of the learning core, and a sample of their mutants."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.mutation.operators import Change, changed, changes

ROOMS = (
    "algos/batching",
    "algos/evaluation",
    "algos/objectives",
    "algos/ppo",
    "algos/recipe",
    "algos/rollout",
    "policies/sage_mm",
)
"""Folders whose modules are mutated, rooms inside them too."""
NEEDS = {"policies/sage_mm/generation/constrained.py": "llguidance"}
"""Modules whose tests need a package; without it they are left out, and the report says so."""


@dataclass(frozen=True)
class Mutant:
    """A module with one change.

    Attributes:
        path: of the module, from the repository's root.
        change: what differs.
    """

    path: str
    change: Change

    @property
    def module(self) -> str:
        """Return the dotted name of the module."""
        return self.path.removesuffix(".py").replace("/", ".")

    def source(self, root: Path) -> str:
        """Return the mutant's text."""
        return changed((root / self.path).read_text(encoding="utf-8"), self.change)

    def name(self, root: Path) -> str:
        """Return "path: line of code" before and after, without the line's number.

        It stays the same while the module around it changes; `known` names mutants by it.
        """
        text = (root / self.path).read_text(encoding="utf-8")
        start = text.rfind("\n", 0, self.change.start) + 1
        stop = text.find("\n", self.change.end)
        before = text[start : len(text) if stop < 0 else stop]
        at, behind = self.change.start - start, self.change.end - start
        after = before[:at] + self.change.text + before[behind:]
        return f"{self.path}: {_one_line(before)} => {_one_line(after)}"


def all_mutants(root: Path) -> list[Mutant]:
    """Return every mutant of the learning core, in the order of paths and text."""
    return [
        Mutant(path, change)
        for path in module_paths(root)
        for change in changes((root / path).read_text(encoding="utf-8"))
    ]


def sample(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return a random sample without replacement, in the order in which it was drawn.

    So the first mutants of a run are a sample as well.

    Args:
        mutants: all of them.
        count: how many to draw; all where there are fewer.
        seed: of the draw.
    """
    return random.Random(seed).sample(mutants, min(count, len(mutants)))


def module_paths(root: Path) -> Iterator[str]:
    """Yield the paths of the modules that are mutated, from the root; faces hold no code."""
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if path.name != "__init__.py" and name not in left_out():
                yield name


def left_out() -> list[str]:
    """Return the modules whose tests cannot run here, because a package is not installed."""
    return [path for path, package in NEEDS.items() if find_spec(package) is None]


def _one_line(code: str) -> str:
    return " ".join(code.split())
