"""What stands written in the pictures of a stretch, and from when to when.

Few frames are read: one of each look, and no more than `MOST_READ`. How long a line stands is then
seen in the glances: its box is compared with that of the frame where it was read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from sage_env.frames import Box, Video
from sage_env.picture_geometry import crop_bounds, fitted
from sage_env.tools.grounding.glances import Glances, find_looks
from sage_env.tools.grounding.passages import Passage
from sage_env.tools.grounding.text_reading import TextReader

MOST_READ = 120
"""Most frames of a stretch that are read: at a quarter of a second each, half a minute."""
LEAST_GAP = 2.0
"""Seconds of a stretch for each frame that is read: text that stands for less may be missed."""
_LARGEST = (1_280, 1_280)  # pixels that hold a frame that is read
_SAME_LOOK = 0.5  # least correlation of a line's edges with those where it was read
_SAME_TEXT = 0.8  # least similarity of two readings of one line
_TOGETHER = 0.7  # least overlap of lines that stand on the screen at the same time
_LEAST_LETTERS = 2
SOURCE = "text on screen"


def read_screen(
    video: Video, glances: Glances, reader: TextReader, most: int = MOST_READ
) -> list[Passage]:
    """Return the texts of a stretch: each line, and lines that stand together as one text.

    Args:
        video: the open video.
        glances: of the stretch.
        reader: reads one frame.
        most: frames that are read at most.
    """
    lines: list[tuple[int, int, str, float]] = []  # range of glances, text, score
    for place in frames_to_read(glances, most):
        for seen in reader(_frame(video, float(glances.seconds[place]))):
            if sum(map(str.isalnum, seen.text)) >= _LEAST_LETTERS:
                first, last = _stays(glances.grey, place, seen.box)
                lines.append((first, last, seen.text, seen.score))
    merged = _merged(lines)
    passages = [
        Passage(glances.begin(first), glances.stop(last - 1), text, SOURCE)
        for first, last, text, _ in merged
    ]
    return passages + _blocks(passages)


def frames_to_read(glances: Glances, most: int) -> list[int]:
    """Return the glances whose frames are read: the middle of each look, evenly thinned out."""
    middles = [(first + last) // 2 for first, last in find_looks(glances)]
    most = min(most, math.ceil((glances.end - glances.start) / LEAST_GAP))
    if len(middles) <= most:
        return middles
    return [middles[round(i)] for i in np.linspace(0, len(middles) - 1, most)]


def _frame(video: Video, second: float) -> NDArray[np.uint8]:
    """Return the frame at a time, `(H, W, 3)`, no larger than is worth reading."""
    pixels: NDArray[np.uint8] = video.frames_at([second]).pixels[0]
    height, width = pixels.shape[:2]
    if max(height, width) > max(_LARGEST):
        size = fitted(height, width, _LARGEST)
        pixels = video.frames_at([second], size=size).pixels[0]
    return pixels


def _stays(grey: NDArray[np.uint8], place: int, box: Box) -> tuple[int, int]:
    """Return the range of glances around `place` in which the box has the same edges."""
    top, bottom, left, right = crop_bounds(box, *grey.shape[1:])
    wanted = _edges(grey[place, top:bottom, left:right])
    first, last = place, place + 1
    while first > 0 and _alike(wanted, grey[first - 1, top:bottom, left:right]):
        first -= 1
    while last < len(grey) and _alike(wanted, grey[last, top:bottom, left:right]):
        last += 1
    return first, last


def _alike(wanted: NDArray[np.float32], crop: NDArray[np.uint8]) -> bool:
    return float(wanted @ _edges(crop)) >= _SAME_LOOK


def _edges(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the steps from pixel to pixel along and across, as one vector of length 1 or 0."""
    grey = crop.astype(np.float32)
    steps = np.concatenate((np.diff(grey, axis=1).ravel(), np.diff(grey, axis=0).ravel()))
    return steps / max(float(np.sqrt(steps @ steps)), 1e-6)


def _merged(lines: Sequence[tuple[int, int, str, float]]) -> list[tuple[int, int, str, float]]:
    """Join readings of one line that touch in time; the surest reading is kept."""
    found: list[tuple[int, int, str, float]] = []
    for first, last, text, score in sorted(lines):
        for i, (begun, ended, other, sure) in enumerate(found):
            if first <= ended and _same_text(text, other):
                best = (text, score) if score > sure else (other, sure)
                found[i] = (begun, max(ended, last), *best)
                break
        else:
            found.append((first, last, text, score))
    return found


def _same_text(one: str, other: str) -> bool:
    a, b = one.casefold().replace(" ", ""), other.casefold().replace(" ", "")
    return a == b or SequenceMatcher(None, a, b, autojunk=False).ratio() >= _SAME_TEXT


def _blocks(lines: Sequence[Passage]) -> list[Passage]:
    """Return texts of several lines that come and go together."""
    blocks: list[list[Passage]] = []
    for line in lines:
        for block in blocks:
            if line.overlap(block[0]) >= _TOGETHER:
                block.append(line)
                break
        else:
            blocks.append([line])
    return [
        Passage(
            min(one.start for one in block),
            max(one.end for one in block),
            " ".join(one.text for one in block),
            SOURCE,
        )
        for block in blocks
        if len(block) > 1
    ]
