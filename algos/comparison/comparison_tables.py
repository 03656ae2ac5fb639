"""A comparison as plain text for the terminal, and as JSON data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from algos.comparison.comparing import Comparison, Flip, PairedGroup
from algos.comparison.outcome_costs import OutcomeGroup, OutcomeTable
from algos.evaluation.measures import Measures
from algos.evaluation.tables import Cells, accuracy_cell, format_table, number_cell, points

RUNS_HEADER: Cells = (
    "run",
    "questions",
    "accuracy",
    "frames",
    "turns",
    "missing",
    "not judged",
    "failed",
)
GROUPS_HEADER: Cells = (
    "group",
    "",
    "questions",
    "videos",
    "A",
    "B",
    "A - B",
    "only A",
    "only B",
    "p",
    "p (Holm)",
)
DIFFERENCES_HEADER: Cells = ("field", "A", "B")
_LONGEST = 60


def comparison_text(found: Comparison, flips: int = 5) -> str:
    """Return everything that a comparison says, in the order of what is asked first.

    Args:
        found: the comparison.
        flips: how many questions are listed that only A, and that only B, has right.
    """
    runs = [_run_cells("A", found.measures_a), _run_cells("B", found.measures_b)]
    parts = [
        f"A: {found.a}\nB: {found.b}",
        format_table(RUNS_HEADER, runs, text_columns=1),
        _shared_text(found),
        format_table(GROUPS_HEADER, group_lines(found)),
        about_tests(found),
        _outcomes_text(found.outcomes),
        _flips_text("only A has right", found.won, flips),
        _flips_text("only B has right", found.lost, flips),
        _differences_text(found),
    ]
    return "\n\n".join(parts)


def comparison_json(found: Comparison) -> dict[str, Any]:
    """Return everything that a comparison says as plain JSON data, all ids included."""
    return asdict(found)


def group_lines(found: Comparison) -> list[Cells]:
    """Return a line under `GROUPS_HEADER` for all questions, and one for each group of them."""
    return [_group_cells(one) for one in found.groups]


def difference_lines(found: Comparison) -> list[Cells]:
    """Return a line under `DIFFERENCES_HEADER` for each field that the manifests have otherwise."""
    return [(one.field, _value(one.a), _value(one.b)) for one in found.differences]


def _run_cells(name: str, measures: Measures) -> Cells:
    return (
        name,
        str(measures.questions),
        accuracy_cell(measures),
        number_cell(measures.frames, ".1f"),
        number_cell(measures.turns, ".2f"),
        str(measures.missing),
        str(measures.unjudged),
        str(measures.failed),
    )


def _shared_text(found: Comparison) -> str:
    shared, total = found.shared, found.groups[0]
    told = f"Paired: {total.questions} questions about {total.videos} videos"
    left_out = [
        (len(shared.without_verdict), "without a verdict in one of them"),
        (len(shared.only_a), "of A alone"),
        (len(shared.only_b), "of B alone"),
    ]
    others = [f"{count} {what}" for count, what in left_out if count]
    return told + (f"; left out: {', '.join(others)}" if others else ", all of both")


def _group_cells(one: PairedGroup) -> Cells:
    return (
        one.section,
        one.name,
        str(one.questions),
        str(one.videos),
        _percent(one.accuracy_a),
        _percent(one.accuracy_b),
        "-" if one.difference is None else points(one.difference, one.interval),
        str(one.only_a),
        str(one.only_b),
        _p(one.p_value),
        _p(one.holm),
    )


def about_tests(found: Comparison) -> str:
    """Return what the intervals and p-values of the groups say, and what they do not."""
    groups = found.groups
    if not groups[0].questions:
        return "No question was judged in both runs: there is nothing to test."
    tested = sum(one.holm is not None for one in groups)
    return (
        "Intervals (95 %) and p are clustered by video, with at least five. Holm corrects for the "
        f"{tested} groups.\nMcNemar's exact test takes questions as independent, which those about "
        f"one video are not: p = {_p(groups[0].mcnemar)} for all."
    )


def _outcomes_text(table: OutcomeTable) -> str:
    header = (f"by {table.cost}", "questions", "share", "A", "B", "A cheaper", "same")
    lines = [_outcome_cells(one) for one in (*table.groups, table.all)]
    text = format_table(header, lines, text_columns=1)
    if table.unknown:
        text += f"\n{table.unknown} questions are in none: one run does not know their cost"
    return text


def _outcome_cells(one: OutcomeGroup) -> Cells:
    return (
        one.name,
        str(one.questions),
        _percent(one.share),
        number_cell(one.mean_a, ".4g"),
        number_cell(one.mean_b, ".4g"),
        str(one.a_cheaper),
        str(one.same),
    )


def _flips_text(what: str, flips: Sequence[Flip], shown: int) -> str:
    lines = [f"{len(flips)} questions {what}" + (":" if flips[:shown] else "")]
    for one in flips[:shown]:
        asked = f"{_short(one.question)} gold: {_short(one.gold)}"
        lines.append(f"  {one.id}: {asked}; A: {_answer(one.answer_a)}; B: {_answer(one.answer_b)}")
    if len(flips) > shown > 0:
        lines.append(f"  and {len(flips) - shown} more")
    return "\n".join(lines)


def _differences_text(found: Comparison) -> str:
    if not found.differences:
        return "The manifests do not differ."
    table = format_table(DIFFERENCES_HEADER, difference_lines(found), text_columns=3)
    return f"What differs between the manifests:\n{table}"


def _answer(text: str | None) -> str:
    return "no answer" if text is None else repr(_short(text))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _value(value: Any) -> str:
    return _short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"
