"""One picture of an episode: the question, what was just seen, the budget, and the time axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sage_env.actions.action import Answer
from sage_env.history import History
from sage_env.rendering.axis import FIRST_X, LAST_X, axis_height, draw_axis
from sage_env.rendering.colours import (
    BAD,
    CURRENT,
    CURSOR,
    GOOD,
    INK,
    LOOK,
    PAPER,
    RULE,
    SOFT,
    ZOOM,
)
from sage_env.rendering.lettering import (
    TextBlock,
    fit,
    font,
    line_height,
    question_block,
    width_of,
    wrap,
)
from sage_env.rendering.panel import Area, draw_panel
from sage_env.rendering.thumbnails import Thumbnail, ThumbnailGrid, thumbnail
from sage_env.timeline import clock

HEIGHT, WIDTH = 720, 960
"""Pixels of every picture; even, as video encoders ask for."""
STRIP_HEIGHT = 40
"""Pixels of the frames along the time axis."""
_LEFT, _RIGHT = 12, WIDTH - 12
_QUESTION = 40  # first line of pixels
_COMFORTABLE, _LONGEST, _LEGIBLE = 112, 248, 13
_MESSAGE, _GAP, _BOTTOM = 38, 8, 8
_TEXT, _LARGE = 13, 16
_VERDICTS = {True: ("right", GOOD), False: ("wrong", BAD), None: ("not judged", SOFT)}


@dataclass(frozen=True)
class SheetContents:
    """All that is drawn of one moment of an episode.

    Attributes:
        history: the episode so far.
        duration: seconds of the video.
        cursor: seconds.
        message: why the last request failed or was cut; else empty.
        reply: a tool's text; else empty.
        grid: how the frames of the newest turn are laid out; `None` where it showed none.
        thumbnails: those of `grid.chosen`.
        strip: a frame per slot of the axis, `None` where there is none.
        finder: a whole picture to draw the newest turn's box on, `None` where there is none.
        native_size: `(H, W)` of the video's own pictures.
        gold: whether to draw the evidence and, at the end, the gold answer.
    """

    history: History
    duration: float
    cursor: float
    message: str
    reply: str
    grid: ThumbnailGrid | None
    thumbnails: tuple[Thumbnail, ...]
    strip: tuple[Thumbnail | None, ...]
    finder: Thumbnail | None
    native_size: tuple[int, int]
    gold: bool


def num_slots(frame_size: tuple[int, int]) -> int:
    """Return how many frames of `(H, W)` stand side by side along the axis."""
    width = min(max(round(STRIP_HEIGHT * frame_size[1] / frame_size[0]), 24), 80)
    return (LAST_X - FIRST_X + 1) // (width + 2)


def axis_top(max_turns: int) -> int:
    """Return the first line of pixels of the time axis."""
    return HEIGHT - _BOTTOM - axis_height(max_turns)


def panel_area(history: History) -> Area:
    """Return where the newest turn is drawn; the same throughout an episode."""
    top = _QUESTION + _asked(history).height + 2 * _GAP
    strip = axis_top(history.max_turns) - STRIP_HEIGHT
    return _LEFT, top, _RIGHT, strip - _MESSAGE - 2 * _GAP


def draw_sheet(contents: SheetContents) -> NDArray[np.uint8]:
    """Return the picture, uint8 `(HEIGHT, WIDTH, 3)`. Equal contents give equal pictures."""
    history = contents.history
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    _draw_budget(draw, contents)
    block = _asked(history)
    for x, y, line in block.lines:
        draw.text((_LEFT + x, _QUESTION + y), line, INK, font(block.size))
    area = panel_area(history)
    draw.line((_LEFT, area[1] - _GAP, _RIGHT, area[1] - _GAP), fill=RULE)
    finder = contents.finder, contents.native_size
    draw_panel(image, area, history, contents.thumbnails, contents.grid, finder, contents.reply)
    _draw_message(draw, contents, area[3] + _GAP)
    top = axis_top(history.max_turns)
    _draw_strip(image, contents.strip, top - STRIP_HEIGHT)
    evidence = history.item.evidence if contents.gold else ()
    draw_axis(image, top, history, contents.duration, contents.cursor, evidence)
    return np.array(image)


def _asked(history: History) -> TextBlock:
    """Lay the question out; one that would be too small gets more room."""
    item, width = history.item, _RIGHT - _LEFT
    block = question_block(item.question, item.choices, width, _COMFORTABLE)
    if block.size >= _LEGIBLE:
        return block
    return question_block(item.question, item.choices, width, _LONGEST)


def _draw_budget(draw: ImageDraw.ImageDraw, contents: SheetContents) -> None:
    history, x = contents.history, _LEFT
    for name, spent, most in (
        ("turns", history.spent.turns, history.max_turns),
        ("frames", history.spent.frames_shown, history.max_frames),
    ):
        draw.text((x, 20), name, SOFT, font(_TEXT), anchor="lm")
        x += width_of(name, _TEXT) + 8
        draw.rectangle((x, 13, x + 160, 27), fill=CURRENT, outline=RULE)
        if spent:
            draw.rectangle((x, 13, x + round(160 * min(spent / most, 1.0)), 27), fill=LOOK)
        text = f"{spent} of {most}"
        draw.text((x + 170, 20), text, INK, font(_TEXT), anchor="lm")
        x += 170 + width_of(text, _TEXT) + 32
    text = f"cursor {clock(contents.cursor)} of {clock(contents.duration)}"
    draw.text((_RIGHT, 20), text, CURSOR, font(_TEXT), anchor="rm")


def _draw_message(draw: ImageDraw.ImageDraw, contents: SheetContents, top: int) -> None:
    """Draw how the episode ended, else what the agent was told beside its frames."""
    history, width = contents.history, _RIGHT - _LEFT - 16
    if not history.ended:
        told = f"{contents.message} {contents.reply}" if contents.grid else contents.message
        for number, line in enumerate(wrap(told, _TEXT, width, 2)):
            draw.text((_LEFT, top + line_height(_TEXT) * number), line, CURSOR, font(_TEXT))
        return
    words, colour = _VERDICTS[history.verdict]
    action = history.actions[-1]
    draw.rectangle((_LEFT, top, _RIGHT, top + _MESSAGE - 1), fill=CURRENT)
    draw.rectangle((_LEFT, top, _LEFT + 5, top + _MESSAGE - 1), fill=colour)
    x = _LEFT + 16
    draw.text((x, top + 3), words, colour, font(_LARGE))
    told = f"answer “{action.text}”" if isinstance(action, Answer) else "out of turns, no answer"
    start = x + width_of(words, _LARGE) + 16
    draw.text((start, top + 5), fit(told, _TEXT, _RIGHT - 8 - start), INK, font(_TEXT))
    below = f"gold answer “{history.item.answer}”" if contents.gold else contents.message
    draw.text((x, top + 22), fit(below, 12, width), SOFT, font(12))


def _draw_strip(image: Image.Image, strip: tuple[Thumbnail | None, ...], top: int) -> None:
    """Draw the frames along the axis, each in the middle of its slot."""
    draw = ImageDraw.Draw(image)
    draw.text((_LEFT, top + STRIP_HEIGHT // 2), "seen so far", SOFT, font(11), anchor="lm")
    length = LAST_X - FIRST_X + 1
    for index, held in enumerate(strip):
        left = FIRST_X + index * length // len(strip)
        right = FIRST_X + (index + 1) * length // len(strip) - 2
        if held is None:
            draw.rectangle((left, top, right, top + STRIP_HEIGHT - 1), fill=CURRENT)
            continue
        small = thumbnail(held.pixels, (STRIP_HEIGHT, right - left + 1))
        x = left + (right - left + 1 - small.shape[1]) // 2
        y = top + (STRIP_HEIGHT - small.shape[0]) // 2
        image.paste(Image.fromarray(small), (x, y))
        if held.box is not None:
            edge = (x, y, x + small.shape[1] - 1, y + small.shape[0] - 1)
            draw.rectangle(edge, outline=ZOOM)
