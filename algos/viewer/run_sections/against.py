"""One run against another, by group: the table of `sage-vqa compare`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from algos.comparison.compared_runs import ComparedRun, ComparisonError
from algos.comparison.comparing import compare
from algos.comparison.comparison_tables import GROUPS_HEADER, about_tests, group_lines
from algos.report.page import table
from algos.viewer.run_sections.drawing import note

Row = Mapping[str, Any]
_GROUP = "group."


def against_section(a: Iterable[Row], b: Iterable[Row], names: tuple[str, str]) -> str:
    """Return the comparison of two entries as HTML; "" where their rows do not say enough.

    Args:
        a: rows of the first, one for each question, as the table of a page has them.
        b: rows of the second.
        names: of both.
    """
    try:
        found = compare(_compared(a, names[0]), _compared(b, names[1]))
    except (ComparisonError, KeyError):  # no question in common, or rows of others
        return ""
    said = f"A is {names[0]}, B is {names[1]}. {about_tests(found)}"
    lines = group_lines(found)
    first = [True] + [False] * (len(lines) - 1)
    return note(said) + table("A against B, by group", GROUPS_HEADER, lines, first)


def _compared(rows: Iterable[Row], name: str) -> ComparedRun:
    return ComparedRun(name, {row["id"]: _whole(row) for row in rows}, {})


def _whole(row: Row) -> Row:
    """Return a row of the table as `samples.jsonl` has it, as far as verdicts go."""
    group = {
        key.removeprefix(_GROUP): value
        for key, value in row.items()
        if key.startswith(_GROUP) and value is not None
    }
    rest = {"prediction": None, "frames": None, "turns": 0, "error": None, "gold": None}
    return {"group": group, **rest, **row}
