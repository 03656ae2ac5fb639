"""A validation in numbers and as a table: score, accuracy, frames and turns, also by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from algos.evaluation.measures import EvalResult, Measures, measures_of
from algos.evaluation.tables import format_table
from sage_env.datasets.report_keys import each_value

MOST_VALUES = 20
"""A key of `group` with more values names questions, not kinds of them, and gets no numbers. A
judgement: more columns than that are no table."""
_SHOWN = {"accuracy": ".3f", "frames": ".1f", "turns": ".2f"}


def validation_numbers(result: EvalResult, score: float) -> dict[str, float | None]:
    """Return what a validation measured, by name, for `validate` of `algos.ppo.training.train`.

    Args:
        result: what was played.
        score: by which the best update is chosen; higher is better.

    Returns:
        `score`, `accuracy`, `frames`, `turns`, `questions`, `failed`, `unjudged`; then `accuracy`,
        `frames` and `turns` of each group, as in `accuracy/family/glance`. None: not measured.
    """
    episodes = result.episodes()
    total = measures_of(episodes)
    numbers: dict[str, float | None] = {"score": score, **_numbers(total)}
    numbers |= {
        "questions": total.questions,
        "failed": total.failed,
        "unjudged": total.unjudged,
    }
    for key in sorted({key for e in episodes for key in e.group}):
        having = [(e, each_value(str(e.group[key]))) for e in episodes if key in e.group]
        values = sorted({value for _, own in having for value in own})
        for value in values if len(values) <= MOST_VALUES else ():
            group = [e for e, own in having if value in own]
            found = _numbers(measures_of(group))
            numbers |= {f"{name}/{key}/{value}": number for name, number in found.items()}
    return numbers


def validation_lines(rows: Sequence[Mapping[str, Any]], best: int | None = None) -> str:
    """Return the validations of a run as a table, one line each; "" where there was none.

    Args:
        rows: of `validation.jsonl`, as `algos.runs.metrics.read_metrics` returns them. Of groups,
            the accuracy is shown.
        best: the update that the run kept; by default that of the best of the rows. A run that an
            older version began has no row of its first validations.
    """
    if not rows:
        return ""
    groups = {name: None for row in rows for name in row if name.startswith("accuracy/")}
    shown = {"score": ".3f", **_SHOWN, **dict.fromkeys(groups, ".3f")}
    names = [name for name in shown if any(name in row for row in rows)]
    if best is None:
        best = int(max(rows, key=lambda row: float(row["score"]))["update"])  # the first of equals
    lines = [
        (
            f"{row['update']}{' *' * (row['update'] == best)}",
            *(_cell(row.get(name), shown[name]) for name in names),
        )
        for row in rows
    ]
    header = ("update", *(name.removeprefix("accuracy/") for name in names))
    there = any(row["update"] == best for row in rows)
    return format_table(header, lines) + ("\n* the best" if there else "")


def _numbers(measures: Measures) -> dict[str, float | None]:
    return {name: getattr(measures, name) for name in _SHOWN}


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
