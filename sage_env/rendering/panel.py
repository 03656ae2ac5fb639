"""The middle of a rendered picture: what the newest turn did, and the frames that it showed."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from sage_env.actions.action import ACTION_NAMES, Answer
from sage_env.frames import Box
from sage_env.history import History
from sage_env.picture_geometry import fitted
from sage_env.rendering.colours import INK, PAPER, RULE, SOFT, ZOOM
from sage_env.rendering.lettering import fit, font, line_height, width_of, wrap
from sage_env.rendering.thumbnails import (
    CAPTION,
    KEPT,
    Thumbnail,
    ThumbnailGrid,
    best_grid,
    thumbnail,
)
from sage_env.timeline import clock

TITLE = 22
"""Pixels of the title, above the frames."""
_CAPTION, _TEXT = 10, 14
_FINDER = KEPT[1] + 16

Area = tuple[int, int, int, int]


def decimals(seconds: Sequence[float]) -> int:
    """Return the decimals, 1 to 3, that tell the times of a turn apart."""
    steps = [later - earlier for earlier, later in zip(seconds, seconds[1:], strict=False)]
    return next((n for n in (1, 2) if all(step >= 10**-n for step in steps)), 3)


def frame_grid(
    seconds: Sequence[float], frame_size: tuple[int, int], area: Area, box: Box | None
) -> ThumbnailGrid:
    """Return how the frames of a turn are laid out inside a panel.

    Args:
        seconds: times of the frames, at least one.
        frame_size: `(H, W)` of each.
        area: the panel, `(left, top, right, bottom)`.
        box: what the frames are cropped to; the whole picture is drawn beside them then.
    """
    places = decimals(seconds)
    caption = max(width_of(clock(second, places), _CAPTION) for second in seconds)
    left, top, right, bottom = area
    across = right - left - (_FINDER if box is not None else 0)
    return best_grid(len(seconds), frame_size, (bottom - top - TITLE, across), caption)


def draw_panel(
    image: Image.Image,
    area: Area,
    history: History,
    thumbnails: Sequence[Thumbnail],
    grid: ThumbnailGrid | None,
    finder: tuple[Thumbnail | None, tuple[int, int]],
    reply: str,
) -> None:
    """Draw the newest turn: a title, and its frames, or else the text that it was about.

    Args:
        image: is drawn on.
        area: `(left, top, right, bottom)`; nothing is drawn outside.
        history: the episode so far.
        thumbnails: the frames of `grid.chosen`.
        grid: see `frame_grid`; `None` where no frames were shown.
        finder: a whole picture to draw the box on, or `None`, and the `(H, W)` of the video's own
            pictures, which are centred in it.
        reply: a tool's text, or "".
    """
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = area
    title = fit(turn_title(history, grid), _TEXT, right - left)
    draw.text((left, top), title, INK, font(_TEXT))
    top += TITLE
    box = history.looks[-1].box
    if grid is None:
        _draw_text(draw, (left, top, right, bottom), history, reply)
        return
    if box is not None:
        _draw_finder(image, (left, top, left + _FINDER, bottom), box, *finder)
        left += _FINDER
    places = decimals(history.looks[-1].seconds)
    for index, thumb in enumerate(thumbnails):
        row, column = divmod(index, grid.columns)
        x, y = left + column * grid.cell[1], top + row * grid.cell[0]
        image.paste(Image.fromarray(thumb.pixels), (x, y))
        draw.text(
            (x, y + thumb.pixels.shape[0] + 1), clock(thumb.second, places), SOFT, font(_CAPTION)
        )


def turn_title(history: History, grid: ThumbnailGrid | None) -> str:
    """Return what the newest turn did, in words."""
    look, turn = history.looks[-1], len(history.actions)
    kind = ACTION_NAMES[type(history.actions[-1])] if turn else "overview"
    words = f"Turn {turn}: {kind}" if turn else "Overview"
    if look.span is not None:
        words += f" {clock(look.span[0])} to {clock(look.span[1])}"
    if look.box is not None:
        words += f", box {', '.join(f'{edge:.3g}' for edge in look.box)}"
    if grid is None:
        return words
    words += f": {grid.count} frame{'s' if grid.count > 1 else ''}"
    return words + (f", {grid.shown} of them drawn" if grid.shown < grid.count else "")


def _draw_text(draw: ImageDraw.ImageDraw, area: Area, history: History, reply: str) -> None:
    """Draw the answer or a tool's reply, or say that there is nothing to see."""
    left, top, right, bottom = area
    action = history.actions[-1] if history.actions else None
    text, colour = reply or "No frames were shown.", INK if reply else SOFT
    if isinstance(action, Answer):
        text, colour = action.text, INK
        if action.evidence:
            spans = ", ".join(f"{clock(start)} to {clock(end)}" for start, end in action.evidence)
            text += f"\nrelying on {spans}"
    step = line_height(_TEXT)
    for line in wrap(text, _TEXT, right - left, (bottom - top) // step):
        draw.text((left, top), line, colour, font(_TEXT))
        top += step


def _draw_finder(
    image: Image.Image, area: Area, box: Box, whole: Thumbnail | None, native_size: tuple[int, int]
) -> None:
    """Draw where a box is: on a whole picture that was seen before, else on an empty one."""
    left, top, right, bottom = area
    room = min(KEPT[0], bottom - top - CAPTION), KEPT[1]
    if whole is None:
        height, width = fitted(*native_size, room)
        draw_on, note = Image.new("RGB", (width, height), RULE), "the box in the picture"
    else:
        draw_on = Image.fromarray(thumbnail(whole.pixels, room))
        note = f"the box, on {clock(whole.second)}"
    width, height = draw_on.size
    inner = fitted(*native_size, (height, width))  # without the black bars
    x, y = (width - inner[1]) // 2, (height - inner[0]) // 2
    edges = (
        x + round(box[0] * (inner[1] - 1)),
        y + round(box[1] * (inner[0] - 1)),
        x + round(box[2] * (inner[1] - 1)),
        y + round(box[3] * (inner[0] - 1)),
    )
    for colour, grown in ((PAPER, 1), (ZOOM, 0)):  # seen on dark and on light pictures
        outline = edges[0] - grown, edges[1] - grown, edges[2] + grown, edges[3] + grown
        ImageDraw.Draw(draw_on).rectangle(outline, outline=colour, width=1 + 2 * grown)
    image.paste(draw_on, (left, top))
    note = fit(note, _CAPTION, right - left)
    ImageDraw.Draw(image).text((left, top + height + 1), note, SOFT, font(_CAPTION))
