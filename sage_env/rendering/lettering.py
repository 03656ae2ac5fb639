"""Text on rendered pictures: what the built-in font can write, how wide it is, how it wraps.

Pillow's own font is used, so that a picture is the same on every machine. It has few letters beyond
ASCII: accents are left out, and what it cannot write at all becomes an empty box.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from PIL import ImageFont

from sage_env.datasets.choice_labels import label_choices

_REPLACED = str.maketrans(
    {
        "–": "-",
        "—": "-",
        "−": "-",
        "×": "x",
        "→": "->",
        "≤": "<=",
        "≥": ">=",
        "ß": "ss",
        "æ": "ae",
        "ø": "o",
        "ł": "l",
        "Ł": "L",
        "•": "·",
        "«": "“",
        "»": "”",
    }
)
_SIZES = (16, 15, 14, 13, 12, 11, 10)  # of the font, in pixels; the largest that fits is taken
_COLUMNS = (1, 2, 3, 4, 6)  # in which choices stand


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the built-in font at a size in pixels."""
    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise ImportError("this Pillow has no FreeType: pip install --force-reinstall pillow")
    return found


def line_height(size: int) -> int:
    """Return the pixels from one line to the next."""
    return size + 3


def writable(text: str) -> str:
    """Return `text` as the font can write it, on one line: no accents, controls or surrogates."""
    replaced = "".join(c if c.isprintable() else " " for c in text.translate(_REPLACED))
    return replaced if replaced.isascii() else "".join(map(_plain, replaced))


def width_of(text: str, size: int) -> int:
    """Return the pixels that a line takes at most; kerning only ever takes some away."""
    return sum(_advance(c, size) for c in text)


def fit(text: str, size: int, width: int) -> str:
    """Return `text` on one line of at most `width` pixels; what is cut off becomes an ellipsis."""
    text = writable(text[: width + 1])  # no letter is narrower than a pixel
    return text if width_of(text, size) <= width else _shortened(text, size, width)


def wrap(text: str, size: int, width: int, max_lines: int | None = None) -> list[str]:
    """Return `text` in lines of at most `width` pixels.

    Args:
        text: may have lines of its own.
        size: of the font, in pixels.
        width: of a line, in pixels; words that are longer are cut in pieces.
        max_lines: of the result, whose last line ends in an ellipsis if there is more; `None` for
            no limit.
    """
    lines = [line for part in text.splitlines() for line in _wrapped(writable(part), size, width)]
    if max_lines is None or len(lines) <= max_lines:
        return lines
    if max_lines < 1:
        return []
    return [*lines[: max_lines - 1], _shortened(lines[max_lines - 1], size, width)]


@dataclass(frozen=True)
class TextBlock:
    """Lines of one size, placed relative to the block's corner.

    Attributes:
        size: of the font, in pixels.
        lines: `(x, y, text)`, in pixels.
        height: of all lines, in pixels.
    """

    size: int
    lines: tuple[tuple[int, int, str], ...]
    height: int


@lru_cache(maxsize=64)
def question_block(question: str, choices: tuple[str, ...], width: int, height: int) -> TextBlock:
    """Lay a question and its lettered choices out, as large as fits into `width` x `height`.

    Choices stand in as few columns as fit. What does not fit at the smallest size is cut, and ends
    in an ellipsis.

    Args:
        question: its text.
        choices: in order; each gets a letter.
        width: of the block, in pixels.
        height: most pixels of the block.
    """
    named = [
        f"({choice.label or number}) {choice.text}"
        for number, choice in enumerate(label_choices(choices), start=1)
    ]
    columns = [number for number in _COLUMNS if number <= max(1, len(named))]
    for size in _SIZES:
        for number in columns:
            block = _laid_out(wrap(question, size, width), named, number, size, width)
            if block.height <= height:
                return block
    return _cut(question, named, width, height)


def _shortened(text: str, size: int, width: int) -> str:
    """Return as much of `text` as fits with an ellipsis after it."""
    room = width - _advance("…", size)
    for end, c in enumerate(text):
        room -= _advance(c, size)
        if room < 0:
            return text[:end].rstrip() + "…"
    return text + "…"


def _plain(c: str) -> str:
    """Return a letter without its accents where that leaves ASCII, else as it is."""
    if unicodedata.combining(c):
        return ""
    parts = unicodedata.normalize("NFKD", c)
    base = "".join(part for part in parts if not unicodedata.combining(part))
    return base if base.isascii() else c


def _laid_out(
    lines: Sequence[str],
    choices: Sequence[str],
    columns: int,
    size: int,
    width: int,
    choice_lines: int | None = None,
) -> TextBlock:
    """Place the lines of the question and, below, the choices row by row."""
    step, gap = line_height(size), 20
    placed = [(0, step * number, line) for number, line in enumerate(lines)]
    y, column = step * len(lines) + 4, (width + gap) // columns
    for first in range(0, len(choices), columns):
        row = [
            wrap(choice, size, column - gap, choice_lines)
            for choice in choices[first : first + columns]
        ]
        placed += [
            (column * place, y + step * number, line)
            for place, cell in enumerate(row)
            for number, line in enumerate(cell)
        ]
        y += step * max(len(cell) for cell in row)
    return TextBlock(size, tuple(placed), y)


def _cut(question: str, choices: Sequence[str], width: int, height: int) -> TextBlock:
    """Lay out what fits at the smallest size; at most half are choices, a line each."""
    size, columns = _SIZES[-1], 4
    total = (height - 4) // line_height(size)
    rows = min(-(-len(choices) // columns), max(1, total // 2)) if choices else 0
    kept = list(choices[: rows * columns])
    if len(kept) < len(choices):
        kept[-1] = f"… and {len(choices) - len(kept) + 1} more choices"
    lines = wrap(question, size, width, total - rows)
    return _laid_out(lines, kept, columns, size, width, choice_lines=1)


def _wrapped(line: str, size: int, width: int) -> list[str]:
    lines, current, used = [], "", 0
    space = _advance(" ", size)
    for word in line.split():
        for piece in _pieces(word, size, width):
            length = width_of(piece, size)
            if current and used + space + length <= width:
                current, used = f"{current} {piece}", used + space + length
            else:
                lines += [current] if current else []
                current, used = piece, length
    return [*lines, current] if current else lines


def _pieces(word: str, size: int, width: int) -> list[str]:
    """Cut a word that is longer than a line; a single letter is never cut."""
    pieces, used = [""], 0
    for c in word:
        used += _advance(c, size)
        if used > width and pieces[-1]:
            pieces.append("")
            used = _advance(c, size)
        pieces[-1] += c
    return pieces


@lru_cache(maxsize=65_536)
def _advance(c: str, size: int) -> int:
    return -int(-font(size).getlength(c) // 1)
