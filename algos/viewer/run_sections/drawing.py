"""What the pictures of the run view share: axes of a logarithm, frames, and tables with links."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from math import ceil, floor, log2

Scale = Callable[[float], float]
Cell = str
"""HTML of a cell, escaped already."""


def scale(low: float, high: float, first: float, last: float) -> Scale:
    """Return the straight line that takes `low` to `first` and `high` to `last`.

    Args:
        low: a value, in the unit of what is drawn.
        high: another one.
        first: place of `low` in the picture.
        last: place of `high` there.
    """
    slope = (last - first) / ((high - low) or 1.0)
    return lambda value: first + (value - low) * slope


def log_ticks(least: float, most: float, ticks: int = 8) -> list[float]:
    """Return round numbers in `[least, most]`, evenly spread by their logarithm.

    Args:
        least: the smallest value, above 0.
        most: the largest.
        ticks: how many are wanted at most, about.
    """
    powers = range(floor(log2(least)) - 1, ceil(log2(most)) + 1)
    for parts in ((1, 1.25, 1.5, 1.75), (1, 1.5), (1,)):  # of an octave
        values = [part * 2.0**power for power in powers for part in parts]
        inside = [one for one in values if least * (1 - 1e-9) <= one <= most * (1 + 1e-9)]
        if len(inside) <= ticks:
            break
    return inside[:: max(1, -(-len(inside) // ticks))]


def svg(label: str, width: int, height: int, content: str, classes: str = "chart") -> str:
    """Return a picture that says what it shows, and scales with the page.

    Args:
        label: for who cannot see it.
        width: of its view box.
        height: of it.
        content: SVG.
        classes: of the style.
    """
    return (
        f'<svg class="{classes}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">{content}</svg>'
    )


def label(x: float, y: float, text: str, anchor: str = "middle", classes: str = "") -> str:
    """Return a text in a picture.

    Args:
        x: where its anchor is.
        y: of its base line.
        text: not escaped yet.
        anchor: `start`, `middle` or `end`.
        classes: of the style.
    """
    style = f' class="{classes}"' if classes else ""
    return f'<text{style} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def linked_table(caption: str, header: Sequence[str], lines: Sequence[Sequence[Cell]]) -> str:
    """Return a table whose cells are HTML, such as links; its first column names the row.

    Args:
        caption: above it.
        header: texts.
        lines: one row each, a cell for every column.
    """
    lead, *others = (f">{escape(text)}</th>" for text in header)
    head = f'<th scope="col" class="left"{lead}' + "".join(
        f'<th scope="col"{text}' for text in others
    )
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in lines
    )
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        "</table></div>"
    )


def numbers(content: str, title: str = "Numbers") -> str:
    """Return the numbers of a picture, folded away below it."""
    return f'<details class="numbers"><summary>{escape(title)}</summary>{content}</details>'


def note(text: str) -> str:
    """Return a sentence about what is shown."""
    return f'<p class="note">{escape(text)}</p>'
