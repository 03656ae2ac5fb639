"""The frame code: a number drawn into every frame of a clip, and read back from its picture.

The lowest eighth of the picture holds two rows of twelve blocks, black for 0 and white for 1.
Twenty bits are the number in Gray code, so that few blocks change from frame to frame; four check
bits are the exclusive or of its five groups of four. Blocks are large enough to survive
compression, colour conversion and shrinking.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 2, 12
BITS = 20
SHARE = 8  # the blocks take one eighth of the height
BLACK, WHITE = 16, 235  # luma, limited range
_DOUBT = (90, 165)  # RGB levels between these are neither black nor white: the frame was damaged


def draw_code(luma: NDArray[np.uint8], number: int) -> None:
    """Draw a number into a frame, in place.

    Args:
        luma: uint8 `(H, W)`, the luma plane.
        number: in `[0, 2**20)`.

    Raises:
        ValueError: if the number does not fit.
    """
    if not 0 <= number < 2**BITS:
        raise ValueError(f"number must be in [0, {2**BITS}), got {number}")
    height, width = luma.shape
    grey = number ^ number >> 1
    value = grey << 4 | _check(grey)
    bits = [(value >> place) & 1 for place in reversed(range(ROWS * COLUMNS))]
    blocks = np.where(np.array(bits).reshape(ROWS, COLUMNS), WHITE, BLACK).astype(np.uint8)
    strip = luma[height - height // SHARE :]
    rows = np.arange(len(strip)) * ROWS // len(strip)
    columns = np.arange(width) * COLUMNS // width
    strip[:] = blocks[rows][:, columns]


def read_code(picture: NDArray[np.uint8]) -> int | None:
    """Return the number drawn in a picture; `None` if it cannot be trusted.

    It cannot if a block is grey or the check bits do not fit: the frame was damaged, or is blank.

    Args:
        picture: RGB uint8 `(H, W, 3)`, of any size.
    """
    height, width = picture.shape[:2]
    tall = height / SHARE
    rows = (height - tall + (np.arange(ROWS) + 0.5) * tall / ROWS).astype(int)
    columns = ((np.arange(COLUMNS) + 0.5) * width / COLUMNS).astype(int)
    around = np.arange(-1, 2)
    patches = picture[(rows[:, None] + around).ravel()][:, (columns[:, None] + around).ravel()]
    levels = patches.mean(axis=2).reshape(ROWS, 3, COLUMNS, 3).mean(axis=(1, 3)).ravel()
    if ((levels > _DOUBT[0]) & (levels < _DOUBT[1])).any():
        return None
    value = int("".join("1" if level > 127 else "0" for level in levels), 2)
    grey = value >> 4
    if value & 15 != _check(grey):
        return None
    number = 0
    while grey:
        number ^= grey
        grey >>= 1
    return number


def _check(bits: int) -> int:
    """Return four check bits; misreading any single block changes them."""
    check = 0
    while bits:
        check ^= bits & 15
        bits >>= 4
    return check
