"""Everything that is measured of the lines of a table, as plain text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from algos.evaluation.measures import measures_of
from algos.evaluation.tables import Cells, format_table
from algos.metrics.any_horizon import any_horizon
from algos.metrics.benchmark_rules import benchmark_score
from algos.metrics.budget_curves import curves_of
from algos.metrics.entry_lines import EntryLine, clue_of, direct_of
from algos.metrics.evidence import evidence_of
from algos.metrics.floors import floors_of
from algos.metrics.measure_tables import (
    AREA_HEADER,
    COUNTS_HEADER,
    CURVE_HEADER,
    EVIDENCE_HEADER,
    FIGURES_HEADER,
    FLOORS_HEADER,
    area_cells,
    counts_cells,
    curve_cells,
    evidence_cells,
    floor_cells,
    horizon_cells,
    outcome_cells,
    rule_cells,
    rule_header,
)


def measure_text(dataset: str, lines: Sequence[EntryLine], official: int | None = None) -> str:
    """Return the tables beyond accuracy: counts, floors, the rule, stopping, evidence, budgets.

    Args:
        dataset: as `--dataset` names it.
        lines: of the table, floors and ceilings among them.
        official: how many questions the benchmark has, where some could not be asked.
    """
    counts = [counts_cells(one.title, measures_of(one.episodes), official) for one in lines]
    parts = [format_table(COUNTS_HEADER, counts)]
    parts += [text for one in lines if one.control is None and (text := _floors(one, lines))]
    parts += dict.fromkeys(_rule_text(dataset, one, lines) for one in lines if one.control is None)
    for one in lines:
        if one.control is None:
            parts += _figures(one, lines)
    curves = curves_of(lines)
    if curves:
        parts.append(format_table(CURVE_HEADER, curve_cells(curves)))
    if areas := area_cells(curves):
        parts.append(format_table(AREA_HEADER, areas))
    return "\n\n".join(parts)


def _floors(line: EntryLine, lines: Sequence[EntryLine]) -> str:
    """Return what a policy is above its floors; "" where there is none to tell."""
    cells = floor_cells(floors_of(line, lines))
    return f"{line.title}\n{format_table(FLOORS_HEADER, cells)}" if cells else ""


def _rule_text(dataset: str, line: EntryLine, lines: Sequence[EntryLine]) -> str:
    """Return the score by the dataset's rule, with the rule's sentences under it."""
    clue = clue_of(line, lines)
    score = benchmark_score(dataset, line.episodes, clue.episodes if clue else ())
    if score.plain:  # one sentence for all lines
        return f"By the rule {score.rule}. {score.about[0]}"
    return "\n".join(
        [line.title, format_table(rule_header(score), rule_cells(score)), *score.about]
    )


def _figures(line: EntryLine, lines: Sequence[EntryLine]) -> list[str]:
    """Return when a policy stops and what it saw, as far as it is known."""
    direct = direct_of(line, lines)
    seen = evidence_of(line.episodes)
    found: list[Cells] = horizon_cells(
        any_horizon(line.episodes, direct.episodes if direct else ())
    )
    found += evidence_cells(seen)
    beside = f", beside {direct.title}" if direct else ""
    parts = [f"{line.title}{beside}\n{format_table(FIGURES_HEADER, found)}"] if found else []
    if sum(seen.counts):
        parts.append(f"{line.title}\n{format_table(EVIDENCE_HEADER, outcome_cells(seen))}")
    return parts
