"""Small videos for mutation: 64x64, 2 s, the brightness of a frame is its number."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

FRAMES = 50
RATE = 25
SIDE = 64
GOP = 10
"""Frames from keyframe to keyframe."""
_DARKEST, _STEP = 16, 4

B_FRAMES = {"x264-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=3:qp=4"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def number_of(picture: NDArray[np.uint8]) -> int:
    """Return the number of the frame that an RGB picture `(H, W, 3)` shows, by its brightness."""
    return round((float(picture.mean()) - _DARKEST) / _STEP)


def write_graded(
    path: Path,
    *,
    codec: str = "libx264",
    form: str | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    sound: bool = False,
) -> bytes:
    """Write a clip of `FRAMES` frames, `RATE` a second, and return its bytes.

    Args:
        path: where; its ending says the container unless `form` does.
        codec: FFmpeg's name of the encoder.
        form: FFmpeg's name of the container.
        options: of the encoder.
        container: options of the container.
        sound: whether a track of silence runs beside it.
    """
    with av.open(str(path), "w", format=form, options=container or {}) as file:
        stream: Any = file.add_stream(codec, rate=RATE, options=options or {})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, RATE)
        track: Any = file.add_stream("aac", rate=16000) if sound else None
        for number in range(FRAMES):
            level = _DARKEST + _STEP * number
            picture = np.full((SIDE, SIDE, 3), level, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            file.mux(stream.encode(frame))
            if track is not None:
                quiet = np.zeros((1, 16000 // RATE), dtype=np.float32)
                noise = av.AudioFrame.from_ndarray(quiet, format="fltp", layout="mono")
                noise.sample_rate = 16000
                file.mux(track.encode(noise))
        for each in (stream, track):
            if each is not None:
                file.mux(each.encode())
    return path.read_bytes()


def write_edited(source: Path, path: Path, ticks: int) -> bytes:
    """Copy a clip so that it begins `ticks` of its track earlier, which an edit list hides."""
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(source)) as old, av.open(str(path), "w", options=options) as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        for packet in old.demux(stream):
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - ticks, packet.dts - ticks, copy
                new.mux(packet)
    return path.read_bytes()
