"""The results of a run of `sage-vqa train`: the tables that it prints, and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from algos.evaluation.decomposition import decompose
from algos.evaluation.measures import EvalResult, measure_episodes
from algos.evaluation.tables import (
    BREAKDOWN_HEADER,
    MOVES_HEADER,
    PARTS_HEADER,
    SUMMARY_HEADER,
    breakdown_cells,
    format_table,
    move_cells,
    part_cells,
    summary_cells,
)
from algos.ppo.learning_signal import nothing_learned
from algos.report.report_data import ReportData
from algos.runs.metrics import read_metrics
from algos.runs.run_folder import RunFolder

ORDER = (
    "direct-same-frames-greedy",
    "direct-double-frames-greedy",
    "demonstrator",
    "sft-base-greedy",
    "after-ppo-greedy",
    "direct-same-frames-t-1",
    "direct-double-frames-t-1",
    "sft-base-t-1",
    "after-ppo-t-1",
)
REMARKS = ("after PPO", "what was learned")
"""Names of what `remarks` says."""
BEFORE, AFTER = "sft-base-greedy", "after-ppo-greedy"


def after_ppo(update: int) -> str:
    """Return the name of the lines of the trained policy: which update it is of."""
    return f"after PPO, update {update}" + (": untrained" if update == 0 else "")


def remarks(update: int, updates: int, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what has to be known to read the tables, by the names of `REMARKS`.

    Args:
        update: that the trained policy is of.
        updates: of the whole training.
        rows: its metrics.
    """
    after, learned = REMARKS
    said = {after: f"update {update} of {updates}, the best by validation"}
    if update == 0:
        said[after] = (
            f"the model before learning: validation found none of {updates} updates better, so "
            "that every gain of PPO is 0"
        )
    if nothing := nothing_learned(rows):
        said[learned] = nothing
    return said


def print_tables(results: Mapping[str, EvalResult]) -> None:
    """Print what was measured on both tiers, and what the gain of PPO is made of.

    Args:
        results: by the keys of `ORDER`.
    """
    core = {key: result.only("tier", "core") for key, result in results.items()}
    hard = [result.only("tier", "hard") for result in results.values()]
    print("\nHeld-out videos, core tier: glance, needle, when")
    print(format_table(SUMMARY_HEADER, summary_cells(list(core.values()))))
    print("\nThe same videos, hard tier: order, count, detail")
    print(format_table(SUMMARY_HEADER, summary_cells(hard)))
    print("\nAfter PPO, greedy, core tier")
    rows = measure_episodes(core[AFTER].episodes())
    print(format_table(BREAKDOWN_HEADER, breakdown_cells(rows)))
    found = decompose(core[AFTER].episodes(), core[BEFORE].episodes())
    if found is not None:
        print("\nAfter PPO minus SFT base, greedy, core tier")
        print(format_table(PARTS_HEADER, part_cells(found)))
        print()
        print(format_table(MOVES_HEADER, move_cells(found)))


def report_data(
    results: Mapping[str, EvalResult],
    about: Mapping[str, str],
    folder: RunFolder,
    frame_size: tuple[int, int],
) -> ReportData:
    """Return what the report shows.

    Args:
        results: by the keys of `ORDER`.
        about: what stands at its top.
        folder: of the run.
        frame_size: `(H, W)` of the frames that were seen.
    """
    return ReportData(
        title="First light",
        about=about,
        results=results,
        before=BEFORE,
        after=AFTER,
        direct="direct-double-frames-greedy",
        metrics=read_metrics(folder.metrics),
        frame_size=frame_size,
        tier="core",
    )
