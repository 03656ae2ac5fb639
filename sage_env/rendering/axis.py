"""The lower half of a rendered picture: the video's time axis, and a row per turn on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw

from sage_env.actions.action import ACTION_NAMES, Answer
from sage_env.history import History, Look
from sage_env.rendering.colours import (
    CURRENT,
    CURSOR,
    GOLD,
    GOOD,
    INK,
    LOOK,
    RULE,
    SAMPLED,
    SKIP,
    SOFT,
    ZOOM,
)
from sage_env.rendering.lettering import fit, font
from sage_env.timeline import Span, clock

FIRST_X, LAST_X = 100, 899
"""Columns of pixels at which the video begins and ends."""
_TEXT = 11
_LABELS, _SPINE, _ROWS = 26, 23, 160  # pixels: above the rows, to the line, for all rows
_TALLEST, _LOWEST = 16, 12  # of a row
_MOST_ROWS = 14


@dataclass(frozen=True)
class AxisRow:
    """One row of the axis: a turn, or several where there are more turns than rows.

    Attributes:
        label: what stands at its left.
        kind: `overview`, the name of the action, or `""` for several turns.
        look: what was shown or skipped; of several turns only the times.
        claimed: spans that an answer relies on.
        newest: whether it is of the newest turn.
    """

    label: str
    kind: str
    look: Look
    claimed: tuple[Span, ...] = ()
    newest: bool = False


def axis_x(second: float, duration: float) -> int:
    """Return the column of pixels of a time, in `[FIRST_X, LAST_X]`."""
    share = min(max(second / duration, 0.0), 1.0)
    return FIRST_X + round(share * (LAST_X - FIRST_X))


def axis_height(max_turns: int) -> int:
    """Return the pixels that the axis and its rows take; the same throughout an episode."""
    return _LABELS + _row_height(max_turns) * min(max_turns + 1, _MOST_ROWS)


def rows(history: History) -> list[AxisRow]:
    """Return the rows of an episode so far, the overview first.

    Where there are more turns than rows, the oldest share the second one: it shows their frames.
    """
    found = [AxisRow("overview", "overview", history.looks[0], newest=not history.actions)]
    for turn, (action, look) in enumerate(zip(history.actions, history.looks[1:], strict=True), 1):
        kind = ACTION_NAMES[type(action)]
        claimed = action.evidence if isinstance(action, Answer) else ()
        newest = turn == len(history.actions)
        found.append(AxisRow(f"{turn}  {kind}", kind, look, claimed, newest))
    surplus = len(found) - _MOST_ROWS
    if surplus <= 0:
        return found
    shared = tuple(second for row in found[1 : surplus + 2] for second in row.look.seconds)
    merged = AxisRow(f"1 to {surplus + 1}", "", Look(seconds=shared))
    return [found[0], merged, *found[surplus + 2 :]]


def row_middle(index: int, top: int, max_turns: int) -> int:
    """Return the line of pixels in the middle of a row, for an axis drawn at `top`."""
    height = _row_height(max_turns)
    return top + _LABELS + height * index + height // 2


def draw_axis(
    image: Image.Image,
    top: int,
    history: History,
    duration: float,
    cursor: float,
    evidence: Sequence[Span] = (),
) -> None:
    """Draw the axis at `top` over the whole width: labels, rows, the cursor.

    Args:
        image: is drawn on.
        top: first line of pixels.
        history: the episode so far.
        duration: seconds of the video.
        cursor: seconds.
        evidence: spans to mark as such; the frames inside them get another shape.
    """
    draw = ImageDraw.Draw(image)
    bottom = top + axis_height(history.max_turns) - 1
    spans = [_columns(span, duration) for span in evidence]
    for x0, x1 in spans:
        draw.rectangle((x0, top + _LABELS, x1, bottom), fill=GOLD)
    _draw_labels(draw, top, bottom, duration)
    x = axis_x(cursor, duration)
    for y in range(top + _LABELS, bottom, 4):
        draw.line((x, y, x, y + 1), fill=CURSOR)
    shown = rows(history)
    for index, row in enumerate(shown):
        middle = row_middle(index, top, history.max_turns)
        _draw_row(draw, row, middle, _row_height(history.max_turns) // 2 - 2, duration)
    for x0, x1 in spans:
        draw.rectangle((x0, top + _LABELS, x1, bottom), outline=GOOD)
    for index, row in enumerate(shown):  # last, so that nothing hides them
        middle = row_middle(index, top, history.max_turns)
        for second in row.look.seconds:
            hit = any(start <= second < end for start, end in evidence)
            _draw_tick(draw, axis_x(second, duration), middle, history.max_turns, hit)
    spine = top + _SPINE
    draw.polygon(((x - 5, spine - 7), (x + 5, spine - 7), (x, spine)), fill=CURSOR)


def _row_height(max_turns: int) -> int:
    return min(max(_ROWS // (max_turns + 1), _LOWEST), _TALLEST)


def _columns(span: Span, duration: float) -> tuple[int, int]:
    """Return the columns of a span; a moment in two hours must still be seen."""
    x0, x1 = axis_x(span[0], duration), axis_x(span[1], duration)
    return x0, max(x1, x0 + 2)


def _draw_labels(draw: ImageDraw.ImageDraw, top: int, bottom: int, duration: float) -> None:
    spine = top + _SPINE
    draw.line((FIRST_X, spine, LAST_X, spine), fill=INK, width=1)
    for quarter in range(5):
        second = duration * quarter / 4
        x, text = axis_x(second, duration), clock(second)
        draw.line((x, spine - 3, x, spine), fill=INK)
        draw.line((x, spine + 2, x, bottom), fill=RULE)
        anchor = "ls" if quarter == 0 else "rs" if quarter == 4 else "ms"
        draw.text((x, top + 12), text, SOFT, font(_TEXT), anchor=anchor)
    draw.text((947, top + 12), "frames", SOFT, font(_TEXT), anchor="rs")


def _draw_row(
    draw: ImageDraw.ImageDraw, row: AxisRow, middle: int, half: int, duration: float
) -> None:
    if row.newest:
        for box in ((8, FIRST_X - 6), (LAST_X + 4, 951)):
            draw.rectangle((box[0], middle - half - 1, box[1], middle + half + 1), fill=CURRENT)
    label = fit(row.label, _TEXT, FIRST_X - 22)
    draw.text((12, middle), label, INK if row.newest else SOFT, font(_TEXT), anchor="lm")
    if row.look.seconds:
        count = str(len(row.look.seconds))
        draw.text((947, middle), count, INK if row.newest else SOFT, font(_TEXT), anchor="rm")
    if row.look.span is not None:
        _draw_span(draw, row.kind, _columns(row.look.span, duration), middle, half)
    for span in row.claimed:
        x0, x1 = _columns(span, duration)
        for x in range(x0, x1 + 1, 4):
            for y in (middle - half, middle + half):
                draw.line((x, y, min(x + 1, x1), y), fill=INK)
        draw.line((x0, middle - half, x0, middle + half), fill=INK)
        draw.line((x1, middle - half, x1, middle + half), fill=INK)


def _draw_span(
    draw: ImageDraw.ImageDraw, kind: str, columns: tuple[int, int], middle: int, half: int
) -> None:
    x0, x1 = columns
    if kind == "zoom":  # a bracket, open at the bottom
        points = (
            (x0, middle + half),
            (x0, middle - half),
            (x1, middle - half),
            (x1, middle + half),
        )
        draw.line(points, fill=ZOOM)
    elif kind == "skip":
        hatch = _hatch(2 * half + 1).crop((0, 0, x1 - x0 + 1, 2 * half + 1))
        draw.bitmap((x0, middle - half), hatch, fill=SKIP)
    else:
        draw.rectangle((x0, middle - half, x1, middle + half), fill=SAMPLED)


def _draw_tick(draw: ImageDraw.ImageDraw, x: int, y: int, max_turns: int, hit: bool) -> None:
    half = _row_height(max_turns) // 2 - 1
    draw.line((x, y - half + 1, x, y + half - 1), fill=GOOD if hit else LOOK)
    if hit:
        draw.polygon(((x, y - half), (x + 4, y), (x, y + half), (x - 4, y)), fill=GOOD)


@cache
def _hatch(height: int) -> Image.Image:
    """Return a mask of slanted lines, as wide as the axis."""
    width = LAST_X - FIRST_X + 3
    hatch = Image.new("1", (width, height))
    draw = ImageDraw.Draw(hatch)
    for x in range(-height, width, 6):
        draw.line((x, height - 1, x + height - 1, 0), fill=1)
    return hatch
