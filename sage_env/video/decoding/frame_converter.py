"""From a decoded frame to an RGB picture: upright, cropped, fitted into a size with black bars."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from sage_env.frames import Box
from sage_env.picture_geometry import crop_bounds, fitted, letterbox

_SMALL = 160  # pixels of the shorter side; below it pictures keep colour for every pixel
_HALVED = {"yuv420p", "yuvj420p"}  # formats with half of the columns and rows of colour


class FrameConverter:
    """Makes pictures of one video's frames. Used by one thread at a time.

    Frames are shrunk first and turned into RGB then, which takes less than half of the time, unless
    they become so small that half of their columns and rows of colour would not do. Sample aspect
    ratios are ignored: a pixel counts as square.
    """

    def __init__(self, height: int, width: int, quarter_turns: int) -> None:
        """Take the coded size of the frames and the counter-clockwise turns that right them."""
        self._height = height
        self._width = width
        self._turns = quarter_turns
        # One per step: a scaler that changes sizes sets itself up anew each time.
        self._to_rgb = VideoReformatter()
        self._to_size = VideoReformatter()
        self._shrink = VideoReformatter()

    def convert(
        self, frame: av.VideoFrame, size: tuple[int, int] | None, box: Box | None
    ) -> NDArray[np.uint8]:
        """Return the picture, uint8 `(H, W, 3)`: native pixels without `size`, whole without `box`.

        Raises:
            ValueError: if the box is not one.
        """
        if size is None or box is not None or self._turns:
            native = self._native(frame)
            if box is not None:
                top, bottom, left, right = crop_bounds(box, *native.shape[:2])
                native = native[top:bottom, left:right]
            if size is None or native.shape[:2] == size:
                return np.ascontiguousarray(native)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(native), format="rgb24")
        height, width = fitted(frame.height, frame.width, size)
        shrinks = height < frame.height
        if shrinks and min(height, width) >= _SMALL and frame.format.name in _HALVED:
            frame = self._shrink.reformat(frame, width, height, interpolation="AREA", threads=1)
        fitting = self._to_size.reformat(
            frame,
            width,
            height,
            "rgb24",
            interpolation="AREA" if shrinks else "BICUBIC",
            threads=1,
        )
        return letterbox(_pixels_of(fitting), size)

    def _native(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Return all pixels, upright; a stream that changes size is held to its first size."""
        rgb = self._to_rgb.reformat(frame, self._width, self._height, "rgb24", threads=1)
        return np.rot90(_pixels_of(rgb), self._turns)


def _pixels_of(rgb: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the pixels of an RGB frame, uint8 `(H, W, 3)`."""
    return rgb.to_ndarray().astype(np.uint8, copy=False)
