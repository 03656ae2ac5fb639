"""A number drawn into every frame of a clip, and read back from any picture of that frame.

The lowest eighth of the picture is two rows of twelve blocks, black 0 and white 1: twenty bits of
the number in Gray code, so that few blocks change from frame to frame, then four bits that are the
exclusive or of its five groups of four. Blocks are so large that they outlast compression, colour
conversion and shrinking.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 2, 12
BITS = 20
SHARE = 8  # the blocks take one part in so many of the height
BLACK, WHITE = 16, 235  # luma
_DOUBT = (90, 165)  # a block between these is neither black nor white


def draw_code(luma: NDArray[np.uint8], number: int) -> None:
    """Draw a number in `[0, 2**20)` into the luma plane `(H, W)` of a frame."""
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
    """Return the number in an RGB picture `(H, W, 3)` of any size; `None` if it cannot be trusted.

    That is where a block is grey or the check bits do not fit: the frame was damaged, or is blank.
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
    """Return the four check bits: any one block that is misread shows in them."""
    check = 0
    while bits:
        check ^= bits & 15
        bits >>= 4
    return check
