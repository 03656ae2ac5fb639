"""Which frames a video file holds: one pass over its packets; only the first frame is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sage_env.errors import VideoError

MAX_PIXELS = 2**26
"""Most pixels of one picture (8192 x 8192); a header that claims more is not believed."""
_EPSILON = 1e-6  # seconds; a frame's own time, rounded on its way here, still means that frame
_INDEXES_KEPT = 256
REMEDY = "check that the file is whole, or convert it: ffmpeg -i INPUT -c:v libx264 OUTPUT.mp4"


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """The frames of one version of one file, in order of presentation. Ticks are of `time_base`.

    Attributes:
        path: the file, resolved.
        content: names this version of the file (path, bytes, modification time).
        stream: number of the video stream in the container.
        time_base: seconds per tick.
        pts: int64 `(N,)`, increasing: when each frame is shown, in ticks.
        key_pts: int64 `(K,)`, increasing: the PTS of the frames where decoding can start.
        key_dts: int64 `(K,)`: where to seek in order to find each of them.
        duration: seconds from the first frame's start to the last frame's end.
        height: of the picture as coded, before it is turned.
        width: of the picture as coded, before it is turned.
        quarter_turns: counter-clockwise turns by 90 degrees that show the picture upright.
    """

    path: Path
    content: tuple[str, int, int]
    stream: int
    time_base: Fraction
    pts: NDArray[np.int64]
    key_pts: NDArray[np.int64]
    key_dts: NDArray[np.int64]
    duration: float
    height: int
    width: int
    quarter_turns: int

    @property
    def size(self) -> tuple[int, int]:
        """Return `(H, W)` of the upright picture."""
        return (self.width, self.height) if self.quarter_turns % 2 else (self.height, self.width)

    def seconds(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return when the frames (numbers from 0) are shown, in seconds from the first one."""
        ticks = (self.pts[frames] - self.pts[0]).astype(np.float64)
        seconds: NDArray[np.float64] = ticks * self.time_base.numerator / self.time_base.denominator
        return seconds

    def frames_on_screen(self, seconds: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the numbers of the frames on screen: the last shown at or before each time.

        Times before the first frame give the first, times after the last give the last.
        """
        inside = np.clip(seconds, 0.0, self.duration + 1.0)
        ticks = np.floor((inside + _EPSILON) / float(self.time_base)).astype(np.int64)
        return _last_at_or_before(self.pts, ticks + self.pts[0])

    def gops(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each frame the number of the keyframe where its decoding has to start.

        That is the last keyframe shown at or before it: leading pictures of an open GOP follow
        their keyframe in the file, but are shown before it and lean on the one before.
        """
        return _last_at_or_before(self.key_pts, self.pts[frames])


def _last_at_or_before(starts: NDArray[np.int64], ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each tick the number of the last start at or before it, 0 if there is none."""
    numbers: NDArray[np.int64] = np.searchsorted(starts, ticks, side="right").astype(np.int64) - 1
    return np.maximum(numbers, 0)


def read_index(path: str | Path) -> VideoIndex:
    """Return the index of a file; the indexes of the last 256 files are remembered.

    The video stream is the one that FFmpeg calls best (more pixels, then more frames), not simply
    the first; cover art is not a video.

    Raises:
        VideoError: if there is no such file or it holds no video that can be played.
    """
    try:
        resolved = Path(path).resolve(strict=True)
        status = resolved.stat()
    except (OSError, ValueError, RuntimeError) as error:
        raise VideoError(f"{path}: cannot read this video file ({error}); check the path") from None
    if not resolved.is_file():
        raise VideoError(f"{path}: expected a video file, got a folder or a device; name a file")
    if status.st_size == 0:
        raise VideoError(f"{path}: the file is empty; download or make it again")
    return _scan(os.fspath(resolved), status.st_size, status.st_mtime_ns)


@contextmanager
def decoding_errors(path: str | Path, doing: str) -> Iterator[None]:
    """Turn what FFmpeg raises inside the block into a `VideoError` that names the file."""
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or type(error).__name__
        raise VideoError(f"{path}: {doing} failed ({reason}); {REMEDY}") from error


def open_container(path: str | Path) -> InputContainer:
    """Open a file for reading, whatever its tags are written in."""
    return av.open(os.fspath(path), metadata_errors="replace")


def single_thread(stream: VideoStream) -> VideoStream:
    """Decode in the calling thread: many readers run side by side, one thread each."""
    stream.thread_count = 1
    stream.thread_type = "NONE"
    return stream


@dataclass
class _Packets:
    """What one pass over the packets of a stream finds. Times are in ticks."""

    first: av.VideoFrame | None = None  # the only one decoded
    durations: dict[int, int] = field(default_factory=dict)  # of the frames to be shown, by PTS
    keys: dict[int, int] = field(default_factory=dict)  # DTS of the keyframes, by PTS


@lru_cache(maxsize=_INDEXES_KEPT)
def _scan(path: str, size: int, mtime_ns: int) -> VideoIndex:
    """Index one version of a file."""
    with decoding_errors(path, "reading it as a video"), open_container(path) as container:
        stream = single_thread(_video_stream(container, path))
        packets = _read_packets(container, stream, path)
        number, rate, time_base = stream.index, stream.average_rate, stream.time_base
    first = packets.first
    if first is None or first.pts is None or time_base is None:
        raise VideoError(f"{path}: its video stream holds no frame that can be decoded; {REMEDY}")
    # Pictures before the first one that comes out lean on frames that the file does not hold.
    pts = np.array(sorted(t for t in packets.durations if t >= first.pts), dtype=np.int64)
    pts.setflags(write=False)  # the index is shared by all readers of the file
    key_pts = np.array(sorted(packets.keys), dtype=np.int64)
    key_dts = np.array([packets.keys[t] for t in key_pts.tolist()], dtype=np.int64)
    last = float(packets.durations[int(pts[-1])] * time_base)
    if last <= 0 and len(pts) > 1:
        last = float(np.median(np.diff(pts))) * float(time_base)
    elif last <= 0:
        last = 1 / float(rate or 25)
    return VideoIndex(
        path=Path(path),
        content=(path, size, mtime_ns),
        stream=number,
        time_base=time_base,
        pts=pts,
        key_pts=key_pts,
        key_dts=key_dts,
        duration=float(int(pts[-1] - pts[0]) * time_base) + last,
        height=first.height,
        width=first.width,
        quarter_turns=round(first.rotation / 90) % 4,
    )


def _read_packets(container: InputContainer, stream: VideoStream, path: str) -> _Packets:
    """Read the whole file and decode the first frame."""
    packets = _Packets()
    # In MPEG program streams packets have other times after a seek: read them from the start.
    seekable = container.format.name != "mpeg"
    count = 0
    for packet in container.demux(stream):
        if packet.size:  # the packet that ends the stream has none
            if packet.pts is None:
                raise VideoError(f"{path}: its frames have no presentation times; {REMEDY}")
            if packet.is_corrupt:
                raise VideoError(f"{path}: damaged or cut short at packet {count}; {REMEDY}")
            count += 1
            if (packet.is_keyframe and seekable) or not packets.keys:
                packets.keys[packet.pts] = packet.pts if packet.dts is None else packet.dts
            if not packet.is_discard:
                packets.durations[packet.pts] = packet.duration or 0
        if packets.first is None:
            packets.first = next(iter(packet.decode()), None)
    announced = len(stream.index_entries)
    if count < announced:
        raise VideoError(
            f"{path}: cut short, {count} of the {announced} frames it announces are there; "
            "download or make it again"
        )
    return packets


def _video_stream(container: InputContainer, path: str) -> VideoStream:
    """Return the stream to play."""
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
        kinds = ", ".join(s.type for s in container.streams) or "nothing"
        raise VideoError(f"{path}: expected a video stream, found {kinds}; name a video file")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS:
        raise VideoError(
            f"{path}: pictures must have at most {MAX_PIXELS} pixels, these have {width}x{height}; "
            "make them smaller: ffmpeg -i INPUT -vf scale=1920:-2 OUTPUT.mp4"
        )
    codec = stream.codec_context.name
    if container.format.name == "avi" and stream.has_b_frames and codec != "mpeg4":
        raise VideoError(f"{path}: AVI does not hold the times of reordered frames; {REMEDY}")
    return stream
