"""Many small pictures in one: cells of one size, row by row, as a WebP file."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from algos.viewer.pictures.seen_frames import Picture
from sage_env.picture_geometry import centred, fitted

LONGEST_SIDE = 16_383
"""Pixels of a WebP picture on each side at most (RFC 9649, 14 bits)."""
_PAGE_WIDTH = 1200
"""Pixels of a row of cells where there is a choice: the sheet is also shown as it is."""


def cell_of(shapes: Sequence[tuple[int, int]], side: int) -> tuple[int, int]:
    """Return `(width, height)` of the cells of a sheet: the shape of its largest picture.

    Args:
        shapes: `(h, w)` of the pictures, whole frames before others.
        side: most pixels of the longer side; a picture that is smaller keeps its size.
    """
    height, width = max(shapes, key=lambda shape: shape[0] * shape[1])
    if max(height, width) <= side:
        return width, height
    high, wide = fitted(height, width, (side, side))
    return _even(wide), _even(high)


def cells_across(cell: tuple[int, int], count: int) -> int:
    """Return how many cells stand in a row, so that the sheet is within what WebP allows.

    Args:
        cell: `(width, height)`, pixels.
        count: of cells.

    Raises:
        ValueError: if there are too many for one sheet.
    """
    widest, highest = LONGEST_SIDE // cell[0], LONGEST_SIDE // cell[1]
    if not 0 < count <= widest * highest:
        raise ValueError(f"a sheet has 1 to {widest * highest} cells of {cell}, got {count}")
    needed = math.ceil(count / highest)
    return min(count, max(needed, min(widest, _PAGE_WIDTH // cell[0]), 1))


def shrunk(picture: Picture, side: int) -> Picture:
    """Return a picture whose longer side is at most `side` pixels, its own copy."""
    height, width = picture.shape[:2]
    if max(height, width) <= side:
        return picture.copy()
    high, wide = fitted(height, width, (side, side))
    return _resized(picture, _even(wide), _even(high))


def compose(pictures: Sequence[Picture], cell: tuple[int, int], across: int) -> NDArray[np.uint8]:
    """Return the sheet: uint8 `(H, W, 3)`, or `(H, W, 4)` where a picture does not fill its cell.

    A picture fills its cell if it has its shape but for a pixel; another is as large as fits, in
    the middle, and what is left of the cell is clear.

    Args:
        pictures: uint8 `(h, w, 3)`, in the order of the cells.
        cell: `(width, height)`, pixels.
        across: cells in a row.
    """
    width, height = cell
    sheet = np.zeros((math.ceil(len(pictures) / across) * height, across * width, 4), np.uint8)
    filled = True
    for number, picture in enumerate(pictures):
        row, column = divmod(number, across)
        high, wide = fitted(picture.shape[0], picture.shape[1], (height, width))
        if abs(high - height) <= 1 and abs(wide - width) <= 1:
            high, wide = height, width
        filled = filled and (high, wide) == (height, width)
        top, bottom, left, right = centred(high, wide, (height, width))
        place = sheet[row * height :, column * width :][top:bottom, left:right]
        place[..., :3] = _resized(picture, wide, high)
        place[..., 3] = 255
    return np.ascontiguousarray(sheet[..., :3]) if filled else sheet


def _resized(picture: Picture, width: int, height: int) -> Picture:
    """Return a picture at another size; one of that size as it is."""
    if picture.shape[:2] == (height, width):
        return picture
    image = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _even(length: int) -> int:
    """Return a length that two cells side by side share no sample of colour with: at least 2."""
    return max(2, length - length % 2)


def encode(sheet: NDArray[np.uint8], quality: int) -> bytes:
    """Return a sheet, uint8 `(H, W, 3)` or `(H, W, 4)`, as a WebP file.

    Args:
        sheet: the picture.
        quality: of the codec, 0 to 100; above 100 stands for lossless.
    """
    file = io.BytesIO()
    lossless = quality > 100
    Image.fromarray(sheet).save(
        file, "WEBP", quality=min(quality, 100), method=4, lossless=lossless, exact=lossless
    )
    return file.getvalue()
