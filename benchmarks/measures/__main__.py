"""`python -m benchmarks.measures --draws 1000`: what 95 % intervals cover, as the docs show it."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from benchmarks.measures.coverage import table


@dataclass(frozen=True)
class Settings:
    """What is simulated."""

    draws: int = 1000
    """Of each case."""


if __name__ == "__main__":
    print(table(tyro.cli(Settings).draws))
