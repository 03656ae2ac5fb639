"""Writing a planned video as an H.264 file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer

from sage_env.storage.atomic_file import atomic_path
from sage_env.synth.plan import VideoPlan
from sage_env.synth.render import SIZE, render_frames

MILLISECOND = Fraction(1, 1000)
"""Time base of the files: every planned time is a whole number of its ticks."""


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
        _write(plan, partial, side)


def _write(plan: VideoPlan, path: Path, side: int) -> None:
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
        for image, tick in zip(render_frames(plan, side), ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.duration, frame.time_base = tick, lasts[tick], MILLISECOND
            _mux(container, stream.encode(frame), lasts)
        _mux(container, stream.encode(None), lasts)


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
