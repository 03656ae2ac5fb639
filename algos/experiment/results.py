"""The results of a run of `sage-vqa train`: the tables that it prints, and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from algos.evaluation.decomposition import decompose
from algos.evaluation.groups import Group, group_words, other_groups
from algos.evaluation.measures import EvalResult, measure_episodes
from algos.evaluation.outcomes import failure_lines, tool_lines
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
from algos.evaluation.validation_table import validation_lines
from algos.experiment.questions import SEEN
from algos.ppo.learning_signal import nothing_learned
from algos.ppo.validation import FILE as VALIDATIONS
from algos.report.report_data import ReportData
from algos.runs.metrics import read_metrics
from algos.runs.run_folder import RunFolder
from policies.terminal_text import visible

REMARKS = ("after PPO", "what was learned")
"""Names of what `remarks` says."""
BEFORE, AFTER = "base-greedy", "after-ppo-greedy"
DIRECTS = ("direct-double-frames", "direct-same-frames", "direct-")
"""Rows that stand for DIRECT in the charts, by how their keys begin; the first that is there."""


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


def print_tables(results: Mapping[str, EvalResult], only: Group) -> None:
    """Print what was measured, group by group, and what the gain of PPO is made of.

    Args:
        results: by their keys, in the order of the tables; one at least.
        only: the report keys of the headline; empty for all questions.
    """
    head = {key: result.only(only) for key, result in results.items()}
    name = visible(f", {group_words(only)}") if only else ""
    print(f"\nHeld-out videos{name}")
    print(format_table(SUMMARY_HEADER, summary_cells(list(head.values()))))
    for result in results.values():
        if lines := [*failure_lines(result), *tool_lines(result)]:
            print("\n".join([f"\n{result.title}: {lines[0]}", *lines[1:]]))
    for group in other_groups(next(iter(results.values())).items, only):
        print(visible(f"\nThe same videos, {group_words(group)}"))
        parts = [result.only(group) for result in results.values()]
        print(format_table(SUMMARY_HEADER, summary_cells(parts)))
    if AFTER not in head:
        return
    print(f"\nAfter PPO, greedy{name}")
    rows = measure_episodes(head[AFTER].episodes())
    print(format_table(BREAKDOWN_HEADER, breakdown_cells(rows)))
    if BEFORE not in head:
        return
    found = decompose(head[AFTER].episodes(), head[BEFORE].episodes())
    if found is not None:
        print(f"\nAfter PPO minus base, greedy{name}")
        print(format_table(PARTS_HEADER, part_cells(found)))
        print()
        print(format_table(MOVES_HEADER, move_cells(found)))


def print_notes(about: Mapping[str, str], folder: RunFolder, update: int) -> None:
    """Print the validations of a run, and what has to be known to read the tables.

    Args:
        about: labels and texts, of which those that are notes are printed.
        folder: of the run.
        update: that the trained policy is of.
    """
    validations = folder.path / VALIDATIONS
    if validations.exists():
        print(f"\nValidation\n{validation_lines(read_metrics(validations), update)}")
    print()
    for name, said in about.items():
        if name in (*REMARKS, SEEN):
            print(f"{name}: {said}")


def report_data(
    results: Mapping[str, EvalResult],
    about: Mapping[str, str],
    folder: RunFolder,
    frame_size: tuple[int, int],
    only: Group,
) -> ReportData:
    """Return what the report shows.

    Args:
        results: by their keys, in the order of the tables; one at least.
        about: what stands at its top.
        folder: of the run.
        frame_size: `(H, W)` of the frames that were seen.
        only: the report keys of the headline.
    """
    direct = next((key for start in DIRECTS for key in results if key.startswith(start)), None)
    return ReportData(
        title=f"Training: {folder.path.name}",
        about=about,
        results=results,
        before=BEFORE if BEFORE in results else None,
        after=AFTER if AFTER in results else None,
        direct=direct,
        metrics=read_metrics(folder.metrics),
        frame_size=frame_size,
        only=only,
    )
