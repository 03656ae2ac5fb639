"""Measures as plain-text tables for the terminal, and as the cells of the report's tables."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from unicodedata import combining, east_asian_width

from algos.evaluation.cluster_intervals import Interval
from algos.evaluation.decomposition import Decomposition
from algos.evaluation.measures import (
    LONG,
    SHORT,
    Difference,
    EvalResult,
    MeasureRow,
    Measures,
)
from policies.terminal_text import visible

Cells = tuple[str, ...]
SUMMARY_HEADER: Cells = (
    "policy",
    "decoding",
    "questions",
    "accuracy, all",
    f"accuracy, {SHORT}",
    f"accuracy, {LONG}",
    "frames",
    "turns",
    "missing",
    "not judged",
    "failed",
)
BREAKDOWN_HEADER: Cells = (
    "group",
    "",
    "questions",
    "accuracy",
    "frames",
    "turns",
    "evidence seen",
    "missing",
    "not judged",
    "failed",
)
PARTS_HEADER: Cells = ("part", "", "points")
MOVES_HEADER: Cells = (
    "route before",
    "route after",
    "questions",
    "accuracy before",
    "accuracy after",
    "points of the gain",
)


def summary_cells(results: Sequence[EvalResult]) -> list[Cells]:
    """Return one line per result, under `SUMMARY_HEADER`."""
    lines: list[Cells] = []
    for result in results:
        rows = {(row.section, row.name): row.measures for row in result.measured}
        total = rows["all", "all"]
        lines.append(
            (
                result.name,
                result.decoding or "-",
                str(total.questions),
                accuracy_cell(total),
                accuracy_cell(rows.get(("length", SHORT))),
                accuracy_cell(rows.get(("length", LONG))),
                number_cell(total.frames, ".1f"),
                number_cell(total.turns, ".2f"),
                str(total.missing),
                str(total.unjudged),
                str(total.failed),
            )
        )
    return lines


def breakdown_cells(rows: Sequence[MeasureRow]) -> list[Cells]:
    """Return one line per row, under `BREAKDOWN_HEADER`."""
    lines: list[Cells] = []
    for row in rows:
        measures = row.measures
        lines.append(
            (
                row.section,
                row.name,
                str(measures.questions),
                accuracy_cell(measures),
                number_cell(measures.frames, ".1f"),
                number_cell(measures.turns, ".2f"),
                number_cell(measures.evidence_hits, ".0%"),
                str(measures.missing),
                str(measures.unjudged),
                str(measures.failed),
            )
        )
    return lines


def part_cells(found: Decomposition) -> list[Cells]:
    """Return the gain, and what of it is routing and what skill, under `PARTS_HEADER`."""
    says = {
        "gain": f"over {found.questions} questions",
        "routing": "other questions are answered at once",
        "skill": "better answers on the same route",
    }
    return [(part.name, says[part.name], points(part.mean, part.interval)) for part in found.parts]


def move_cells(found: Decomposition) -> list[Cells]:
    """Return one line per pair of routes, under `MOVES_HEADER`."""
    return [
        (
            move.before,
            move.after,
            str(move.questions),
            number_cell(move.accuracy_before, ".1%"),
            number_cell(move.accuracy_after, ".1%"),
            points(move.gain, None),
        )
        for move in found.moves
    ]


def points(mean: float, interval: Interval) -> str:
    """Return e.g. `+6.1 [+2.0, +9.8]`, in points of accuracy."""
    text = f"{100 * mean:+.1f}"
    if interval is None:
        return text
    low, high = (100 * end for end in interval)
    return f"{text} [{low:+.1f}, {high:+.1f}]"


def difference_cell(found: Difference) -> str:
    """Return a difference as `points` writes it, `-` when there was nothing to compare."""
    return "-" if found.mean is None else points(found.mean, found.interval)


def spread(values: Sequence[float], form: str = ".1f") -> str:
    """Return e.g. `91.4 [85.3, 95.6]`: the mean over seeds, and the lowest and highest of them."""
    low, mean, high = (format(f(values), form) for f in (min, fmean, max))
    return f"{mean} [{low}, {high}]" if max(values) > min(values) else mean


def accuracy_cell(measures: Measures | None) -> str:
    """Return e.g. `62.5 [55.0, 70.1]` in percent, `-` when there was nothing to measure."""
    if measures is None or measures.accuracy is None:
        return "-"
    percent = f"{100 * measures.accuracy:.1f}"
    if measures.interval is None:
        return percent
    low, high = measures.interval
    return f"{percent} [{100 * low:.1f}, {100 * high:.1f}]"


def number_cell(value: float | None, form: str) -> str:
    """Return a formatted number, `-` when not measured."""
    return "-" if value is None else format(value, form)


def format_table(header: Cells, lines: Sequence[Cells], *, text_columns: int = 2) -> str:
    """Return an aligned table: the first columns, text, to the left, numbers to the right.

    Report keys and their values are a dataset's: no cell holds a control, or breaks its line.
    """
    table = [[" ".join(visible(cell).split("\n")) for cell in line] for line in (header, *lines)]
    widths = [max(_width(line[k]) for line in table) for k in range(len(header))]
    aligned = [
        "  ".join(
            cell + pad if k < text_columns else pad + cell
            for k, cell in enumerate(line)
            for pad in [" " * (widths[k] - _width(cell))]
        ).rstrip()
        for line in table
    ]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([aligned[0], rule, *aligned[1:]])


def _width(text: str) -> int:
    """Return how many terminal columns a text takes."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
