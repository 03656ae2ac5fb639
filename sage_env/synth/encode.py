"""Writing a planned video as an H.264 file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

from sage_env.storage.atomic_file import atomic_path
from sage_env.synth.plan import VideoPlan
from sage_env.synth.render import SIZE, Image, render_frames

MILLISECOND = Fraction(1, 1000)
"""Time base of the files: every planned time is a whole number of its ticks."""

SOUND_BITS = 32_000
"""Bits per second of a sound track: speech at 16 kHz, mono. Silence takes next to none."""


def encode_video(plan: VideoPlan, path: Path, side: int = SIZE) -> None:
    """Render and encode a video; the file appears under its name only when it is complete.

    Of several that write one video at a time, in threads or processes, the first one's file stays:
    the others may have opened it already.

    It is H.264 (ITU-T H.264) in MP4 (ISO/IEC 14496-14), `side` by `side` pixels, with B-frames,
    times in whole milliseconds exactly as planned, and at most `plan.keyframe_interval` frames
    between keyframes.

    Args:
        plan: of the video.
        path: of the file.
        side: of the pictures, in pixels; an even number.

    Raises:
        OSError: if the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, first=True) as partial:
        write_film(plan, partial, render_frames(plan, side), side)


def write_film(
    plan: VideoPlan,
    path: Path,
    images: Iterable[Image],
    side: int,
    sound: Iterable[NDArray[np.float32]] | None = None,
    rate: int = 16_000,
) -> None:
    """Encode the pictures of a planned video, and its sound if there is any.

    Args:
        plan: of the video.
        path: of the file.
        images: uint8 `(side, side, 3)`, RGB, one for each frame.
        side: of the pictures, in pixels.
        sound: the track from the first frame on, in blocks: float32 `(N,)`, mono.
        rate: of the sound, in samples per second.
    """
    ticks = [round(second * 1000) for second in plan.times.tolist()]
    ends = [*ticks[1:], round(plan.duration * 1000)]
    lasts = {tick: end - tick for tick, end in zip(ticks, ends, strict=True)}
    options = {
        "preset": "superfast",
        "crf": "29",
        "bf": "2",
        "g": str(plan.keyframe_interval),
        "threads": "1",
    }
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=1000, options=options)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = MILLISECOND
        track = None if sound is None else _SoundTrack(container, iter(sound), rate)
        for image, tick in zip(images, ticks, strict=True):
            if track is not None:
                track.write_until(tick / 1000)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.duration, frame.time_base = tick, lasts[tick], MILLISECOND
            _mux(container, stream.encode(frame), lasts)
        _mux(container, stream.encode(None), lasts)
        if track is not None:
            track.finish()


class _SoundTrack:
    """The sound of a file, written as far as its pictures are."""

    def __init__(
        self, container: OutputContainer, blocks: Iterator[NDArray[np.float32]], rate: int
    ) -> None:
        self._container, self._blocks, self._rate, self._written = container, blocks, rate, 0
        stream = container.add_stream("aac", rate=rate, layout="mono", options={"threads": "1"})
        assert isinstance(stream, AudioStream)
        stream.bit_rate = SOUND_BITS
        self._stream = stream

    def write_until(self, second: float) -> None:
        """Write the blocks that begin before a time."""
        while self._written < second * self._rate:
            block = next(self._blocks, None)
            if block is None:
                return
            frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
            frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
            frame.pts = self._written
            self._written += len(block)
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what is left."""
        self.write_until(float("inf"))
        self._container.mux(self._stream.encode(None))


def _mux(container: OutputContainer, packets: list[av.Packet[Any]], lasts: dict[int, int]) -> None:
    """Mux packets with the durations of their frames: the encoder loses them where it reorders.

    Args:
        container: is written to.
        packets: out of the encoder.
        lasts: ticks that the frame with a PTS is shown.
    """
    for packet in packets:
        packet.duration = lasts[int(packet.pts or 0)]
        container.mux(packet)
