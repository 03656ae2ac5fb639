"""Measure rows of sage-synth-bench, the reference ones or your own.

    python -m benchmarks.synth_bench                          # the cheap reference rows: minutes
    python -m benchmarks.synth_bench --all                    # all of them: half an hour on 2 cores
    python -m benchmarks.synth_bench --policy openai:MODEL --submitter NAME --out MY_FOLDER
    python -m benchmarks.synth_bench --quick                  # to see that it runs

Each row is played into a folder under `--runs` and goes on there. Rows are printed, and with
`--out` written into `sage_synth_bench.json` beside those that it has; a row of the same name is
replaced. Rows of `--quick` and of another `--seed` are printed alone.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from benchmarks.synth_bench.playing_rows import RowSettings, play_row
from benchmarks.synth_bench.reference_rows import REFERENCE, BenchRow
from benchmarks.synth_bench.submission import check_row, load_rows, save_rows, table_of
from policies.served.named_options import read_options
from sage_env.datasets.preparing import prepare_videos
from sage_env.errors import SageEnvError
from sage_env.synth.bench import BENCH_SEED, sage_synth_bench

FILE = "sage_synth_bench.json"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which rows are measured, and how."""

    rows: tuple[str, ...] = ()
    """Names of reference rows; by default the cheap ones."""
    all: bool = False
    """All reference rows."""
    policy: str | None = None
    """A row of your own instead: as `sage-vqa eval --policy` names it (openai:MODEL, gemini)."""
    name: str | None = None
    """Name of your row; by default the policy's, and the budget."""
    max_frames: int | None = None
    """Most frames of your row, the overview included; by default what the policy asks for."""
    max_turns: int | None = None
    """Most turns of your row."""
    adapter: Path | None = None
    """LoRA adapter of your row, for the sage-mm policies; e.g. of `sage-vqa train`."""
    policy_option: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE, as often as needed: a setting of your policy."""
    temperature: float = 0.0
    """Sampling temperature; 0 is greedy."""
    submitter: str = "sage-video-qa"
    """Who stands for the row."""
    notes: str = ""
    """What a reader of the row should know."""
    seed: int = BENCH_SEED
    """Of the videos: another than the published one gives fresh ones."""
    root: Path | None = None
    """Folder of the videos; by default the cache folder."""
    runs: Path = Path("runs/sage-synth-bench")
    """Folder of the run folders."""
    drawn: bool = False
    """Draw pictures as they are needed instead of writing files: no row of who sees is published
    so, for they lack the traces of compression."""
    envs: int = 8
    """Questions that are played at the same time."""
    quick: bool = False
    """A question of each length, to see that it runs."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of `sage_synth_bench.json`, to add the rows to."""


def main(settings: Settings) -> None:
    """Play the rows, print them, and write them.

    Raises:
        SageEnvError: if a row cannot be measured.
    """
    chosen = rows_of(settings)
    how = RowSettings(
        runs=settings.runs,
        root=settings.root,
        seed=settings.seed,
        quick=settings.quick,
        drawn=settings.drawn,
        envs=settings.envs,
        adapter=settings.adapter,
        options=read_options(settings.policy_option),
        temperature=settings.temperature,
        submitter=settings.submitter,
        notes=settings.notes,
    )
    if not (settings.drawn or settings.quick) and any(row.sees for row in chosen):
        prepare_videos([sage_synth_bench(settings.root, seed=settings.seed)])
    found = [play_row(row, how) for row in chosen]
    print(table_of(found))
    if settings.out is None or settings.quick or settings.seed != BENCH_SEED:
        return
    path = settings.out / FILE
    kept = {row["row"]: row for row in load_rows(path)} | {row["row"]: row for row in found}
    save_rows(path, [check_row(row) for row in kept.values()], tuple(REFERENCE))
    print(f"\nwritten to {path}")


def rows_of(settings: Settings) -> list[BenchRow]:
    """Return what is to be measured.

    Raises:
        SageEnvError: if there is no reference row of a name.
    """
    if settings.policy is not None:
        given = {"max_frames": settings.max_frames, "max_turns": settings.max_turns}
        options = {name: value for name, value in given.items() if value is not None}
        budget = "" if settings.max_frames is None else f"-{settings.max_frames}"
        name = settings.name or f"{settings.policy}{budget}"
        return [BenchRow(name, settings.policy, settings.notes or settings.policy, options)]
    if unknown := sorted(set(settings.rows) - set(REFERENCE)):
        known = ", ".join(REFERENCE)
        raise SageEnvError(f"no reference row is named {', '.join(unknown)}: there are {known}")
    if settings.rows:
        return [REFERENCE[name] for name in settings.rows]
    return [row for row in REFERENCE.values() if settings.all or row.cheap]


if __name__ == "__main__":
    try:
        main(tyro.cli(Settings, description=__doc__))
    except SageEnvError as error:
        sys.exit(f"synth_bench: {error}")
