"""The pixels of a box, the size that keeps a picture's aspect, and the black bars around it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sage_env.frames import Box


def crop_bounds(box: Box, height: int, width: int) -> tuple[int, int, int, int]:
    """Return the pixels `(top, bottom, left, right)` of a box, half-open, at least one pixel.

    Edges are rounded to the nearest pixel edge.

    Args:
        box: `(x0, y0, x1, y1)` in fractions of the picture, from the top left.
        height: of the picture, pixels.
        width: of the picture, pixels.

    Raises:
        ValueError: unless `0 <= x0 < x1 <= 1` and `0 <= y0 < y1 <= 1`.
    """
    x0, y0, x1, y1 = box
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise ValueError(f"box must be 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1, got {box}")
    left, right = _edges(x0, x1, width)
    top, bottom = _edges(y0, y1, height)
    return top, bottom, left, right


def box_size(box: Box | None, height: int, width: int) -> tuple[int, int]:
    """Return `(H, W)` of a box in pixels, of the whole picture if it is `None`.

    Args:
        box: `(x0, y0, x1, y1)` in fractions of the picture, from the top left.
        height: of the picture, pixels.
        width: of the picture, pixels.

    Raises:
        ValueError: as `crop_bounds` does.
    """
    if box is None:
        return height, width
    top, bottom, left, right = crop_bounds(box, height, width)
    return bottom - top, right - left


def _edges(low: float, high: float, length: int) -> tuple[int, int]:
    """Return the pixels of one axis between two fractions, half-open, at least one."""
    first = min(math.floor(low * length + 0.5), length - 1)
    return first, max(math.floor(high * length + 0.5), first + 1)


def fitted(height: int, width: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return the largest `(H, W)` of the picture's aspect inside `size`, at least one pixel.

    Args:
        height: of the picture, pixels.
        width: of the picture, pixels.
        size: `(H, W)` to stay inside of.
    """
    scale = min(size[0] / height, size[1] / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def centred(height: int, width: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the pixels `(top, bottom, left, right)` of a picture in the middle, half-open.

    A bar that is an odd pixel wider lies below or on the right.

    Args:
        height: of the picture, pixels.
        width: of the picture, pixels.
        size: `(H, W)` of what it lies in.
    """
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return top, top + height, left, left + width


def letterbox(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Centre a picture, uint8 `(h, w, 3)`, on black, uint8 `(H, W, 3)`, as `centred` says.

    A picture of that size is returned as it is, not copied.
    """
    height, width = picture.shape[:2]
    if (height, width) == size:
        return picture
    framed = np.zeros((*size, 3), dtype=np.uint8)
    top, bottom, left, right = centred(height, width, size)
    framed[top:bottom, left:right] = picture
    return framed
