"""What is read of a page without a script: a plain table of the most telling questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from algos.report.page import table
from algos.viewer.view_data import Column, RunView
from algos.viewer.writing.plain_values import html_text, plain
from sage_env.timeline import clock

MOST = 500
"""Questions in the table."""
_LONGEST = 300  # characters in a cell
_VERDICTS = {True: "✓ right", False: "✗ wrong", None: "not judged"}


def plain_table(run: RunView, rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return an HTML table of questions as one entry answered them, "" of none.

    Args:
        run: with the columns.
        rows: by the question's id, the most telling first.
    """
    if not rows:
        return ""
    shown = [column for column in run.columns if column.shown]
    header = ("Question", *(html_text(column.title) for column in shown))
    lines = [(_cell(name), *_cells(shown, row)) for name, row in rows.items()]
    return table("Questions, the most telling first", header, lines)


def _cells(columns: Sequence[Column], row: Mapping[str, Any]) -> list[str]:
    return [_value(column, row.get(column.key)) for column in columns]


def _value(column: Column, value: Any) -> str:
    if column.kind == "verdict" and (value is None or isinstance(value, bool)):
        return _VERDICTS[value]
    value = plain(value)
    if value is None:
        return ""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and column.kind == "seconds" and value >= 0:
        return clock(value)
    return f"{value:g}" if number else _cell(str(value))


def _cell(text: str) -> str:
    return html_text(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")
