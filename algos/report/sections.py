"""The sections of a report as HTML: one function each, from `ReportData` to a part of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from algos.evaluation.decomposition import decompose
from algos.evaluation.groups import group_words, other_groups
from algos.evaluation.measures import (
    OWN_SECTIONS,
    Difference,
    EvalResult,
    MeasureRow,
    Measures,
    difference,
    failures,
)
from algos.evaluation.tables import (
    MOVES_HEADER,
    PARTS_HEADER,
    SUMMARY_HEADER,
    accuracy_cell,
    move_cells,
    number_cell,
    part_cells,
    points,
    summary_cells,
)
from algos.report.charts import Chart, Point, Series, figure
from algos.report.page import table
from algos.report.report_data import ReportData
from algos.runs.metrics import TURNS
from sage_env.datasets.duration_buckets import BUCKETS, bucket_of
from sage_env.tools.calling import LATE, OUTCOMES

MOST_FAILED = 500
"""Failed questions that the page lists."""
_DRAWN = 1e300
_CURVES = {
    "eval/score": "Score on validation videos",
    "rollout/accuracy": "Accuracy on training questions, as sampled",
    "rollout/return": "Reward per episode",
    "rollout/turns": "Turns per episode",
    "rollout/frames": "Frames per episode",
    "recipe/multiplier": "Price of as many frames as the target",
    "recipe/step_credit": "Credit per look, in nats of the answer",
}


def summary_section(data: ReportData) -> str:
    """Return the summary table, the paired differences, and the other groups."""
    results = list(data.results.values())
    strong = [name == data.after for name in data.results]
    lines = summary_cells([data.headline(result) for result in results])
    parts = [f"<h3>{escape(group_words(data.only))}</h3>"] if data.only else []
    parts.append(table("Summary", SUMMARY_HEADER, lines, strong))
    ours, *others = [data.headline(result) for result in data.compared()]
    for other in others:
        gap = difference(ours.episodes(), other.episodes())
        parts.append(f"<p>{_gap_text(ours.title, other.title, gap)}</p>")
    parts.append(
        '<p class="note">Accuracy in percent with its 95 % interval over videos; fewer than five '
        "videos have none. Failed episodes are counted and are in no mean. "
        "Frames count the overview.</p>"
    )
    for group in other_groups(data.shown.items, data.only):
        parts.append(f"<h3>{escape(group_words(group))}</h3>")
        lines = summary_cells([result.only(group) for result in results])
        parts.append(table(f"Summary, {group_words(group)}", SUMMARY_HEADER, lines, strong))
    return "".join(parts)


def _gap_text(ours: str, theirs: str, gap: Difference) -> str:
    if gap.mean is None:
        return f"{escape(ours)} and {escape(theirs)} share no judged question."
    return (
        f"{escape(ours)} minus {escape(theirs)}, paired over {gap.questions} questions: "
        f"<b>{points(gap.mean, gap.interval)}</b> points."
    )


def routing_section(data: ReportData, before: EvalResult) -> str:
    """Return what of the gain came from answering other questions at once."""
    ours, theirs = data.headline(data.shown), data.headline(before)
    found = decompose(ours.episodes(), theirs.episodes())
    if found is None:
        return ""
    return (
        f"<p>{escape(ours.title)} minus {escape(theirs.title)}.</p>"
        + table("The gain, and its parts", PARTS_HEADER, part_cells(found))
        + table("Questions by their route", MOVES_HEADER, move_cells(found))
        + '<p class="note">One turn: answered after the first look. Routing is the change of the '
        "shares of the two routes at their mean accuracies, skill the change of the accuracies at "
        "the mean shares; a route that hard questions leave looks more accurate. The second table "
        "follows each question, and its last column adds up to the gain.</p>"
    )


def length_section(data: ReportData) -> str:
    """Return the charts over duration buckets."""
    compared = [data.headline(result) for result in data.compared()]
    used = {bucket_of(e.duration) for result in compared for e in result.episodes()}
    names = [name for name in BUCKETS if name in used]
    ticks = [(float(k), name) for k, name in enumerate(names)]

    def chart(title: str, read: Callable[[Measures], Point | None]) -> Chart:
        lines = []
        for result in compared:
            rows = {r.name: r.measures for r in _rows_in(result, "bucket")}
            found = [(k, read(rows[name])) for k, name in enumerate(names) if name in rows]
            points = [Point(k, p.y, p.interval) for k, p in found if p is not None]
            lines.append(Series(result.title, points))
        x_name = "length of the video in seconds"
        return Chart(title, x_name, ticks, lines, percent=title == "Accuracy")

    charts = [
        chart("Accuracy", lambda m: _point(m.accuracy, m.interval)),
        chart("Frames per question", lambda m: _point(m.frames)),
        chart("Turns per question", lambda m: _point(m.turns)),
    ]
    return f'<div class="charts">{"".join(map(figure, charts))}</div>'


def _point(value: float | None, interval: tuple[float, float] | None = None) -> Point | None:
    return None if value is None else Point(0.0, value, interval)


def _rows_in(result: EvalResult, section: str) -> list[MeasureRow]:
    return [row for row in result.measured if row.section == section]


def group_section(data: ReportData) -> str:
    """Return the table of all report keys, one line for each value."""
    compared = data.compared()
    header = ("group", "name", "questions", *(result.title for result in compared), "frames")
    measures = [
        {(r.section, r.name): r.measures for r in result.measured if r.section not in OWN_SECTIONS}
        for result in compared
    ]
    ours = measures[0]
    lines = [
        (
            section,
            name,
            str(of_ours.questions),
            *(accuracy_cell(column.get((section, name))) for column in measures),
            number_cell(of_ours.frames, ".1f"),
        )
        for (section, name), of_ours in ours.items()
    ]
    if not lines:
        return '<p class="note">The items name no report keys.</p>'
    return table("Accuracy by report key", header, lines)


def failed_section(data: ReportData) -> str:
    """Return the questions that failed on our side, with the reasons; "" where none did."""
    lines = [
        (result.title, item_id, error)
        for result in data.results.values()
        for item_id, error in failures(result)
    ]
    if not lines:
        return ""
    more = len(lines) - MOST_FAILED
    rest = f" {more} more are in <code>results.json</code>." if more > 0 else ""
    note = f'<p class="note">They are in no mean, and can be played again.{rest}</p>'
    header = ("policy", "question", "reason")
    return table("Failed questions", header, lines[:MOST_FAILED]) + note


def tool_section(data: ReportData) -> str:
    """Return what came of the calls of tools; "" where none was called."""
    lines = []
    for result in data.results.values():
        calls = [episode.tool_calls for episode in result.episodes()]
        if any(calls):
            late = sum(one.get(LATE, 0) > 0 for one in calls)
            total = (str(sum(one.get(outcome, 0) for one in calls)) for outcome in OUTCOMES)
            lines.append((result.title, *total, str(late)))
    if not lines:
        return ""
    note = (
        '<p class="note">Refused and unknown calls are mistakes of the agent, late and failed ones '
        "are ours. Questions with a late one count as they ended; those with a failed one are in "
        "no mean.</p>"
    )
    return table("Calls of tools", ("policy", *OUTCOMES, "questions with a late one"), lines) + note


def learning_section(metrics: Sequence[Mapping[str, Any]]) -> str:
    """Return the learning curves of a training."""
    charts = []
    updates = [float(row["update"]) for row in metrics]
    ticks = [(update, f"{update:g}") for update in sorted({min(updates), max(updates)})]
    for key, title in _CURVES.items():
        if points := _curve(metrics, key):
            percent = key in ("rollout/accuracy", "eval/score") and all(
                0 <= point.y <= 1 for point in points
            )
            charts.append(figure(Chart(title, "update", ticks, [Series(title, points)], percent)))
    for buckets in (BUCKETS[:4], BUCKETS[4:]):  # a chart takes four lines
        lines = [Series(f"{bucket} s", _curve(metrics, TURNS + bucket)) for bucket in buckets]
        lines = [series for series in lines if series.points]
        if lines:
            title = (
                f"Turns per episode, {'shorter' if buckets[0] == BUCKETS[0] else 'longer'} videos"
            )
            charts.append(figure(Chart(title, "update", ticks, lines)))
    return f'<div class="charts">{"".join(charts)}</div>'


def _curve(metrics: Sequence[Mapping[str, Any]], key: str) -> list[Point]:
    """Return the points of a curve; what is not finite is no point."""
    rows = [(float(row["update"]), row.get(key)) for row in metrics]
    return [Point(update, float(y)) for update, y in rows if y is not None and abs(y) < _DRAWN]
