"""Records small pictures of frames while they are decoded, and serves them to tolerant requests."""

from __future__ import annotations

from threading import Lock

import av
import numpy as np
from numpy.typing import NDArray

from sage_env.storage.forking import reset_each_on_fork
from sage_env.timeline import nearest_places
from sage_env.video.cache.proxy_file import SHORT_SIDE, FrameProxy, one_per_step
from sage_env.video.decoding.frame_converter import FrameConverter
from sage_env.video.index.picture_form import PictureForm
from sage_env.video.index.video_index import VideoIndex


class ProxyRecorder:
    """The proxy of one video, filled by what its decoders bring. Thread-safe.

    Decoding to a wanted frame brings out the frames before it, whether anybody wants them or not.
    Of those the first of each second is shrunk and kept.
    """

    def __init__(self, index: VideoIndex, proxy: FrameProxy) -> None:
        """Record the first frame of each second of the video into `proxy`."""
        self._index, self._proxy = index, proxy
        frames = np.flatnonzero(one_per_step(index.seconds(np.arange(len(index.pts)))))
        self._frame_of_pts = dict(zip(index.pts[frames].tolist(), frames.tolist(), strict=True))
        self._forget_threads()
        _recorders.add(self)

    def on_frame(self, pts: int, frame: av.VideoFrame, form: PictureForm) -> None:
        """Record a decoded frame if it is the first of its second and not there yet.

        Args:
            pts: its presentation time in ticks of the video stream.
            frame: as it came out of the decoder.
            form: how it is shown.
        """
        number = self._frame_of_pts.get(pts)
        if number is not None and self._proxy.lacks(number):
            height, width = native = form.shown(frame.height, frame.width)
            scale = min(1.0, SHORT_SIDE / min(native))
            size = max(1, round(height * scale)), max(1, round(width * scale))
            with self._lock:
                picture = self._pictures.convert(frame, form, size, None)
            self._proxy.add(number, picture, native)

    def near(
        self, seconds: NDArray[np.float64], tolerance: float, size: tuple[int, int]
    ) -> dict[int, tuple[int, NDArray[np.uint8]]]:
        """Return what the proxy has near some times.

        Args:
            seconds: float64 `(N,)`, increasing.
            tolerance: seconds that a frame may be off.
            size: `(H, W)` of the pictures, in pixels.

        Returns:
            By the index of each time that has one: the number of the nearest frame, and its
            picture, uint8 `(H, W, 3)`.
        """
        kept = self._proxy.frames
        kept = kept[(kept >= 0) & (kept < len(self._index.pts))]  # a file is not believed
        found: dict[int, tuple[int, NDArray[np.uint8]]] = {}
        if not len(kept):
            return found
        shown = self._index.seconds(kept)
        nearest = nearest_places(shown, seconds)
        close = np.abs(shown[nearest] - seconds) <= tolerance
        for place in np.flatnonzero(close).tolist():
            frame = int(kept[nearest[place]])
            picture = self._proxy.get(frame, size)
            if picture is not None:
                found[place] = frame, picture
        return found

    def _forget_threads(self) -> None:
        """Begin anew with a converter, which serves one thread at a time, and its lock."""
        self._pictures = FrameConverter(self._index.size)
        self._lock = Lock()


_recorders = reset_each_on_fork(ProxyRecorder._forget_threads)
