"""Peers: torchcodec, decord, OpenCV, PyAV and the decode floor, behind one `Reader` protocol.

A reader returns one RGB picture per time, in the order of the times, which increase. A package is
imported when its reader is first made: a peer that is not installed is reported as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Size = tuple[int, int] | None


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames that a reader returns.

    Attributes:
        pictures: RGB uint8 `(H, W, 3)`, one per time; iterated after the clocks have stopped.
        seconds: when each is shown; `None` if the reader does not tell.
    """

    pictures: Iterable[Picture]
    seconds: Sequence[float] | None = None


class Reader(Protocol):
    """An open video file."""

    def read(self, times: Sequence[float]) -> Frames:
        """Return the frames on screen at increasing times, in seconds."""

    def close(self) -> None:
        """Close the file."""


ReaderFactory = Callable[[Path, Size], Reader]
"""Opens a file; the size `(H, W)` is that of the pictures, `None` for native ones."""


class FloorReader:
    """The decode floor (`decode_floor`); frames become RGB after the clocks have stopped."""

    def __init__(self, path: Path, size: Size, *, keyframes: bool = False) -> None:
        """Read the packets into memory.

        Args:
            path: the file.
            size: not used: pictures are native.
            keyframes: decode the nearest keyframes instead: the floor of tolerant readers.
        """
        from benchmarks.frame_access.decode_floor import BareDecoder

        self._floor = BareDecoder(path)
        self._keyframes = keyframes

    def read(self, times: Sequence[float]) -> Frames:
        """Return the frames, still to be converted."""
        seconds = self._floor.nearest_keys(times) if self._keyframes else None
        frames = self._floor.read(times if seconds is None else seconds)
        pictures = (frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in frames)
        return Frames(pictures, seconds)

    def close(self) -> None:
        """Do nothing: the packets stay in memory for the next round."""


class Torchcodec:
    """torchcodec in one thread, with its own resizing."""

    def __init__(self, path: Path, size: Size, *, seek_mode: Any) -> None:
        """Open a file in seek mode `"exact"` (torchcodec's default) or `"approximate"`."""
        from torchcodec.decoders import VideoDecoder
        from torchcodec.transforms import Resize

        self._video = VideoDecoder(
            path,
            dimension_order="NHWC",
            seek_mode=seek_mode,
            transforms=None if size is None else [Resize(size)],
        )
        self._start = float(self._video.metadata.begin_stream_seconds or 0.0)

    def read(self, times: Sequence[float]) -> Frames:
        """Return the frames played at the times."""
        batch = self._video.get_frames_played_at([self._start + t for t in times])
        return Frames(batch.data.numpy(), (batch.pts_seconds - self._start).tolist())

    def close(self) -> None:
        """Let go of the decoder."""
        del self._video


class Decord:
    """decord with its default threads; it is asked by frame index."""

    def __init__(self, path: Path, size: Size) -> None:
        """Open a file."""
        import decord

        height, width = size or (-1, -1)
        self._video = decord.VideoReader(str(path), width=width, height=height)
        self._fps = float(self._video.get_avg_fps())

    def read(self, times: Sequence[float]) -> Frames:
        """Return the frames with index `time * average rate`."""
        last = len(self._video) - 1
        indices = [min(int(t * self._fps), last) for t in times]
        return Frames(self._video.get_batch(indices).asnumpy())

    def close(self) -> None:
        """Let go of the decoder."""
        del self._video


class OpenCV:
    """OpenCV's VideoCapture with its default threads; it is asked by frame index."""

    def __init__(self, path: Path, size: Size) -> None:
        """Open a file."""
        import cv2

        self._cv2: Any = cv2
        self._size = size
        self._video = cv2.VideoCapture(str(path))
        if not self._video.isOpened():
            raise ValueError(f"OpenCV cannot open {path}")
        self._fps = float(self._video.get(cv2.CAP_PROP_FPS))

    def read(self, times: Sequence[float]) -> Frames:
        """Return the frames with index `time * average rate`: set the position, then read.

        Raises:
            ValueError: if there is no frame at a time.
        """
        pictures = []
        for t in times:
            self._video.set(self._cv2.CAP_PROP_POS_FRAMES, int(t * self._fps))
            good, picture = self._video.read()
            if not good:
                raise ValueError(f"no frame at {t:.3f} s")
            if self._size is not None:
                height, width = self._size
                area = self._cv2.INTER_AREA
                picture = self._cv2.resize(picture, (width, height), interpolation=area)
            pictures.append(self._cv2.cvtColor(picture, self._cv2.COLOR_BGR2RGB))
        return Frames(pictures)

    def close(self) -> None:
        """Close the file."""
        self._video.release()


class PyAV:
    """PyAV as in most scripts: seek to the keyframe before the time, decode until it is reached."""

    def __init__(self, path: Path, size: Size, *, naive: bool) -> None:
        """Open a file.

        Args:
            path: the file.
            size: `(H, W)` of the pictures.
            naive: seek for every time, convert to RGB, then shrink. Otherwise decode on if the next
                time is in the same group of pictures, and convert and shrink in one step.
        """
        import av

        self._container = av.open(str(path))
        self._stream = self._container.streams.video[0]
        self._stream.codec_context.thread_count = 1
        self._base = float(self._stream.time_base or 1)
        self._start = (self._stream.start_time or 0) * self._base
        self._size = size
        self._naive = naive

    def read(self, times: Sequence[float]) -> Frames:
        """Return for each time the last frame that is shown at or before it."""
        pictures, seconds = [], []
        frames: Iterator[Any] = iter(())
        before: Any = None
        for t in times:
            goal = self._start + t + 1e-6
            if self._naive or before is None or self._key_between(before, goal):
                self._container.seek(int(goal / self._base), stream=self._stream)
                frames, before = self._container.decode(self._stream), None
            before = before or next(frames)
            for after in frames:
                if after.pts * self._base > goal:
                    frames = chain([after], frames)
                    break
                before = after
            pictures.append(self._picture(before))
            seconds.append(before.pts * self._base - self._start)
        return Frames(pictures, seconds)

    def _key_between(self, before: Any, goal: float) -> bool:
        """Return whether the container's index has a keyframe after a frame and up to a time.

        The index has decoding times. They are earlier than presentation times by a few frames: that
        may cost a seek or a few frames more, and never gives a wrong frame.
        """
        entry = self._stream.index_entries.search_timestamp(int(goal / self._base))
        key = self._stream.index_entries[entry].timestamp if entry >= 0 else None
        return key is None or bool(key > before.pts)

    def _picture(self, frame: Any) -> Picture:
        if self._size is None:
            return np.asarray(frame.to_ndarray(format="rgb24"))
        height, width = self._size
        if not self._naive:
            return np.asarray(frame.reformat(width, height, "rgb24").to_ndarray())
        from PIL import Image

        full = Image.fromarray(frame.to_ndarray(format="rgb24"))
        return np.asarray(full.resize((width, height), Image.Resampling.BILINEAR))

    def close(self) -> None:
        """Close the file."""
        self._container.close()


@dataclass(frozen=True)
class Peer:
    """A contestant that is not ours.

    Attributes:
        opener: opens a file.
        package: distribution that has to be installed, named with its version in reports.
        module: module that is imported.
        needs_ffmpeg: its wheel has no FFmpeg inside and takes PyAV's (`ffmpeg_libraries`).
    """

    opener: ReaderFactory
    package: str
    module: str
    needs_ffmpeg: bool = False

    def load(self) -> str:
        """Import the module and return "package version".

        Raises:
            ImportError: if it is not installed; or any error that importing it raises.
        """
        import_module(self.module)
        return f"{self.package} {version(self.package)}"


TORCHCODEC_EXACT, TORCHCODEC_APPROXIMATE = "torchcodec exact", "torchcodec approximate"
FLOOR, KEYS_FLOOR = "floor", "floor of keyframes"
DECORD, OPENCV = "decord", "OpenCV"
PYAV_SORTED, PYAV_NAIVE = "PyAV sorted", "PyAV naive"

PEERS = {
    FLOOR: Peer(FloorReader, "av", "av"),
    KEYS_FLOOR: Peer(partial(FloorReader, keyframes=True), "av", "av"),
    TORCHCODEC_EXACT: Peer(
        partial(Torchcodec, seek_mode="exact"), "torchcodec", "torchcodec.decoders", True
    ),
    TORCHCODEC_APPROXIMATE: Peer(
        partial(Torchcodec, seek_mode="approximate"), "torchcodec", "torchcodec.decoders", True
    ),
    DECORD: Peer(Decord, "decord", "decord"),
    OPENCV: Peer(OpenCV, "opencv-python-headless", "cv2"),
    PYAV_SORTED: Peer(partial(PyAV, naive=False), "av", "av"),
    PYAV_NAIVE: Peer(partial(PyAV, naive=True), "av", "av"),
}
