"""Accuracy against frames: what each entry costs and gains, and which of them nothing beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log2
from typing import Literal

from algos.evaluation.measures import measures_of
from algos.metrics.budget_curves import pareto
from algos.viewer.run_sections.drawing import (
    Scale,
    label,
    linked_table,
    log_ticks,
    note,
    scale,
    svg,
)
from algos.viewer.run_sections.run_plays import RunPlays

Role = Literal["policy", "baseline", "control"]
WIDTH, HEIGHT = 720, 340
_CLOSE = 16
"""Units within which two numbers would be written over each other."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 24, 16, 48
_MARKS = {
    "policy": "m-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z",
    "baseline": "m-5-5h10v10h-10z",
    "control": "m0-6l6 10h-12z",
}
_NOTHING = 0.5
"""Frames at which an entry without any is drawn: a logarithm has no place for 0."""


@dataclass(frozen=True)
class Spot:
    """One entry of the run in the picture.

    Attributes:
        number: beside its mark and in the table.
        title: of the entry.
        role: `policy`, `baseline` (one even look), or `control` (a floor or a ceiling).
        frames: mean frames shown a question.
        accuracy: share of right answers.
        interval: of it, over videos.
        best: whether no other is at most as dear and at least as right; `None` for a control.
        shown: whether the page is about it.
    """

    number: int
    title: str
    role: Role
    frames: float
    accuracy: float
    interval: tuple[float, float] | None
    best: bool | None
    shown: bool


def frontier_section(plays: RunPlays) -> str:
    """Return the picture and its numbers; "" with fewer than two entries to compare."""
    spots = spots_of(plays)
    if len(spots) < 2:
        return ""
    lines = [
        (
            f"{spot.number}. {escape(spot.title)}",
            f"{spot.frames:.1f}",
            escape(_accuracy(spot)),
            {True: "yes", False: "no", None: "not compared"}[spot.best],
        )
        for spot in spots
    ]
    header = ("entry", "frames a question", "accuracy in %", "undominated")
    return (
        f'<figure class="wide">{_legend(spots)}{_picture(spots)}'
        f"{linked_table('Accuracy against frames', header, lines)}</figure>"
        + note(
            "Undominated (filled): nothing is as right with fewer frames. Bars: 95 % intervals "
            "over videos. A floor or a ceiling is not compared."
        )
    )


def spots_of(plays: RunPlays) -> list[Spot]:
    """Return the entries that have an accuracy and whose frames are counted."""
    known = []
    for key, line in plays.lines.items():
        found = measures_of(plays.headline(key))
        if found.accuracy is not None and found.frames is not None:
            role: Role = "baseline" if key in plays.baselines else "policy"
            known.append((key, line, "control" if line.control else role, found))
    compared = [k for k, (*_, role, _) in enumerate(known) if role != "control"]
    undominated = pareto([(known[k][3].frames or 0, known[k][3].accuracy or 0) for k in compared])
    best = dict(zip(compared, undominated, strict=True))
    return [
        Spot(
            number=k + 1,
            title=line.title,
            role=role,
            frames=found.frames or 0.0,
            accuracy=found.accuracy or 0.0,
            interval=found.interval,
            best=best.get(k),
            shown=key == plays.shown,
        )
        for k, (key, line, role, found) in enumerate(known)
    ]


def _picture(spots: Sequence[Spot]) -> str:
    least, most = _ends(spots)
    x_at = scale(log2(least) - 0.2, log2(most) + 0.2, _LEFT, WIDTH - _RIGHT)
    floor = _floor(spots)
    y_at = scale(floor, 1.0, HEIGHT - _BOTTOM, _TOP)
    parts = [_grid(log_ticks(least, most), floor, x_at, y_at)]
    evenly: dict[float, Spot] = {}  # of two entries with as many frames, the better one
    for spot in sorted((s for s in spots if s.role == "baseline"), key=lambda s: s.accuracy):
        evenly[spot.frames] = spot
    for style, chosen in (
        ("reference", list(evenly.values())),
        ("pareto", [s for s in spots if s.best]),
    ):
        chosen.sort(key=lambda s: (s.frames, s.accuracy))
        if len(chosen) > 1:
            path = "L".join(f"{_x(s, x_at):.1f} {y_at(s.accuracy):.1f}" for s in chosen)
            parts.append(f'<path class="{style}" d="M{path}"/>')
    parts += [_mark(spot, x_at, y_at) for spot in spots]
    parts += [_names(near, x_at, y_at) for near in clusters(spots, x_at, y_at)]
    told = "Accuracy against frames a question; the numbers are in the table below"
    return svg(told, WIDTH, HEIGHT, "".join(parts))


def _floor(spots: Sequence[Spot]) -> float:
    """Return where the axis of accuracy begins: at a fifth below all intervals."""
    lowest = min((spot.interval or (spot.accuracy,))[0] for spot in spots)
    return min(int(5 * lowest), 4) / 5


def _ends(spots: Sequence[Spot]) -> tuple[float, float]:
    places = [max(spot.frames, _NOTHING) for spot in spots]
    return min(places), max(*places, 2 * min(places))


def _x(spot: Spot, x_at: Scale) -> float:
    return x_at(log2(max(spot.frames, _NOTHING)))


def _grid(ticks: Sequence[float], floor: float, x_at: Scale, y_at: Scale) -> str:
    """Return lines and labels of the axes.

    Args:
        ticks: frames that are labelled.
        floor: accuracy at the bottom.
        x_at: takes a logarithm of frames to its place.
        y_at: takes an accuracy to its place.
    """
    parts = []
    for share in (k / 5 for k in range(round(5 * floor), 6)):
        parts.append(f'<path class="grid" d="M{_LEFT} {y_at(share):.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(label(_LEFT - 6, y_at(share) + 4, f"{100 * share:.0f} %", "end"))
    for tick in ticks:
        text = "0" if tick == _NOTHING else f"{tick:g}"
        parts.append(label(x_at(log2(tick)), HEIGHT - _BOTTOM + 18, text))
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(label(middle, HEIGHT - 8, "frames a question, by their logarithm"))
    return "".join(parts)


def clusters(spots: Sequence[Spot], x_at: Scale, y_at: Scale) -> list[list[Spot]]:
    """Return the entries by place: names of those that lie close to each other stand together."""
    found: list[list[Spot]] = []
    for spot in spots:
        x, y = _x(spot, x_at), y_at(spot.accuracy)
        for others in found:
            first = others[0]
            if abs(_x(first, x_at) - x) < _CLOSE and abs(y_at(first.accuracy) - y) < _CLOSE:
                others.append(spot)
                break
        else:
            found.append([spot])
    return found


def _names(near: Sequence[Spot], x_at: Scale, y_at: Scale) -> str:
    """Return the numbers of entries at one place, on that side of it where there is room."""
    x, y = _x(near[0], x_at), y_at(near[0].accuracy)
    text = ", ".join(str(spot.number) for spot in near)
    right = x + 9 + 9 * len(text) < WIDTH
    place = label(x + 9 if right else x - 9, y - 7, text, "start" if right else "end")
    return f'<g class="spot{" shown" if any(spot.shown for spot in near) else ""}">{place}</g>'


def _mark(spot: Spot, x_at: Scale, y_at: Scale) -> str:
    x, y = _x(spot, x_at), y_at(spot.accuracy)
    style = f"spot {spot.role}" + (" best" if spot.best else "") + (" shown" if spot.shown else "")
    bar = ""
    if spot.interval:
        low, high = (y_at(end) for end in spot.interval)
        bar = f'<path class="bar" d="M{x:.1f} {low:.1f}V{high:.1f}"/>'
    title = (
        f"<title>{escape(f'{spot.title}: {_accuracy(spot)} %, {spot.frames:.1f} frames')}</title>"
    )
    return (
        f'<g class="{style}">{title}{bar}<path class="point" d="M{x:.1f} {y:.1f}'
        f'{_MARKS[spot.role]}"/></g>'
    )


def _accuracy(spot: Spot) -> str:
    text = f"{100 * spot.accuracy:.1f}"
    if spot.interval is None:
        return text
    return f"{text} [{100 * spot.interval[0]:.1f}, {100 * spot.interval[1]:.1f}]"


def _legend(spots: Sequence[Spot]) -> str:
    """Return what the marks and lines stand for, of those that are there."""
    there = {spot.role for spot in spots}
    names: dict[str, str] = {
        "policy": "policy",
        "baseline": "one even look, joined by the dotted line",
        "control": "floor or ceiling",
    }
    keys = "".join(
        f'<span class="key"><svg width="18" height="16" aria-hidden="true"><g class="spot {role} '
        f'best"><path class="point" d="M9 8{_MARKS[role]}"/></g></svg>{text}</span>'
        for role, text in names.items()
        if role in there
    )
    line = (
        '<span class="key"><svg width="26" height="12" aria-hidden="true"><path class="pareto" '
        'd="M0 6H26"/></svg>undominated</span>'
    )
    return f'<div class="legend">{keys}{line}</div>'
