"""The size of pictures under a budget of pixels: as large as it allows, in the video's own shape.

A frame of one shape for all videos spends pixels on black bars. A budget of pixels gives each video
a size of its own. Sizes are whole numbers of `MULTIPLE`, so that a vision model that cuts pictures
into squares of that side has no more of them than the budget has room for.
"""

from __future__ import annotations

import math
from typing import Any

from sage_env.argument_checks import picture_size, whole_number
from sage_env.picture_geometry import fitted

MULTIPLE = 32
"""Pixels on a side of a visual token of Qwen3-VL: 2 patches of 16 (arXiv 2511.21631)."""
_LONGEST = 1.5
"""The side of the square that bounds all sizes, in square roots of the budget of pixels. Pictures
of up to 9:4 use the whole budget then. A judgement: a larger square costs memory for every frame.
"""
_SQUARE = 2 * MULTIPLE
"""The side of that square is a multiple of it, so that larger visual tokens can cut it as well."""
_DEFAULT = (224, 224)


def frame_limits(
    size: Any, pixels: Any, suggested: tuple[int, int] | None
) -> tuple[tuple[int, int], int | None]:
    """Return the (H, W) of an environment's frames, and the most pixels of a picture in them.

    Args:
        size: the argument `frame_size`; `None` for what follows from the others.
        pixels: the argument `frame_pixels`; `None` for no limit but the size.
        suggested: the size that the dataset asks for; `None` for none.

    Raises:
        ValueError: if one of them is none, or the budget of pixels limits nothing or allows none.
    """
    if pixels is None:
        return picture_size(size or suggested or _DEFAULT), None
    most = whole_number("frame_pixels", pixels, MULTIPLE * MULTIPLE)
    if size is None:
        side = math.ceil(_LONGEST * math.sqrt(most) / _SQUARE) * _SQUARE
        return (side, side), most
    height, width = picture_size(size)
    if min(height, width) < MULTIPLE or height * width <= most:
        raise ValueError(
            f"frame_pixels={most} is for pictures that are smaller than frame_size, which must be "
            f"at least {MULTIPLE} pixels on each side, got frame_size={(height, width)} of "
            f"{height * width} pixels: leave one of the two out, or make frame_size larger"
        )
    return (height, width), most


def size_within(pixels: int, size: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """Return the `(H, W)` to letterbox a picture into, so that it is as large as can be.

    Both are multiples of `MULTIPLE`, and the smallest ones that hold the picture: 1080 by 1920
    under 50176 pixels (224 by 224) becomes 160 by 284, in 160 by 288.

    Args:
        pixels: most pixels of the result, at least `MULTIPLE * MULTIPLE`.
        size: `(H, W)` that bounds it, at least `MULTIPLE` each.
        height: of the picture, pixels.
        width: of the picture, pixels.
    """
    shapes = []
    for rows in range(MULTIPLE, size[0] // MULTIPLE * MULTIPLE + 1, MULTIPLE):
        columns = min(size[1], pixels // rows) // MULTIPLE * MULTIPLE
        if columns:
            shapes.append(fitted(height, width, (rows, columns)))
    tall, wide = max(shapes, key=lambda shape: shape[0] * shape[1])
    return _whole(tall), _whole(wide)


def _whole(length: int) -> int:
    """Return the smallest multiple of `MULTIPLE` that is not below a length."""
    return -(-length // MULTIPLE) * MULTIPLE
