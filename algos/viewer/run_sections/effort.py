"""Turns and frames against the length of the video: where a policy looks longer.

Questions are counted in cells of the picture, so that 100,000 of them cost no more than 500.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import log2
from statistics import fmean, median

from algos.evaluation.row_results import EpisodeResult
from algos.report.page import table
from algos.viewer.run_sections.drawing import (
    Scale,
    label,
    note,
    numbers,
    scale,
    svg,
)
from algos.viewer.run_sections.run_plays import RunPlays
from sage_env.datasets.duration_buckets import BUCKETS, bucket_of

WIDTH, HEIGHT = 560, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 16, 12, 46
ACROSS, UP = 40, 20
"""Cells of a picture: at most 800 circles, each about as wide as 13 units."""
_TICKS = (1, 5, 15, 60, 180, 600, 1800, 7200, 28800, 86400)
"""Seconds at which the axis is labelled."""
Read = Callable[[EpisodeResult], float | None]


@dataclass(frozen=True)
class BucketMedian:
    """What the middle question of a duration bucket took.

    Attributes:
        name: of the bucket.
        questions: how many there are.
        duration: median seconds of their videos.
        value: median of what is measured.
    """

    name: str
    questions: int
    duration: float
    value: float


def effort_section(plays: RunPlays) -> str:
    """Return a picture for turns and one for frames; "" where no duration is known."""
    figures = [
        _figure(plays, "Turns a question", lambda e: float(e.turns)),
        _figure(plays, "Frames a question", lambda e: e.frames),
    ]
    if not any(figures):
        return ""
    dashed = ", the dashed one those before" if plays.before else ""
    return f'<div class="charts">{"".join(figures)}</div>' + note(
        "A circle stands at the mean of the questions around it, the larger the more. The line "
        f"joins the medians of the duration buckets{dashed}."
    )


def bucket_medians(episodes: Sequence[EpisodeResult], read: Read) -> list[BucketMedian]:
    """Return the medians of those duration buckets that have questions, the shortest first."""
    found: dict[str, list[tuple[float, float]]] = {}
    for duration, value in _points(episodes, read):
        found.setdefault(bucket_of(duration), []).append((duration, value))
    return [
        BucketMedian(
            name,
            len(found[name]),
            median(d for d, _ in found[name]),
            median(v for _, v in found[name]),
        )
        for name in BUCKETS
        if name in found
    ]


def binned(
    points: Sequence[tuple[float, float]], x_at: Scale, y_at: Scale
) -> dict[tuple[int, int], list[tuple[float, float]]]:
    """Return the points that lie in each cell `(column, row)` of `ACROSS` by `UP`.

    Args:
        points: `(x, y)` each.
        x_at: takes an x to its column, `0..ACROSS`.
        y_at: takes a y to its row, `0..UP`.
    """
    cells: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for x, y in points:
        cell = min(int(x_at(x)), ACROSS - 1), min(int(y_at(y)), UP - 1)
        cells.setdefault(cell, []).append((x, y))
    return cells


def _points(episodes: Sequence[EpisodeResult], read: Read) -> list[tuple[float, float]]:
    pairs = [(e.duration or 0.0, read(e)) for e in episodes if e.error is None]
    return [(x, y) for x, y in pairs if x > 0 and y is not None]


def _figure(plays: RunPlays, title: str, read: Read) -> str:
    points = _points(plays.lines[plays.shown].episodes, read)
    if not points:
        return ""
    ours = bucket_medians(plays.lines[plays.shown].episodes, read)
    before = bucket_medians(plays.lines[plays.before].episodes, read) if plays.before else []
    by_name = {m.name: m.value for m in before}
    lines = [
        (
            m.name,
            str(m.questions),
            f"{m.value:g}",
            f"{by_name[m.name]:g}" if m.name in by_name else "-",
        )
        for m in ours
    ]
    header = ("seconds", "questions", "median", "median before")
    return (
        f"<figure><figcaption>{escape(title)}, by length of the video</figcaption>"
        f"{_picture(title, points, ours, before)}"
        f"{numbers(table(title, header, lines))}</figure>"
    )


def _picture(
    title: str,
    points: Sequence[tuple[float, float]],
    ours: Sequence[BucketMedian],
    before: Sequence[BucketMedian],
) -> str:
    """Return the circles, and the lines of the medians.

    Args:
        title: of what is measured.
        points: duration and value of each question.
        ours: medians of the entry that is shown.
        before: those before learning.
    """
    durations, values = [x for x, _ in points], [y for _, y in points]
    ends = log2(min(durations)) - 0.1, log2(max(durations)) + 0.1
    ticks = [t for t in _TICKS if ends[0] <= log2(t) <= ends[1]]
    top = max([*values, *(m.value for m in before)]) * 1.05 or 1.0
    x_at, y_at = scale(*ends, _LEFT, WIDTH - _RIGHT), scale(0.0, top, HEIGHT - _BOTTOM, _TOP)
    parts = [_grid(ticks, top, x_at, y_at)]
    logs = [(log2(x), y) for x, y in points]
    cells = binned(logs, scale(*ends, 0, ACROSS), scale(0.0, top, 0, UP))
    most = max(map(len, cells.values()))
    for _, inside in sorted(cells.items()):
        x, y = x_at(fmean(x for x, _ in inside)), y_at(fmean(y for _, y in inside))
        radius = 1.2 + 5.3 * (len(inside) / most) ** 0.5
        parts.append(f'<circle class="cell" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')
    for medians, style in ((before, "median before"), (ours, "median")):
        path = "L".join(f"{x_at(log2(m.duration)):.1f} {y_at(m.value):.1f}" for m in medians)
        parts.append(f'<path class="{style}" d="M{path}"/>' if path else "")
    return svg(f"{title} against the length of the video", WIDTH, HEIGHT, "".join(parts))


def _grid(ticks: Sequence[float], top: float, x_at: Scale, y_at: Scale) -> str:
    steps = (part * 10.0**power for power in range(308) for part in (1, 2, 5))
    step = next(one for one in steps if top / one <= 6)
    parts = []
    for k in range(int(top / step) + 1):
        y = y_at(k * step)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(label(_LEFT - 6, y + 4, f"{k * step:g}", "end"))
    parts += [label(x_at(log2(t)), HEIGHT - _BOTTOM + 18, _length(t)) for t in ticks]
    parts.append(label((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, "length of the video"))
    return "".join(parts)


def _length(seconds: float) -> str:
    """Return a round length of time in its largest unit."""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"
