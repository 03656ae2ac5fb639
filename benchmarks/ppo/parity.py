"""Our estimators and losses beside those of TRL and verl, on the same random numbers.

    python -m benchmarks.ppo.parity [--out benchmarks/reports]

It calls their own functions (TRL's `_compute_loss` of the trainers, on a stand-in that hands it
our log-probs instead of a model's) and prints the largest difference of values and of gradients.
A library that is not installed is said to be, and skipped. Where they compute something else on
purpose, the row says so; everything else must agree to 1e-6.
"""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from algos.evaluation.tables import format_table
from benchmarks.ppo import parity_trl, parity_verl
from benchmarks.ppo.parity_case import Comparison, ParityCase
from benchmarks.provenance import commit

HEADER = ("library", "quantity", "value", "gradient", "")


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    seeds: int = 20
    """Random batches."""
    out: Path | None = None
    """Folder of the report; by default it is only printed."""


def compared(row: Comparison, seeds: int) -> tuple[str, str, str, str, str]:
    """Return a line of the table: the largest differences over all seeds."""
    library, name, pairs, note = row
    worst = [0.0, 0.0]
    for seed in range(seeds):
        for number, (ours, theirs) in enumerate(pairs(ParityCase.draw(seed))):
            gap = float((ours.double() - theirs.double()).abs().max())
            is_gradient = number == 1 and not note
            worst[is_gradient] = max(worst[is_gradient], gap)
    return library, name, f"{worst[0]:.1e}", "-" if note else f"{worst[1]:.1e}", note


def main(settings: Settings) -> None:
    """Compare, and print the table."""
    torch.set_num_threads(1)
    lines, versions = [], [f"torch {torch.__version__}"]
    for library, rows in (("trl", parity_trl.trl_rows), ("verl", parity_verl.verl_rows)):
        try:
            found = [compared(row, settings.seeds) for row in rows()]
        except ImportError as error:
            print(f"{library} is not installed, or something that it needs ({error}): skipped")
            continue
        lines += found
        versions.append(f"{library} {importlib.metadata.version(library)}")
    text = "\n".join(
        [
            "# Our numbers beside TRL's and verl's",
            "",
            f"- command: `python -m benchmarks.ppo.parity --seeds {settings.seeds}`",
            f"- commit: {commit()}",
            f"- Python {platform.python_version()}, {', '.join(versions)}",
            f"- largest absolute difference over {settings.seeds} random batches, float64",
            "",
            "```",
            format_table(HEADER, lines),
            "```",
            "",
        ]
    )
    print(text)
    if settings.out is not None:
        settings.out.mkdir(parents=True, exist_ok=True)
        (settings.out / "ppo_numbers.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Settings))
