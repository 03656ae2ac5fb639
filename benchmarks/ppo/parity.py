"""Parity: our estimators and losses against those of TRL and verl, on the same random numbers.

    python -m benchmarks.ppo.parity [--seeds 20] [--out benchmarks/reports]

Their own functions are called; TRL's trainers (`_compute_loss`) get a stand-in that returns our
log-probs instead of a model's. The table has the largest difference of values and of gradients. A
library that is not installed is reported and skipped. Where a library computes something else on
purpose, the row says so; everything else has to agree to 1e-6.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from algos.evaluation.tables import format_table
from benchmarks.ppo import parity_trl, parity_verl
from benchmarks.ppo.parity_case import Comparison, ParityCase
from benchmarks.provenance import header, publish, versions

HEADER = ("library", "quantity", "value", "gradient", "")


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    seeds: int = 20
    """Random batches."""
    out: Path | None = None
    """Folder to write the report to."""


def compared(row: Comparison, seeds: int) -> tuple[str, str, str, str, str]:
    """Return a line of the table: the largest differences over all seeds.

    A comparison without a note yields two pairs, values and gradients; one with a note values only.
    """
    value = gradient = 0.0
    for seed in range(seeds):
        for number, (ours, theirs) in enumerate(row.pairs(ParityCase.draw(seed))):
            gap = float((ours.double() - theirs.double()).abs().max())
            if number == 1 and not row.note:
                gradient = max(gradient, gap)
            else:
                value = max(value, gap)
    shown = "-" if row.note else f"{gradient:.1e}"
    return row.library, row.quantity, f"{value:.1e}", shown, row.note


def main(settings: Settings) -> None:
    """Compare, and print the table."""
    torch.set_num_threads(1)
    lines, present = [], ["torch"]
    for library, rows in (("trl", parity_trl.trl_rows), ("verl", parity_verl.verl_rows)):
        try:
            found = [compared(row, settings.seeds) for row in rows()]
        except ImportError as error:
            print(f"{library} or a package that it needs is not installed ({error}): skipped")
            continue
        lines += found
        present.append(library)
    text = "\n".join(
        [
            *header(
                "Our numbers beside TRL's and verl's",
                "benchmarks.ppo.parity",
                libraries=versions(*present),
            ),
            f"- largest absolute difference over {settings.seeds} random batches, float64",
            "",
            "```",
            format_table(HEADER, lines),
            "```",
            "",
        ]
    )
    publish(text, settings.out, "ppo_numbers.md")


if __name__ == "__main__":
    main(tyro.cli(Settings))
