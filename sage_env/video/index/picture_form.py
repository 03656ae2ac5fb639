"""The form of a picture: turns, mirror and pixel shape that lead from coded pixels to the screen.

Who says so, the first that does:

| | orientation | shape of a pixel |
|---|---|---|
| 1 | the stream at the keyframe before: SEI message 47 (H.264, Annex D) | the container |
| 2 | the stream at the first frame | the stream at the keyframe before |
| 3 | the container: `tkhd` times `mvhd` (ISO/IEC 14496-12, 6.2.2), `Projection` | square |

That is FFmpeg's order, but for two things. FFmpeg takes an SEI message for the picture that carries
it alone, where H.264 lets it hold on: here it holds up to the next keyframe, and that of the first
frame wherever nothing else is said, so that a frame looks the same from wherever it is decoded. And
a container that says the same shape as the stream at first does not hold the stream to it later.

What is not done: angles between the quarter turns go to the nearest, a matrix that flattens the
picture to a line is none, and areas that a container cuts off (`clap`, `PixelCrop*`) are shown.
What the stream itself cuts off (H.264, 7.4.2.1.1: frame cropping) the decoder leaves out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Self, cast

import av
import numpy as np
from numpy.typing import NDArray

from sage_env.video.index.stream import MAX_PIXELS

MAX_ASPECT = 16
"""Pixels that are said to be more than this many times as wide as high, or as high as wide, count
as square. Ratios in use lie between 1:2 and 3:1; a damaged header may say 1:1000. Not measured."""

_SQUARE = Fraction(1)


class PictureForm(NamedTuple):
    """The way from a decoded picture to the one that is shown: stretched, mirrored, then turned.

    Attributes:
        turns: counter-clockwise turns by 90 degrees, 0 to 3.
        mirrored: whether left and right are exchanged, before the turns.
        aspect: width of a coded pixel over its height.
        aspect_fixed: whether the container overrules the stream on that.
    """

    turns: int = 0
    mirrored: bool = False
    aspect: Fraction = _SQUARE
    aspect_fixed: bool = False

    @classmethod
    def of_first(cls, frame: av.VideoFrame, named: Fraction | None, own: Fraction | None) -> Self:
        """Return the form of a video's first frame.

        Args:
            frame: as it came out of the decoder.
            named: width of a pixel over its height where the container overrules the stream.
            own: the same as the stream says there.
        """
        form = cls(aspect=sane_aspect(named or own), aspect_fixed=named is not None)
        return form.turned_as(frame)

    @classmethod
    def unpacked(cls, values: Sequence[int]) -> Self:
        """Return the form that `packed` took apart.

        Raises:
            ValueError: if these are not its numbers.
        """
        turns, mirrored, fixed, width, height = values
        if height < 1:
            raise ValueError(f"expected the height of a pixel to be 1 or more, got {height}")
        return cls(turns % 4, bool(mirrored), sane_aspect(Fraction(width, height)), bool(fixed))

    def packed(self) -> list[int]:
        """Return the form as numbers, for `index_cache`."""
        aspect = self.aspect
        return [self.turns, self.mirrored, self.aspect_fixed, aspect.numerator, aspect.denominator]

    @property
    def as_coded(self) -> bool:
        """Return whether the picture is neither mirrored nor turned."""
        return not (self.turns or self.mirrored)

    def stretched(self, height: int, width: int) -> tuple[int, int]:
        """Return `(H, W)` of a picture whose pixels were made square, before it is turned.

        The axis along which pixels are longer grows, so that none is lost; both shrink to
        `MAX_PIXELS` if there would be more.

        Args:
            height: of the picture as coded.
            width: of the picture as coded.
        """
        if self.aspect > 1:
            width = round(width * self.aspect)
        elif self.aspect < 1:
            height = round(height / self.aspect)
        if height * width > MAX_PIXELS:
            scale = math.sqrt(MAX_PIXELS / (height * width))
            height, width = max(1, int(height * scale)), max(1, int(width * scale))
        return height, width

    def shown(self, height: int, width: int) -> tuple[int, int]:
        """Return `(H, W)` of the picture on the screen, in square pixels.

        Args:
            height: of the picture as coded.
            width: of the picture as coded.
        """
        height, width = self.stretched(height, width)
        return (width, height) if self.turns % 2 else (height, width)

    def oriented(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a picture, uint8 `(H, W, 3)`, mirrored and turned; a view of the same pixels."""
        return np.rot90(pixels[:, ::-1] if self.mirrored else pixels, self.turns)

    def at_key(self, frame: av.VideoFrame, own: Fraction | None) -> Self:
        """Return the form of a keyframe, and of the frames after it up to the next keyframe.

        The form itself is that of the video's first frame.

        Args:
            frame: the keyframe, as it came out of the decoder.
            own: width of a pixel over its height as the stream says there.
        """
        aspect = self.aspect if self.aspect_fixed else sane_aspect(own)
        return self._replace(aspect=aspect).turned_as(frame)

    def turned_as(self, frame: av.VideoFrame) -> Self:
        """Return the form with the orientation that a frame carries; itself if it carries none."""
        matrix = cast(Any, frame.side_data).get("DISPLAYMATRIX")  # PyAV's stubs name only one kind
        if matrix is None:
            return self
        turns, mirrored = orientation_of(np.frombuffer(matrix, dtype=np.int32))
        return self._replace(turns=turns, mirrored=mirrored)


def orientation_of(matrix: NDArray[np.int32]) -> tuple[int, bool]:
    """Return the nearest counter-clockwise quarter turns, and whether to mirror before them.

    The matrix (ISO/IEC 14496-12, 6.2.2) takes a point of the coded picture, x to the right and y
    down, to `(a x + c y, b x + d y)`. Its determinant is negative where it mirrors; without that,
    the first row `(a, b)` says where the picture's x axis points on the screen. As FFmpeg does,
    both axes of the screen are scaled to equal length first.

    Args:
        matrix: int32 `(9,)`: `a b u c d v x y w`, 16.16 fixed point.

    Returns:
        `(0, False)` for a matrix that cannot be undone.
    """
    a, b, c, d = (float(matrix[place]) for place in (0, 1, 3, 4))
    determinant = a * d - b * c
    if not determinant:
        return 0, False
    mirrored = determinant < 0
    across, down = a / math.hypot(a, c), b / math.hypot(b, d)
    if mirrored:
        across, down = -across, -down
    return round(-math.atan2(down, across) / (math.pi / 2)) % 4, mirrored


def sane_aspect(said: Fraction | None) -> Fraction:
    """Return a pixel's width over its height; 1 where nothing, or nothing sensible, was said."""
    if said is None or not Fraction(1, MAX_ASPECT) <= said <= MAX_ASPECT:
        return _SQUARE
    return said
