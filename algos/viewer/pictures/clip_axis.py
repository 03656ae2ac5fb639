"""The time axis of a film: evidence, where each turn looked, and where the episode stands."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import ImageDraw

from algos.viewer.pictures.clip_moments import Moment
from algos.viewer.view_data import QuestionView, Span, StepView
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
from sage_env.timeline import clock

LEFT, RIGHT = 120, 930
"""Columns of pixels at which the video begins and ends."""
_LABELS, _LANE, _LANES = 34, 15, 6
_TEXT = 12
HEIGHT = _LABELS + _LANE * _LANES
"""Pixels of the axis: labels above, and lanes of the newest turns."""


def draw_axis(
    draw: ImageDraw.ImageDraw, top: int, question: QuestionView, moment: Moment, duration: float
) -> None:
    """Draw the axis over the whole width.

    Args:
        draw: an RGB picture, 960 pixels wide.
        top: first line of pixels.
        question: whose evidence is marked.
        moment: whose turns are shown.
        duration: seconds of the video, above 0.
    """
    steps = moment.steps[-_LANES:]
    spine, bottom = top + _LABELS - 4, top + _LABELS + _LANE * max(1, len(steps))
    bands = [_columns(span, duration) for span in question.evidence]
    for x0, x1 in bands:
        draw.rectangle((x0, spine + 1, x1, bottom), fill=GOLD, outline=GOOD)
    if bands:
        draw.text((12, spine - 8), "evidence", GOOD, font(_TEXT), anchor="ls")
        draw.rectangle((70, spine - 18, 82, spine - 9), fill=GOLD, outline=GOOD)
    _draw_labels(draw, spine, duration)
    for lane, step in enumerate(steps):
        newest = lane == len(steps) - 1 and not moment.last
        _draw_lane(draw, step, top + _LABELS + _LANE * lane + _LANE // 2, newest, duration)
    for lane, step in enumerate(steps):
        middle = top + _LABELS + _LANE * lane + _LANE // 2
        for frame in step.frames:
            hit = any(start <= frame.second < end for start, end in question.evidence)
            _draw_frame(draw, _column(frame.second, duration), middle, hit)
    x = _column(moment.cursor, duration)
    for y in range(spine, bottom, 4):
        draw.line((x, y, x, y + 1), fill=CURSOR)
    draw.polygon(((x - 5, spine - 7), (x + 5, spine - 7), (x, spine)), fill=CURSOR)


def length_of(question: QuestionView, steps: Sequence[StepView]) -> float:
    """Return the seconds of an axis: of the video, or up to the last time that is known."""
    if question.duration is not None and 0 < question.duration < math.inf:
        return question.duration
    ends = [frame.second for step in steps for frame in step.frames]
    ends += [step.span[1] for step in steps if step.span]
    ends += [end for _, end in question.evidence]
    known = [end for end in ends if 0 < end < math.inf]
    return max(known, default=1.0)


def _column(second: float, duration: float) -> int:
    """Return the column of pixels of a time, in `[LEFT, RIGHT]`."""
    share = 0.0 if math.isnan(second) else min(max(second / duration, 0.0), 1.0)
    return LEFT + round(share * (RIGHT - LEFT))


def _columns(span: Span, duration: float) -> tuple[int, int]:
    """Return the columns of a span; a moment in two hours must still be seen."""
    x0, x1 = sorted((_column(span[0], duration), _column(span[1], duration)))
    return x0, max(x1, x0 + 2)


def _draw_labels(draw: ImageDraw.ImageDraw, spine: int, duration: float) -> None:
    draw.line((LEFT, spine, RIGHT, spine), fill=INK)
    for quarter in range(5):
        second = duration * quarter / 4
        x = _column(second, duration)
        draw.line((x, spine - 4, x, spine), fill=INK)
        anchor = "ls" if quarter == 0 else "rs" if quarter == 4 else "ms"
        draw.text((x, spine - 9), clock(second), SOFT, font(_TEXT), anchor=anchor)


def _draw_lane(
    draw: ImageDraw.ImageDraw, step: StepView, middle: int, newest: bool, duration: float
) -> None:
    """Draw the name of a turn, and the stretch that it was about.

    Args:
        draw: is drawn on.
        step: the turn.
        middle: line of pixels.
        newest: whether it is the one that is shown now.
        duration: seconds of the video.
    """
    half = _LANE // 2 - 1
    if newest:
        draw.rectangle((8, middle - half - 1, LEFT - 8, middle + half + 1), fill=CURRENT)
    label = f"{step.turn}  {step.action}" if step.turn else step.action
    colour = INK if newest else SOFT
    draw.text((12, middle), fit(label, _TEXT, LEFT - 24), colour, font(_TEXT), anchor="lm")
    draw.line((LEFT, middle + half + 1, RIGHT, middle + half + 1), fill=RULE)
    if step.span is not None and step.turn:
        x0, x1 = _columns(step.span, duration)
        _draw_span(draw, step.action, (x0, middle - half, x1, middle + half))
    for span in step.claimed:
        x0, x1 = _columns(span, duration)
        draw.line((x0, middle + half, x1, middle + half), fill=INK, width=2)


def _draw_span(draw: ImageDraw.ImageDraw, action: str, area: tuple[int, int, int, int]) -> None:
    """Draw a stretch: zooms are brackets, skips hatched, all others a band."""
    x0, y0, x1, y1 = area
    if action == "zoom":
        draw.line(((x0, y1), (x0, y0), (x1, y0), (x1, y1)), fill=ZOOM, width=2)
    elif action == "skip":
        for x in range(x0, x1 + 1, 6):
            draw.line((x, y1, min(x + y1 - y0, x1), y0), fill=SKIP)
    else:
        draw.rectangle(area, fill=SAMPLED)


def _draw_frame(draw: ImageDraw.ImageDraw, x: int, y: int, hit: bool) -> None:
    """Draw where a frame is: a tick, inside the evidence a diamond."""
    draw.line((x, y - 4, x, y + 4), fill=GOOD if hit else LOOK)
    if hit:
        draw.polygon(((x, y - 5), (x + 4, y), (x, y + 5), (x - 4, y)), fill=GOOD)
