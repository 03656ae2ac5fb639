"""Measures as cells of plain tables, for the terminal and for the report."""

from __future__ import annotations

from collections.abc import Sequence

from algos.evaluation.measures import Measures
from algos.evaluation.tables import Cells, number_cell
from algos.metrics.any_horizon import AnyHorizon
from algos.metrics.budget_curves import (
    BudgetCurve,
    area,
    area_gap,
    common_range,
    pareto,
)
from algos.metrics.estimates import Estimate
from algos.metrics.evidence import Evidence
from algos.metrics.floors import Floor
from algos.metrics.latency import Latency
from algos.metrics.rule_score import RuleScore
from algos.metrics.spending import Spending

COUNTS_HEADER: Cells = (
    "policy",
    "",
    "right",
    "wrong",
    "of them no answer",
    "not judged",
    "failed",
    "not there",
    "accuracy",
    "a guess for no answer",
    "above chance",
    "all others wrong",
)
FIGURES_HEADER: Cells = ("measure", "", "figure", "questions")
EVIDENCE_HEADER: Cells = ("answer", "", "evidence seen", "not seen")
SPENDING_HEADER: Cells = ("cost", "", "known of", "total", "per question", "per right answer")
LATENCY_HEADER: Cells = ("seconds", "", "questions", "median", "95 % within")
FLOORS_HEADER: Cells = ("floor", "", "accuracy", "the policy above it")
CURVE_HEADER: Cells = ("policy", "", "budget", "frames", "accuracy", "undominated")
AREA_HEADER: Cells = ("policy", "", "frames", "area", "minus DIRECT")


def counts_cells(title: str, measures: Measures, official: int | None = None) -> Cells:
    """Return what became of each question, under `COUNTS_HEADER`.

    Args:
        title: of the line.
        measures: of all its questions.
        official: how many questions the benchmark has; those beyond what was asked were not there.
    """
    asked = measures.questions + measures.failed
    return (
        title,
        "",
        str(measures.right),
        str(measures.wrong),
        str(measures.missing),
        str(measures.unjudged),
        str(measures.failed),
        "-" if official is None else str(max(0, official - asked)),
        number_cell(measures.accuracy, ".1%"),
        number_cell(measures.guessed, ".1%"),
        number_cell(measures.corrected, ".1%"),
        number_cell(measures.of_all(official), ".1%"),
    )


def rule_header(score: RuleScore) -> Cells:
    """Return the header of `rule_cells`."""
    beside = ("accuracy",) if any(line.accuracy for line in score.lines) else ()
    return (f"by the rule {score.rule}", "", score.unit, "score", *beside)


def rule_cells(score: RuleScore) -> list[Cells]:
    """Return one line for each line of a score, under `rule_header`."""
    beside = any(line.accuracy for line in score.lines)
    return [
        (
            line.name,
            "",
            str(line.score.questions),
            percent_cell(line.score),
            *((percent_cell(line.accuracy) if line.accuracy else "",) if beside else ()),
        )
        for line in score.lines
    ]


def horizon_cells(found: AnyHorizon) -> list[Cells]:
    """Return one line for each measure of stopping that is known: name, figure, questions."""
    turn = "" if found.best_turn is None else f" (turn {found.best_turn})"
    lines = [
        ("answers at once", found.direct_rate, percent_cell),
        ("accuracy, at once", found.direct_precision, percent_cell),
        ("accuracy, after more looks", found.iterate_accuracy, percent_cell),
        ("gain of looking, over DIRECT", found.looking_gain, gap_cell),
        ("gain of the better of both", found.routing_gap, gap_cell),
        ("looks after the evidence", found.overthinking, plain_cell),
        ("looks after a right belief", found.overthinking_belief, plain_cell),
        ("wrong before the evidence", found.underthinking, percent_cell),
        (f"stop regret{turn}", found.stop_regret, gap_cell),
        ("right at some turn, minus right", found.stop_gap, gap_cell),
        ("turns per doubling of length", found.duration_slope, plain_cell),
    ]
    cells = [_line(name, one, form(one)) for name, one, form in lines if one.mean is not None]
    cells += [
        _line(f"need of looking, {bucket} s", gap, gap_cell(gap))
        for bucket, gap in found.needs_tools.items()
    ]
    return cells


def evidence_cells(found: Evidence) -> list[Cells]:
    """Return one line for each measure of evidence that is known: name, figure, questions."""
    lines = [
        ("evidence seen", found.hit_rate, percent_cell),
        ("evidence recall", found.recall, percent_cell),
        ("evidence precision", found.precision, percent_cell),
        ("first seen in turn", found.hit_turn, plain_cell),
        ("right, and seen (grounded)", found.grounded, percent_cell),
        ("right, and not seen (lucky)", found.lucky, percent_cell),
    ]
    return [_line(name, one, form(one)) for name, one, form in lines if one.mean is not None]


def outcome_cells(found: Evidence) -> list[Cells]:
    """Return right and wrong answers by whether the evidence was seen, under `EVIDENCE_HEADER`."""
    right_seen, right_not, wrong_seen, wrong_not = (str(count) for count in found.counts)
    return [("right", "", right_seen, right_not), ("wrong", "", wrong_seen, wrong_not)]


def spending_cells(found: Sequence[Spending]) -> list[Cells]:
    """Return one line for each kind of cost, under `SPENDING_HEADER`."""
    return [
        (
            one.name,
            "",
            str(one.known),
            f"{one.total:.6g}",
            plain_cell(one.each),
            plain_cell(one.per_right),
        )
        for one in found
    ]


def latency_cells(found: Sequence[Latency]) -> list[Cells]:
    """Return one line for each stage, under `LATENCY_HEADER`."""
    return [
        (one.stage, "", str(one.questions), f"{one.median:.3g}", f"{one.slow:.3g}") for one in found
    ]


def floor_cells(found: Sequence[Floor]) -> list[Cells]:
    """Return one line for each floor, under `FLOORS_HEADER`."""
    return [(one.name, "", percent_cell(one.accuracy), gap_cell(one.above)) for one in found]


def curve_cells(curves: Sequence[BudgetCurve]) -> list[Cells]:
    """Return one line for each point of all curves, under `CURVE_HEADER`."""
    points = [(curve, point) for curve in curves for point in curve.points]
    best = pareto([(point.frames, point.accuracy.mean or 0.0) for _, point in points])
    return [
        (
            _curve_name(curve),
            "",
            str(point.budget),
            f"{point.frames:.1f}",
            percent_cell(point.accuracy),
            "yes" if undominated else "",
        )
        for (curve, point), undominated in zip(points, best, strict=True)
    ]


def area_cells(curves: Sequence[BudgetCurve]) -> list[Cells]:
    """Return the area under each curve, over the frames that all have, under `AREA_HEADER`."""
    reach = common_range(curves)
    if reach is None:
        return []
    direct = {curve.name: curve for curve in curves if curve.direct}
    frames = f"{reach[0]:.1f} to {reach[1]:.1f}"
    lines: list[Cells] = []
    for curve in curves:
        other = None if curve.direct else direct.get(curve.name)
        gap = gap_cell(area_gap(curve, other, *reach)) if other else "-"
        lines.append((_curve_name(curve), "", frames, percent_cell(area(curve, *reach)), gap))
    return lines


def _curve_name(curve: BudgetCurve) -> str:
    return f"DIRECT, {curve.name}" if curve.direct else curve.name


def _line(name: str, found: Estimate, cell: str) -> Cells:
    return (name, "", cell, str(found.questions))


def percent_cell(found: Estimate) -> str:
    """Return e.g. `62.5 [55.0, 70.1]`, in percent; `-` for nothing."""
    return _cell(found, 100, ".1f")


def gap_cell(found: Estimate) -> str:
    """Return e.g. `+6.1 [+2.0, +9.8]`, in points of accuracy; `-` for nothing."""
    return _cell(found, 100, "+.1f")


def plain_cell(found: Estimate) -> str:
    """Return e.g. `3.25 [2.9, 3.6]`, in its own unit; `-` for nothing."""
    return _cell(found, 1, ".3g")


def _cell(found: Estimate, unit: float, form: str) -> str:
    if found.mean is None:
        return "-"
    text = format(unit * found.mean, form)
    if found.interval is None:
        return text
    low, high = (format(unit * end, form) for end in found.interval)
    return f"{text} [{low}, {high}]"
