"""Accuracy of the runs of `three_seeds` on fresh videos, whose seed no dataset split uses.

    python -m benchmarks.learning.fresh_videos [--runs runs/first-light-seeds] [--videos 56]
        [--seed 11]

Frames are rendered, not decoded from files. Greedy decoding, core tier; intervals are over
videos, gains are paired by question. A seed is fresh until its figures decide
something: 11 has decided, 12 and 13 have been published. It prints a table;
`reports/first_light.md` quotes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from algos.evaluation.measures import (
    LONG,
    EvalResult,
    difference,
    evaluate,
    measures_of,
    of_length,
)
from algos.evaluation.tables import difference_cell, format_table
from algos.tiny.demonstrations import make_env
from policies.sage_mm import SageMM
from sage_env.synth import sage_synth

HEADER = ("policy", "questions", "all", LONG, "frames", "turns", "gain, all", f"gain, {LONG}")
SLOTS = 96  # episodes that are played side by side; it trades memory for larger batches


@dataclass(frozen=True)
class Settings:
    """Measure the adapters of finished runs on fresh videos."""

    runs: Path = Path("runs/first-light-seeds")
    """Folder of the runs."""
    videos: int = 56
    """Videos to render."""
    seed: int = 11
    """Seed of the videos; 0 is that of the dataset."""


def main(settings: Settings) -> None:
    """Print a line for the base and one for each run."""
    torch.set_num_threads(1)
    found = sorted(settings.runs.glob("*/adapter"))
    if not found:
        raise SystemExit(f"{settings.runs}: expected finished runs, found none; train some first")
    base = _play(settings, None)
    lines = [_line("base", base, None)]
    lines += [_line(a.parent.name, _play(settings, a), base) for a in found]
    print(format_table(HEADER, lines))


def _play(settings: Settings, adapter: Path | None) -> EvalResult:
    items = sage_synth(None, "test", seed=settings.seed, count=settings.videos)
    asked = [item for item in items if item.group["tier"] == "core"]
    policy = SageMM.load(None, adapter=adapter, workers=2)
    policy.temperature = 0.0
    envs = [make_env(asked, **policy.env_options) for _ in range(SLOTS)]
    return evaluate(envs, policy, asked)


def _line(name: str, result: EvalResult, base: EvalResult | None) -> tuple[str, ...]:
    cells = [name, str(len(result.episodes()))]
    cells += [
        f"{100 * (measures_of(of_length(result.episodes(), x)).accuracy or 0.0):.1f}"
        for x in (None, LONG)
    ]
    measures = measures_of(result.episodes())
    cells += [f"{measures.frames or 0.0:.1f}", f"{measures.turns or 0.0:.2f}"]
    return (*cells, *(_gain(result, base, length) for length in (None, LONG)))


def _gain(result: EvalResult, base: EvalResult | None, length: str | None) -> str:
    if base is None:
        return "-"
    gap = difference(of_length(result.episodes(), length), of_length(base.episodes(), length))
    return difference_cell(gap)


if __name__ == "__main__":
    main(tyro.cli(Settings))
