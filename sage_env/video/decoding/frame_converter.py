"""From a decoded frame to an RGB picture: square pixels, upright, cropped, fitted into a size."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from sage_env.frames import Box
from sage_env.picture_geometry import box_size, crop_bounds, fitted, letterbox
from sage_env.video.index.picture_form import PictureForm

_SMALL = 160
"""Pixels of the shorter side; pictures below it are converted at full size and shrunk as RGB.

4:2:0 frames have a quarter of the chroma samples. Shrunk before the conversion, small pictures
would show it as smeared colour. `test_frame_converter` holds the mean error below 3 of 255 from 162
rows on. Lower the limit for speed, raise it if agents look at small patches of colour.
"""
_HALVED = {"yuv420p", "yuvj420p"}  # formats with 4:2:0 chroma


class FrameConverter:
    """Converts one video's frames to RGB pictures. Used by one thread at a time.

    Frames are shrunk as YUV and converted to RGB then, which takes less than half of the time,
    unless they become so small that 4:2:0 chroma would show.

    Each frame is shown whole, or its own box of it, whatever size, shape of pixels, orientation and
    pixel format the frames before it had: only the size of the picture that is returned is common.
    """

    def __init__(self, native: tuple[int, int]) -> None:
        """Prepare for the frames of one video.

        Args:
            native: `(H, W)` of its pictures where no size is asked for, in square pixels.
        """
        self._native_size = native
        # One per step: a scaler (libswscale) sets itself up anew whenever its sizes change.
        self._to_rgb = VideoReformatter()
        self._to_size = VideoReformatter()
        self._shrink = VideoReformatter()

    def convert(
        self,
        frame: av.VideoFrame,
        form: PictureForm,
        size: tuple[int, int] | None,
        box: Box | None,
    ) -> NDArray[np.uint8]:
        """Return the RGB picture of a frame, uint8 `(H, W, 3)`.

        Args:
            frame: as it came out of the decoder.
            form: how it is shown.
            size: `(H, W)` to fit the picture into, with black bars; `None` for native pixels, or
                as many of them as the box holds.
            box: the region to show, in fractions of the frame's own picture as it is shown; `None`
                for the whole picture.

        Raises:
            ValueError: if the box is not one.
        """
        rows, columns = form.stretched(frame.height, frame.width)
        if size is None or box is not None or not form.as_coded:
            picture = self._whole(frame, form, rows, columns)
            if box is not None:
                top, bottom, left, right = crop_bounds(box, *picture.shape[:2])
                picture = picture[top:bottom, left:right]
            size = size or box_size(box, *self._native_size)
            if picture.shape[:2] == size:
                return np.ascontiguousarray(picture)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            rows, columns = frame.height, frame.width
        height, width = fitted(rows, columns, size)
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

    def _whole(
        self, frame: av.VideoFrame, form: PictureForm, rows: int, columns: int
    ) -> NDArray[np.uint8]:
        """Return a frame's whole picture, uint8 `(H, W, 3)`, in square pixels and upright.

        Args:
            frame: as it came out of the decoder.
            form: how it is shown.
            rows: of the picture with square pixels, before it is turned.
            columns: of the picture with square pixels, before it is turned.
        """
        kept = (rows, columns) == (frame.height, frame.width)
        interpolation = "BILINEAR" if kept else "BICUBIC"  # of chroma alone where the size is kept
        rgb = self._to_rgb.reformat(
            frame, columns, rows, "rgb24", interpolation=interpolation, threads=1
        )
        return form.oriented(_pixels_of(rgb))


def _pixels_of(rgb: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the pixels of a frame in "rgb24", uint8 `(H, W, 3)`."""
    return rgb.to_ndarray().astype(np.uint8, copy=False)
