"""The report of the frontier: every point, where the agent wins and where not, areas, controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2
from typing import Any

from algos.evaluation.measures import LONG
from algos.evaluation.tables import Cells, format_table, points
from algos.metrics.budget_curves import area_weights, weights_at
from algos.report.charts import Chart, Series, figure
from algos.report.charts import Point as Mark
from algos.report.page import page
from benchmarks.learning.arms import ARMS, DIRECT, PRICES
from benchmarks.learning.frontier_curves import (
    Estimate,
    Point,
    ascending,
    common_seeds,
    estimate,
    heights,
    points_of,
)
from sage_env.datasets.item import QAItem

CURVES: Mapping[str, Sequence[str]] = {
    "agent, by price": tuple(PRICES),
    "agent, told its budget": ("conditioned",),
    "DIRECT, trained": tuple(f"direct-{frames}" for frames in DIRECT),
    "DIRECT, untrained": ("direct",),
}
"""The arms of each curve."""
TRAINED = "DIRECT, trained"
CONTROLS = ("random-reward", "clone-clean", "clone-right")
POINTS: Cells = (
    "arm",
    "",
    "seeds",
    "accuracy, all",
    f"accuracy, {LONG}",
    "frames",
    "turns",
    "missing",
)
GAPS: Cells = ("arm", "budget", "frames", "minus DIRECT, all", f"minus DIRECT, {LONG}", "so it")
AREAS: Cells = ("curve", "frames", "seeds", "area, all", f"area, {LONG}", "minus DIRECT, trained")


def tables(rows: Sequence[Mapping[str, Any]], items: Sequence[QAItem]) -> list[str]:
    """Return the lines of the report behind its head, from the rows that there are.

    Args:
        rows: of `frontier.jsonl`.
        items: the fresh questions, in the order of the rows' columns.
    """
    found = points_of(rows)
    curves = {name: ascending([p for p in found if p.arm in arms]) for name, arms in CURVES.items()}
    curves = {name: curve for name, curve in curves.items() if curve}
    lines = ["", "```", format_table(POINTS, [_point_cells(p, items) for p in found]), "```", ""]
    lines += ["Where the agent wins over trained DIRECT at as many frames, and where it does not:"]
    lines += ["", "```", format_table(GAPS, _gaps(curves, items)), "```", ""]
    lines += [
        "Mean accuracy over log2(frames): the area under a curve, over the frames that it and"
    ]
    lines += ["trained DIRECT both have, divided by their range:"]
    lines += ["", "```", format_table(AREAS, _areas(curves, items)), "```", ""]
    lines += ["Controls, minus the base that all of them start from:", ""]
    return [*lines, "```", format_table(("arm", "", "all", LONG), _controls(found, items)), "```"]


def chart(rows: Sequence[Mapping[str, Any]], items: Sequence[QAItem]) -> str:
    """Return a page with accuracy against frames, all videos and long ones."""
    drawn = []
    for long in (False, True):
        series = []
        for name, arms in CURVES.items():
            curve = ascending([p for p in points_of(rows) if p.arm in arms])
            marks = [_mark(point, items, long) for point in curve]
            series.append(Series(name, marks))
        ticks = [(float(k), str(2**k)) for k in range(3, 8)]
        title = f"Accuracy, {LONG if long else 'all videos'}"
        drawn.append(figure(Chart(title, "frames per question", ticks, series, percent=True)))
    body = f'<div class="charts">{"".join(drawn)}</div>'
    return page("Accuracy against frames", "", [("frontier", "Frontier", body)])


def _mark(point: Point, items: Sequence[QAItem], long: bool) -> Mark:
    found = estimate(point.correct, items, long=long)
    return Mark(log2(point.frames), found.mean, _shares(found))


def _shares(found: Estimate) -> tuple[float, float] | None:
    """Return an interval of an accuracy: no share is below 0 or above 1."""
    if found.interval is None:
        return None
    return max(0.0, found.interval[0]), min(1.0, found.interval[1])


def _percent(found: Estimate) -> str:
    ends = _shares(found)
    text = f"{100 * found.mean:.1f}"
    return text if ends is None else f"{text} [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"


def _point_cells(point: Point, items: Sequence[QAItem]) -> Cells:
    over = [estimate(point.correct, items, long=long) for long in (False, True)]
    return (
        point.arm,
        f"{'frames' if ARMS[point.arm].kind == 'direct' else 'budget'} {point.budget}",
        str(len(point.seeds)),
        *map(_percent, over),
        f"{point.frames:.1f}",
        f"{point.turns:.2f}",
        str(point.missing),
    )


def _gaps(curves: Mapping[str, Sequence[Point]], items: Sequence[QAItem]) -> list[Cells]:
    """Compare each point of the agent with trained DIRECT at as many frames."""
    direct = curves.get(TRAINED, [])
    lines: list[Cells] = []
    for name, curve in curves.items():
        if name.startswith("DIRECT") or len(direct) < 2:
            continue
        for point in curve:
            seeds = common_seeds([point], direct)
            at = weights_at([p.frames for p in direct], point.frames)
            gap = point.of(seeds) - heights(direct, at, seeds)
            over = [estimate(gap, items, long=long) for long in (False, True)]
            cells = [points(found.mean, found.interval) for found in over]
            lines.append(
                (point.arm, str(point.budget), f"{point.frames:.1f}", *cells, _verdict(over[0]))
            )
    return lines


def _verdict(gap: Estimate) -> str:
    if gap.interval is None:
        return "is not told apart"
    low, high = gap.interval
    return "wins" if low > 0 else "loses" if high < 0 else "does not win"


def _areas(curves: Mapping[str, Sequence[Point]], items: Sequence[QAItem]) -> list[Cells]:
    """Compare each curve of two points or more with trained DIRECT, over the frames of both."""
    direct = curves.get(TRAINED, [])
    lines: list[Cells] = []
    for name, curve in curves.items():
        if min(len(curve), len(direct)) < 2:
            continue
        least = max(curve[0].frames, direct[0].frames)
        most = min(curve[-1].frames, direct[-1].frames)
        if least >= most:
            continue
        seeds = common_seeds(curve, direct)
        ours, theirs = (
            heights(c, area_weights([p.frames for p in c], least, most), seeds)
            for c in (curve, direct)
        )
        over = [_percent(estimate(ours, items, long=long)) for long in (False, True)]
        gap = estimate(ours - theirs, items)
        told = "-" if name == TRAINED else points(gap.mean, gap.interval)
        lines.append((name, f"{least:.1f} to {most:.1f}", str(len(seeds)), *over, told))
    return lines


def _controls(found: Sequence[Point], items: Sequence[QAItem]) -> list[Cells]:
    """Compare what is trained otherwise, and the agent, with the base."""
    named = {point.arm: point for point in found if len(ARMS[point.arm].points) == 1}
    if "base" not in named:
        return []
    lines: list[Cells] = []
    for arm in ("agent", *CONTROLS):
        if arm not in named:
            continue
        point = named[arm]
        gap = point.correct - named["base"].of(point.seeds)
        over = [estimate(gap, items, long=long) for long in (False, True)]
        lines.append((arm, "", *(points(x.mean, x.interval) for x in over)))
    return lines
