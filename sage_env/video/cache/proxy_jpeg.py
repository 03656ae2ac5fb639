"""From a picture to a small JPEG, and from a JPEG to a picture of the size asked for."""

from __future__ import annotations

from io import BytesIO

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from sage_env.picture_geometry import fitted, letterbox
from sage_env.video.cache.buffer_pool import pixel_buffers

QUALITY = 75


def small_jpeg(picture: NDArray[np.uint8], short_side: int) -> bytes:
    """Return a picture, uint8 `(H, W, 3)`, as JPEG, its shorter side at most `short_side`."""
    image = Image.fromarray(picture)
    scale = short_side / min(image.size)
    if scale < 1:
        width, height = (max(1, round(length * scale)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.BOX, reducing_gap=1.0)
    file = BytesIO()
    image.save(file, "JPEG", quality=QUALITY, subsampling="4:2:0")
    return file.getvalue()


class JpegReader:
    """A warm decoder for JPEG pictures. Used by one thread at a time."""

    def __init__(self) -> None:
        """Set up the decoder."""
        context = av.CodecContext.create("mjpeg", "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        context.options = {"idct": "xvid"}  # the fastest; no farther off than JPEG itself is
        self._context = context
        # One per step: a scaler that changes sizes sets itself up anew each time.
        self._to_size = VideoReformatter()
        self._to_rgb = VideoReformatter()

    def read(
        self, jpeg: bytes, native: tuple[int, int], size: tuple[int, int]
    ) -> NDArray[np.uint8] | None:
        """Return a picture fitted into `size`, as the native one would be; `None` if too small.

        Args:
            jpeg: the native picture, or a smaller version of it.
            native: `(H, W)` of the native picture.
            size: `(H, W)` of what is returned, with black bars.

        Raises:
            av.FFmpegError: if it is no JPEG.
        """
        height, width = fitted(*native, size)
        for frame in self._context.decode(av.Packet(jpeg)):
            kept = frame.height, frame.width
            if kept != native and (height > kept[0] or width > kept[1]):
                return None
            if height < kept[0]:  # before the colours are made: there is less to make then
                frame = self._to_size.reformat(
                    frame, width, height, frame.format.name, interpolation="AREA", threads=1
                )
            rgb = self._to_rgb.reformat(
                frame, width, height, "rgb24", interpolation="BICUBIC", threads=1
            )
            return letterbox(self._copied(rgb), size)
        return None

    def _copied(self, rgb: av.VideoFrame) -> NDArray[np.uint8]:
        """Return the pixels of an RGB frame in memory that is used again when they are let go."""
        plane = rgb.planes[0]
        lines = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
        picture = pixel_buffers.empty((rgb.height, rgb.width, 3))
        picture.reshape(rgb.height, -1)[:] = lines[: rgb.height, : 3 * rgb.width]
        return picture
