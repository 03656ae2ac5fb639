"""One moment of an episode as a picture for slides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from algos.viewer.pictures.clip_axis import HEIGHT as AXIS
from algos.viewer.pictures.clip_axis import draw_axis
from algos.viewer.pictures.clip_moments import Moment, ShownFrame, time_of
from algos.viewer.view_data import EpisodeView, QuestionView
from sage_env.picture_geometry import fitted
from sage_env.rendering.colours import BAD, CURSOR, GOOD, INK, PAPER, RULE, SOFT, ZOOM
from sage_env.rendering.lettering import fit, font, line_height, width_of, wrap
from sage_env.rendering.thumbnails import CAPTION, best_grid, thumbnail

WIDTH, HEIGHT = 960, 540
"""Pixels of a picture: half of 1080p on each side."""
_LEFT, _RIGHT = 24, WIDTH - 24
_QUESTION, _HEADING, _TEXTS, _PANEL = 12, 66, 94, 152
_BOTTOM = HEIGHT - AXIS - 14
_ASKED, _HEADED, _TEXT, _LARGE, _SMALL = 18, 18, 14, 40, 12
_FINDER = 220
_VERDICTS = {True: GOOD, False: BAD, None: SOFT}
_SHOWN_TEXTS = 3
"""Lines of text of a turn: the first text may have what the others leave."""


def draw_moment(
    question: QuestionView, episode: EpisodeView, moment: Moment, duration: float
) -> NDArray[np.uint8]:
    """Return a picture, uint8 `(HEIGHT, WIDTH, 3)`. Equal moments give equal pictures.

    Args:
        question: that was asked.
        episode: of it.
        moment: of the episode.
        duration: seconds of the axis.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    asked = wrap(question.question[:2000], _ASKED, _RIGHT - _LEFT, 2)
    _write(draw, (_LEFT, _QUESTION), asked, _ASKED, INK)
    draw.line((_LEFT, _HEADING - 8, _RIGHT, _HEADING - 8), fill=RULE)
    if moment.last:
        _draw_verdict(draw, episode, moment)
    else:
        heading = fit(moment.heading, _HEADED, _RIGHT - _LEFT)
        draw.text((_LEFT, _HEADING), heading, INK, font(_HEADED))
        _write(draw, (_LEFT, _TEXTS), _lines(moment), _TEXT, SOFT)
        _draw_frames(image, draw, moment)
    draw.line((_LEFT, _BOTTOM, _RIGHT, _BOTTOM), fill=RULE)
    draw_axis(draw, _BOTTOM + 4, question, moment, duration)
    return np.array(image)


def _lines(moment: Moment) -> list[str]:
    """Return the texts of a turn in as many lines as there is room for, each in one at least."""
    texts, width = moment.texts[:_SHOWN_TEXTS], _RIGHT - _LEFT
    spare = _SHOWN_TEXTS - len(texts)
    lines: list[str] = []
    for text in texts:
        wrapped = wrap(text, _TEXT, width, 1 + spare)
        spare -= max(0, len(wrapped) - 1)
        lines += wrapped
    return lines


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], lines: list[str], size: int, colour: str
) -> None:
    """Write lines one below the other.

    Args:
        draw: is drawn on.
        at: `(x, y)` of the first.
        lines: of text that was fitted.
        size: of the font.
        colour: of the text.
    """
    for number, line in enumerate(lines):
        draw.text((at[0], at[1] + line_height(size) * number), line, colour, font(size))


def _draw_verdict(draw: ImageDraw.ImageDraw, episode: EpisodeView, moment: Moment) -> None:
    colour = _VERDICTS[episode.verdict]
    draw.rectangle((_LEFT, _HEADING + 24, _LEFT + 8, _HEADING + 84), fill=colour)
    draw.text((_LEFT + 28, _HEADING + 30), moment.heading, colour, font(_LARGE))
    y = _HEADING + 104
    for text in moment.texts:
        lines = wrap(text, _ASKED, _RIGHT - _LEFT - 28, 2)
        _write(draw, (_LEFT + 28, y), lines, _ASKED, INK)
        y += line_height(_ASKED) * len(lines) + 8


def _draw_frames(image: Image.Image, draw: ImageDraw.ImageDraw, moment: Moment) -> None:
    """Draw what a turn was shown, and beside a crop the whole frame with its box."""
    left, room = _LEFT, _RIGHT - _LEFT
    if moment.source is not None and moment.box is not None:
        _draw_source(image, draw, moment)
        left, room = _LEFT + _FINDER + 20, room - _FINDER - 20
    there = [frame for frame in moment.frames if frame.picture is not None]
    top = _PANEL
    if moment.missing:
        draw.text((left, top), fit(moment.missing, _TEXT, room), CURSOR, font(_TEXT))
        top += line_height(_TEXT) + 4
    if not there:
        return
    first = there[0].picture
    assert first is not None
    widest = max(width_of(_caption(frame), _SMALL) for frame in there)
    grid = best_grid(len(there), first.shape[:2], (_BOTTOM - 6 - top, room), widest + 12)
    for place, chosen in enumerate(grid.chosen):
        row, column = divmod(place, grid.columns)
        corner = left + column * grid.cell[1], top + row * grid.cell[0]
        _draw_frame(image, draw, there[chosen], corner, grid.size)


def _caption(frame: ShownFrame) -> str:
    return time_of(frame.second, 2)


def _draw_frame(
    image: Image.Image,
    draw: ImageDraw.ImageDraw,
    frame: ShownFrame,
    corner: tuple[int, int],
    size: tuple[int, int],
) -> None:
    """Draw one frame with its time; inside the evidence with a frame and a diamond.

    Args:
        image: is drawn on.
        draw: the same.
        frame: has a picture.
        corner: `(x, y)`.
        size: most `(H, W)` of the picture.
    """
    assert frame.picture is not None
    small = thumbnail(frame.picture, size)
    x, y = corner
    image.paste(Image.fromarray(small), (x, y))
    height, width = small.shape[:2]
    colour = GOOD if frame.hit else SOFT
    middle = y + height + CAPTION // 2
    if frame.hit:
        draw.rectangle((x, y, x + width - 1, y + height - 1), outline=GOOD, width=2)
        draw.polygon(((x + 4, middle - 4), (x + 8, middle), (x + 4, middle + 4), (x, middle)), GOOD)
    at = x + (12 if frame.hit else 0), middle
    draw.text(at, _caption(frame), colour, font(_SMALL), anchor="lm")


def _draw_source(image: Image.Image, draw: ImageDraw.ImageDraw, moment: Moment) -> None:
    """Draw the whole frame behind a crop, with the box on it."""
    assert moment.source is not None and moment.box is not None
    height, width = fitted(
        moment.source.shape[0], moment.source.shape[1], (_BOTTOM - _PANEL - 30, _FINDER)
    )
    small = thumbnail(moment.source, (height, width))
    image.paste(Image.fromarray(small), (_LEFT, _PANEL))
    height, width = small.shape[:2]
    x0, y0, x1, y1 = moment.box
    edges = (
        _LEFT + round(x0 * width),
        _PANEL + round(y0 * height),
        _LEFT + max(round(x1 * width), round(x0 * width) + 2) - 1,
        _PANEL + max(round(y1 * height), round(y0 * height) + 2) - 1,
    )
    draw.rectangle(edges, outline=PAPER, width=4)
    draw.rectangle(edges, outline=ZOOM, width=2)
    draw.text((_LEFT, _PANEL + height + 4), "whole frame, with the box", SOFT, font(_SMALL))
