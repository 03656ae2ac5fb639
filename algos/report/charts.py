"""Line charts as inline SVG that follows the page's colours, each with its numbers in a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

Scale = Callable[[float], float]
WIDTH, HEIGHT = 560, 260
"""Units of a chart's view box, pixels where it is drawn at that width.

The page scales charts to columns of at least 27rem (432 px). A wider box makes the text, of 13
units, smaller there; a narrower one leaves less room for the labels of the x axis. Not measured:
chosen by eye."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 14, 44
"""Margins around the plot, in the same units.

Left: a label of the y axis such as "100 %". Bottom: the labels of the x axis and its name, two
lines. Right and top: half a mark, and half a label at the end of an axis."""
MARKS = ("circle", "square", "diamond", "triangle")
"""Shapes of the series in order: colour is never the only difference."""


@dataclass(frozen=True)
class Point:
    """One measured point; `interval` is its 95 % interval, if there is one."""

    x: float
    y: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Series:
    """A named line; its place in the chart decides its colour and mark."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Chart:
    """A line chart.

    Attributes:
        title: what is on the y axis, and of what.
        x_name: what is on the x axis.
        ticks: where the x axis is labelled, and with what.
        series: at most as many as there are `MARKS`.
        percent: whether y is a share, drawn from 0 to 100 %.
    """

    title: str
    x_name: str
    ticks: Sequence[tuple[float, str]]
    series: Sequence[Series]
    percent: bool = False


def figure(chart: Chart) -> str:
    """Return a chart as a `<figure>`: caption, legend, picture, and the numbers in a table."""
    if len(chart.series) > len(MARKS):
        raise ValueError(f"a chart takes at most {len(MARKS)} series, got {len(chart.series)}")
    keys = "".join(
        f'<span class="key s{k}"><svg width="26" height="12" aria-hidden="true">'
        f'<path class="line" d="M0 6H26"/>{_mark(k, 13, 6)}</svg>{escape(series.name)}</span>'
        for k, series in enumerate(chart.series)
    )
    legend = f'<div class="legend">{keys}</div>' if len(chart.series) > 1 else ""
    return (
        f"<figure><figcaption>{escape(chart.title)}</figcaption>"
        f"{legend}{_picture(chart)}{_numbers(chart)}</figure>"
    )


def _picture(chart: Chart) -> str:
    points = [point for series in chart.series for point in series.points]
    xs = [x for x, _ in chart.ticks] + [point.x for point in points]
    low, high, step = _y_range(chart)
    x_at = _scale(min(xs, default=0), max(xs, default=1), _LEFT + 14, WIDTH - _RIGHT - 14)
    y_at = _scale(low, high, HEIGHT - _BOTTOM, _TOP)
    parts = []
    for k in range(round((high - low) / step) + 1):
        value = low + k * step
        y = y_at(value)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(_text(_LEFT - 6, y + 4, _label(value, chart.percent), "end"))
    for x, label in chart.ticks:
        parts.append(_text(x_at(x), HEIGHT - _BOTTOM + 18, label, "middle"))
    parts.append(_text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 6, chart.x_name, "middle"))
    shift = (len(chart.series) - 1) / 2
    for k, series in reversed(list(enumerate(chart.series))):  # the first lies on top
        has_bars = any(point.interval for point in series.points)
        offset = 5 * (k - shift) if has_bars else 0.0  # so that intervals stand side by side
        parts.append(_line(k, series, x_at, y_at, offset))
    label = f"{chart.title}, by {chart.x_name}; the numbers are in the table below"
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _line(k: int, series: Series, x_at: Scale, y_at: Scale, offset: float) -> str:
    places = [(x_at(point.x) + offset, y_at(point.y)) for point in series.points]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) if places else ""
    bars = "".join(
        f'<path class="bar" d="M{x:.1f} {y_at(point.interval[0]):.1f}'
        f'V{y_at(point.interval[1]):.1f}"/>'
        for point, (x, _) in zip(series.points, places, strict=True)
        if point.interval
    )
    marks = "".join(_mark(k, x, y) for x, y in places) if len(places) <= 40 else ""
    return f'<g class="s{k}">{bars}<path class="line" d="{path}"/>{marks}</g>'


def _mark(k: int, x: float, y: float) -> str:
    shape = {
        "circle": "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
        "square": "m-3.6-3.6h7.2v7.2h-7.2z",
        "diamond": "m0-5l5 5l-5 5l-5-5z",
        "triangle": "m0-5l5 8.5h-10z",
    }[MARKS[k]]
    return f'<path class="mark" d="M{x:.1f} {y:.1f}{shape}"/>'


def _numbers(chart: Chart) -> str:
    names = "".join(f'<th scope="col">{escape(series.name)}</th>' for series in chart.series)
    labels = dict(chart.ticks)
    columns = [{point.x: point for point in series.points} for series in chart.series]
    lines = []
    for x in sorted({x for column in columns for x in column}):
        cells = "".join(f"<td>{_cell(column.get(x), chart.percent)}</td>" for column in columns)
        lines.append(f'<tr><th scope="row">{escape(labels.get(x, f"{x:g}"))}</th>{cells}</tr>')
    return (
        '<details class="numbers"><summary>Numbers</summary><div class="scroll" tabindex="0" '
        f'role="group" aria-label="{escape(chart.title)}, numbers"><table><thead>'
        f'<tr><th scope="col">{escape(chart.x_name)}</th>{names}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div></details>"
    )


def _cell(point: Point | None, percent: bool) -> str:
    if point is None:
        return "-"
    unit = 100 if percent else 1
    text = f"{unit * point.y:.1f}" if percent else f"{point.y:.3g}"
    if point.interval is None:
        return text
    low, high = point.interval
    return f"{text} [{unit * low:.1f}, {unit * high:.1f}]"


def _y_range(chart: Chart) -> tuple[float, float, float]:
    """Return the ends of the y axis, which always holds 0, and the distance of its grid lines."""
    if chart.percent:
        return 0.0, 1.0, 0.2
    values = [point.y for series in chart.series for point in series.points]
    low, high = min([0.0, *values]), max([0.0, *values])
    rough = (high - low or 1.0) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
    return math.floor(low / step) * step, max(math.ceil(high / step), 1) * step, step


def _label(value: float, percent: bool) -> str:
    return f"{100 * value:.0f} %" if percent else f"{value:.6g}"


def _scale(low: float, high: float, first: float, last: float) -> Scale:
    """Return the straight line that takes `low` to `first` and `high` to `last`."""
    slope = (last - first) / ((high - low) or 1.0)
    return lambda value: first + (value - low) * slope


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
