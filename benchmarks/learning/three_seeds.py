"""`make train` over three seeds: accuracy on held-out videos before and after PPO.

    python -m benchmarks.learning.three_seeds [--seeds 0 1 2] [--out benchmarks/reports]

Every seed is a run of its own below `runs/first-light-seeds/`; an interrupted benchmark goes on
where it was. Videos and the shipped base are the same for all seeds; the order of questions, the
sampling and the initial adapters differ. Intervals of one seed are over
videos, that of all over seeds and videos;
cells of the table are the mean over seeds with the lowest and the highest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from algos.evaluation.measures import (
    LONG,
    SHORT,
    Difference,
    EvalResult,
    difference,
    measures_of,
    of_length,
)
from algos.evaluation.over_seeds import difference_over_seeds
from algos.evaluation.row_results import EpisodeResult
from algos.evaluation.tables import difference_cell, format_table, spread
from algos.experiment.results import AFTER, BEFORE
from algos.experiment.settings import Training
from algos.experiment.stages import run
from benchmarks.provenance import header, publish, versions

HEADER = ("policy", "decoding", "all", SHORT, LONG, "frames", "turns")


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of PPO."""
    runs: Path = Path("runs/first-light-seeds")
    """Folder of the runs."""
    out: Path = Path("benchmarks/reports")
    """Folder of the report."""
    root: Path | None = None
    """Folder of the videos."""


def main(settings: Settings) -> None:
    """Run all seeds and write the table."""
    results: list[Mapping[str, EvalResult]] = []
    for seed in settings.seeds:
        base = Training(run=settings.runs / f"seed-{seed}", root=settings.root)
        results.append(run(replace(base, ppo=replace(base.ppo, seed=seed))))
    publish(report(settings, results), settings.out, "first_light.md")


def report(settings: Settings, results: Sequence[Mapping[str, EvalResult]]) -> str:
    """Return the report as Markdown."""
    seeds = " ".join(map(str, settings.seeds))
    lines = [
        *header("First light", "benchmarks.learning.three_seeds", libraries=versions("torch")),
        f"- seeds: {seeds}; accuracy in percent on the held-out core tier, mean over seeds and, in",
        "  brackets, lowest and highest seed",
        "",
        "```",
        format_table(HEADER, [_line([r[key] for r in results]) for key in results[0]]),
        "```",
        "",
        "After PPO minus base, greedy, paired by question, 95 % interval over videos:",
        "",
    ]
    for seed, result in zip(settings.seeds, results, strict=True):
        gaps = [_gap(result, length) for length in (None, LONG)]
        lines.append(f"- seed {seed}: all {gaps[0]}; {LONG} {gaps[1]}")
    over = [difference_cell(_over_seeds(results, length)) for length in (None, LONG)]
    lines.append(f"- over seeds and videos: all {over[0]}; {LONG} {over[1]}")
    return "\n".join(lines) + "\n"


def _gap(result: Mapping[str, EvalResult], length: str | None) -> str:
    """Return the gain in accuracy by PPO on videos of a length (`None`: all), as text."""
    return difference_cell(difference(*_compared(result, length)))


def _over_seeds(results: Sequence[Mapping[str, EvalResult]], length: str | None) -> Difference:
    return difference_over_seeds([_compared(result, length) for result in results])


def _compared(
    result: Mapping[str, EvalResult], length: str | None
) -> tuple[list[EpisodeResult], list[EpisodeResult]]:
    """Return the episodes after PPO and before it."""
    after, before = (
        of_length(result[key].only({"tier": "core"}).episodes(), length) for key in (AFTER, BEFORE)
    )
    return after, before


def _line(runs: Sequence[EvalResult]) -> tuple[str, ...]:
    """Return one policy's line over all seeds."""
    episodes = [result.only({"tier": "core"}).episodes() for result in runs]
    cells = [runs[0].name, runs[0].decoding or "-"]
    for length in (None, SHORT, LONG):
        parts = [of_length(es, length) for es in episodes]
        cells.append(spread([100 * (measures_of(part).accuracy or 0.0) for part in parts]))
    cells.append(spread([measures_of(es).frames or 0.0 for es in episodes]))
    cells.append(spread([measures_of(es).turns or 0.0 for es in episodes], ".2f"))
    return tuple(cells)


if __name__ == "__main__":
    main(tyro.cli(Settings))
