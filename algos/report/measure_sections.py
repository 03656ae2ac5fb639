"""Sections of a report beyond accuracy, of rows alone: rule, stopping, evidence, cost, budgets."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log2

from algos.evaluation.measures import measures_of
from algos.metrics.any_horizon import any_horizon
from algos.metrics.benchmark_rules import benchmark_score
from algos.metrics.budget_curves import BudgetCurve, curves_of
from algos.metrics.entry_lines import EntryLine, clue_of, direct_of
from algos.metrics.evidence import evidence_of
from algos.metrics.floors import floors_of
from algos.metrics.latency import latencies_of
from algos.metrics.measure_tables import (
    AREA_HEADER,
    COUNTS_HEADER,
    CURVE_HEADER,
    EVIDENCE_HEADER,
    FIGURES_HEADER,
    FLOORS_HEADER,
    LATENCY_HEADER,
    SPENDING_HEADER,
    area_cells,
    counts_cells,
    curve_cells,
    evidence_cells,
    floor_cells,
    horizon_cells,
    latency_cells,
    outcome_cells,
    rule_cells,
    rule_header,
    spending_cells,
)
from algos.metrics.spending import spending_of
from algos.report.charts import MARKS, Chart, Point, Series, figure
from algos.report.page import table


def rule_section(dataset: str, lines: Sequence[EntryLine], official: int | None = None) -> str:
    """Return the score of each entry by the benchmark's own rule, and what became of its questions.

    Args:
        dataset: as `--dataset` names it.
        lines: of the table.
        official: how many questions the benchmark has.
    """
    counted = [counts_cells(one.title, measures_of(one.episodes), official) for one in lines]
    parts = [table("What became of each question", COUNTS_HEADER, counted), _note(_COUNTS)]
    for one in _policies(lines):
        clue = clue_of(one, lines)
        score = benchmark_score(dataset, one.episodes, clue.episodes if clue else ())
        if score.plain:  # its table is the summary
            parts.append(_note(f"By the rule {score.rule}. {score.about[0]}"))
            continue
        parts.append(table(one.title, rule_header(score), rule_cells(score)))
        parts.append(_note(" ".join(score.about)))
    return "".join(dict.fromkeys(parts))


def horizon_section(lines: Sequence[EntryLine], shown: str = "") -> str:
    """Return when each policy stops, and what of it pays; DIRECT is found among the entries."""
    parts = []
    for one in _policies(lines):
        direct = direct_of(one, lines)
        cells = horizon_cells(any_horizon(one.episodes, direct.episodes if direct else ()))
        if cells:
            title = one.title if direct is None else f"{one.title}, beside {direct.title}"
            parts.append((one.title, title, table(title, FIGURES_HEADER, cells)))
    return _folded(parts, shown, _HORIZON)


def evidence_section(lines: Sequence[EntryLine], shown: str = "") -> str:
    """Return what was seen of the evidence, and right and wrong answers by it."""
    parts = []
    for one in lines:
        found = evidence_of(one.episodes)
        if cells := evidence_cells(found):
            seen = table(one.title, FIGURES_HEADER, cells)
            answers = table(f"{one.title}: answers", EVIDENCE_HEADER, outcome_cells(found))
            parts.append((one.title, one.title, seen + answers))
    return _folded(parts, shown, _EVIDENCE)


def spending_section(lines: Sequence[EntryLine], shown: str = "") -> str:
    """Return what each entry cost, of all that is known of it."""
    parts = []
    for one in lines:
        tables = ""
        if found := spending_of(one.episodes):
            tables += table(one.title, SPENDING_HEADER, spending_cells(found))
        if waits := latencies_of(one.episodes):
            tables += table(f"{one.title}: seconds", LATENCY_HEADER, latency_cells(waits))
        if tables:
            parts.append((one.title, one.title, tables))
    return _folded(parts, shown, _SPENDING)


def floors_section(lines: Sequence[EntryLine], shown: str = "") -> str:
    """Return what each policy is above its floors; "" where there is none to tell."""
    parts = [
        (one.title, one.title, table(one.title, FLOORS_HEADER, floor_cells(found)))
        for one in _policies(lines)
        if (found := floors_of(one, lines))
    ]
    return _folded(parts, shown, _FLOORS)


def budget_section(lines: Sequence[EntryLine]) -> str:
    """Return accuracy against frames, where a ladder of budgets was played; "" where none was."""
    curves = curves_of(lines)
    if not curves:
        return ""
    parts = [_charts(curves), table("Points", CURVE_HEADER, curve_cells(curves))]
    if areas := area_cells(curves):
        parts.append(table("Areas", AREA_HEADER, areas))
    return "".join([*parts, _note(_BUDGETS)])


def _charts(curves: Sequence[BudgetCurve]) -> str:
    """Return charts of as many curves as one takes."""
    ends = [end for curve in curves for end in curve.ends]
    powers = range(int(log2(min(ends))), int(log2(max(ends))) + 2)
    ticks = [(float(power), f"{2.0**power:g}") for power in powers]
    drawn = []
    for first in range(0, len(curves), len(MARKS)):
        series = [_series(curve) for curve in curves[first : first + len(MARKS)]]
        drawn.append(figure(Chart("Accuracy", "frames per question", ticks, series, percent=True)))
    return f'<div class="charts">{"".join(drawn)}</div>'


def _series(curve: BudgetCurve) -> Series:
    name = f"DIRECT, {curve.name}" if curve.direct else curve.name
    marks = [(p.frames, p.accuracy) for p in curve.points]
    return Series(name, [Point(log2(at), a.mean or 0.0, a.interval) for at, a in marks])


def _folded(parts: Sequence[tuple[str, str, str]], shown: str, note: str) -> str:
    """Return tables of several entries under their names, those of one entry unfolded.

    Args:
        parts: of each entry its title, the heading of its tables, and the tables.
        shown: title of the entry that the page is about; where it has none, the first is unfolded.
        note: on all of them.
    """
    if not parts:
        return ""
    titles = [title for title, _, _ in parts]
    unfolded = titles.index(shown) if shown in titles else 0
    return "".join(
        f"<details{' open' if k == unfolded else ''}><summary>{escape(heading)}</summary>"
        f"{tables}</details>"
        for k, (_, heading, tables) in enumerate(parts)
    ) + _note(note)


def _policies(lines: Sequence[EntryLine]) -> list[EntryLine]:
    return [one for one in lines if one.control is None]


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


_COUNTS = (
    "A guess for no answer: the accuracy if each question without an answer had a random choice. "
    "Above chance: (accuracy - chance) / (1 - chance) of the questions with choices. All others "
    "wrong: what failed, was not judged or was not there counted as wrong."
)
_HORIZON = (
    "At once: the first action is the answer. DIRECT: the same policy, made to answer after one "
    "look. Looks after the evidence: of those that saw it. Stop regret: accuracy of the belief at "
    "the best fixed turn, minus accuracy. Need of looking: accuracy minus that of DIRECT."
)
_EVIDENCE = "From the frames that were really shown, the overview included."
_FLOORS = (
    "Chance and the best constant choice are of the questions with choices; to an open one they "
    "have no answer. The best constant is chosen on these questions, and so a little too high. The "
    "difference is paired by question."
)
_SPENDING = (
    "What is not known is not there, and is never 0. Per right answer: the sum over judged "
    "questions, divided by how many are right."
)
_BUDGETS = (
    "Straight between points over log2(frames); the area is the mean height over the frames that "
    "all curves have. Undominated: nothing is as right with fewer frames."
)
