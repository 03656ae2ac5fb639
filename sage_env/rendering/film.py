"""Pictures written one by one as a film: H.264 in MP4, which browsers and players show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

# Quality 18 is called visually lossless for H.264; a sheet of 960 x 720 takes about 20 kB. Without
# B-frames no picture is shown at another time than it was written for.
_OPTIONS = {"preset": "veryfast", "crf": "18", "bf": "0", "threads": "1"}
_SMPTE170M, _LIMITED_RANGE = 6, 1  # how RGB becomes YUV here: BT.601, 16 to 235 (H.273, table 4)
_LARGEST_DENOMINATOR = 1001  # of a frame rate: 30000/1001 is the finest in use


class Film:
    """A film that grows by a picture at a time; it can be played once it is closed.

    Attributes:
        path: of the file.
        num_pictures: how many have been written.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        """Begin a film, in a file that nobody has made before.

        Args:
            path: of the new file, in a folder that is there.
            size: (H, W) of the pictures; where one is odd, the last row or column is shown twice,
                since H.264 codes colour for two by two pixels.
            fps: pictures per second.

        Raises:
            FileExistsError: if there is such a file.
        """
        self.path, self.num_pictures = path, 0
        self._size = size
        self._file = path.open("xb")
        try:
            self._container = av.open(self._file, "w", format="mp4")
            rate = Fraction(fps).limit_denominator(_LARGEST_DENOMINATOR)
            stream = self._container.add_stream("libx264", rate=rate, options=_OPTIONS)
            stream.height, stream.width = size[0] + size[0] % 2, size[1] + size[1] % 2
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = 1 / rate
            stream.codec_context.colorspace = _SMPTE170M
            stream.codec_context.color_range = _LIMITED_RANGE
        except BaseException:
            self._file.close()
            path.unlink()
            raise
        self._stream, self._tick = stream, 1 / rate

    def write(self, picture: NDArray[np.uint8]) -> None:
        """Append a picture, uint8 (H, W, 3), RGB.

        Raises:
            ValueError: if it has another shape or dtype than the film.
            OSError: if the disk has become full; no part of the film is left under its name then.
        """
        shape = (*self._size, 3)
        if picture.shape != shape or picture.dtype != np.uint8:
            raise ValueError(
                f"{self.path} is a film of uint8 pictures {shape}, got {picture.dtype} "
                f"{picture.shape}: draw all pictures of an episode in one size"
            )
        rows, columns = self._size[0] % 2, self._size[1] % 2
        even = np.pad(picture, ((0, rows), (0, columns), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        frame.pts, frame.time_base = self.num_pictures, self._tick
        with self._whole_or_gone():
            self._container.mux(self._stream.encode(frame))
        self.num_pictures += 1

    def close(self) -> None:
        """Write what makes the file a film that can be played; closing twice is once.

        Raises:
            OSError: if the disk has become full; no part of the film is left under its name then.
        """
        if self._file.closed:
            return
        with self._whole_or_gone():
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._file.close()

    @contextmanager
    def _whole_or_gone(self) -> Iterator[None]:
        """Delete the file if the block fails: a part of a film cannot be played."""
        try:
            yield
        except BaseException:
            with suppress(OSError):
                self._file.close()
            self.path.unlink(missing_ok=True)
            raise
