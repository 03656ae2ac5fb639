"""Small test clips whose frames carry their own number, and how to read it back from pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.video_file import PyAVVideo, open_video

Picture = NDArray[np.uint8]

GRID = 4  # a number is GRID x GRID blocks, black 0 and white 1, most significant bit first
ONE_GOP = {"x264-params": "keyint=250:min-keyint=250:scenecut=0:bframes=3:b-pyramid=normal"}
SHORT_GOPS = {"x264-params": "keyint=12:bframes=3:b-pyramid=normal"}
OPEN_GOPS = {"x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=3:open-gop=1"}
REFRESHED = {"x264-params": "keyint=12:intra-refresh=1:bframes=0:scenecut=0"}

NUM_FRAMES = 120
IRREGULAR = np.cumsum(np.random.default_rng(1).integers(1, 400, NUM_FRAMES)).tolist()  # ms

# name: (file, ticks, time base in seconds, codec, options)
CLIPS = {
    "one-gop": ("a.mp4", range(NUM_FRAMES), Fraction(1, 25), "libx264", ONE_GOP),
    "short-gops": ("b.mp4", range(NUM_FRAMES), Fraction(1, 25), "libx264", SHORT_GOPS),
    "open-gops": ("c.mp4", range(NUM_FRAMES), Fraction(1, 25), "libx264", OPEN_GOPS),
    "ntsc": ("d.mp4", range(NUM_FRAMES), Fraction(1001, 30000), "libx264", SHORT_GOPS),
    "two-a-second": ("e.mp4", range(NUM_FRAMES), Fraction(1, 2), "libx264", ONE_GOP),
    "irregular-mp4": ("f.mp4", IRREGULAR, Fraction(1, 1000), "libx264", SHORT_GOPS),
    "irregular-mkv": ("g.mkv", IRREGULAR, Fraction(1, 1000), "libx264", ONE_GOP),
    "transport-stream": ("h.ts", range(NUM_FRAMES), Fraction(1, 25), "libx264", SHORT_GOPS),
    "program-stream": ("i.mpg", range(NUM_FRAMES), Fraction(1, 25), "mpeg2video", {"bf": "2"}),
    "intra-refresh": ("j.mkv", range(NUM_FRAMES), Fraction(1, 25), "libx264", REFRESHED),
    "vp9": ("k.webm", range(40), Fraction(1, 25), "libvpx-vp9", {"g": "15", "cpu-used": "8"}),
    "all-keys": ("l.avi", range(40), Fraction(1, 25), "mpeg4", {"g": "1"}),
}


def numbered(number: int, height: int, width: int) -> Picture:
    """Draw a number below 65536 as blocks over the whole picture."""
    bits = [(number >> place) & 1 for place in reversed(range(GRID * GRID))]
    blocks = np.array(bits, dtype=np.uint8).reshape(GRID, GRID) * 255
    rows, columns = np.arange(height) * GRID // height, np.arange(width) * GRID // width
    return np.repeat(blocks[rows][:, columns][:, :, None], 3, axis=2)


def four_colours(_: int, height: int, width: int) -> Picture:
    """Red, green over blue, white."""
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[: height // 2, : width // 2, 0] = 255
    picture[: height // 2, width // 2 :, 1] = 255
    picture[height // 2 :, : width // 2, 2] = 255
    picture[height // 2 :, width // 2 :] = 255
    return picture


def number_in(picture: Picture) -> int:
    """Read the number in a whole picture of any size."""
    height, width = picture.shape[:2]
    rows, columns = [
        ((np.arange(GRID) + 0.5) * length / GRID).astype(int) for length in (height, width)
    ]
    bits = picture[rows][:, columns].mean(axis=2).ravel() > 127
    return int("".join("1" if bit else "0" for bit in bits), 2)


def write_clip(
    path: Path,
    ticks: Sequence[int],
    *,
    time_base: Fraction = Fraction(1, 25),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    size: tuple[int, int] = (64, 96),
    rotation: int = 0,
    aspect: Fraction | None = None,
    container_options: dict[str, str] | None = None,
    draw: Callable[[int, int, int], Picture] = numbered,
) -> Path:
    """Write one frame per tick of `time_base`; frame i is `draw(i, height, width)`."""
    height, width = size
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = time_base
        if aspect:
            stream.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for number, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(draw(number, height, width), format="rgb24")
            frame.pts, frame.time_base = tick, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_tone(path: Path) -> Path:
    """Write a file with sound only."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 16000), dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def copy_clip(source: Path, path: Path, *, from_key: int = 0, shift: int = 0) -> Path:
    """Copy the packets from a keyframe on, `shift` ticks earlier.

    MP4 hides what is then before zero, by an edit list.
    """
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(source)) as old, av.open(str(path), "w", options=options) as new:
        copy = new.add_stream_from_template(old.streams.video[0])
        keys = -1
        for packet in old.demux(old.streams.video[0]):
            keys += packet.is_keyframe
            if packet.size and keys >= from_key:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copy
                new.mux(packet)
    return path


def decoded(path: Path) -> Iterator[tuple[float, av.VideoFrame]]:
    """Decode a whole file in order: seconds from the first frame, and the frame."""
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        first = None
        for frame in container.decode(stream):
            first = frame.pts if first is None else first
            yield float((frame.pts - first) * stream.time_base), frame


def uncached(path: Path) -> PyAVVideo:
    """Open a video that keeps no picture."""
    return open_video(path, cache=FrameCache(0))
