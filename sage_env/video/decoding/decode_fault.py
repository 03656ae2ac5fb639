"""A fault that stops decoding, and the error that it becomes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sage_env.errors import CorruptFrame
from sage_env.video.index.stream import REMEDY
from sage_env.video.index.video_index import VideoIndex


class DecodeFault(NamedTuple):
    """The packet at which decoding stopped.

    Attributes:
        packet: number of the packet, in decode order.
        reason: what is wrong with it, as the end of a sentence.
    """

    packet: int
    reason: str


def corrupt_frame(
    index: VideoIndex, frames: tuple[int, ...], fault: DecodeFault | None
) -> CorruptFrame:
    """Return the error for frames that did not come out of the decoder.

    Args:
        index: the frames of the video.
        frames: their numbers, the first of which the message names; at least one.
        fault: where decoding stopped, `None` if it did not.
    """
    seconds = float(index.seconds(np.array(frames[:1]))[0])
    why = "it does not come out of the decoder"
    if fault is not None:
        ticks = int(index.packet_pts[fault.packet]) - int(index.pts[0])
        shown = float(ticks * index.time_base)
        why = f"packet {fault.packet}, for {shown:.3f} s, {fault.reason}"
    return CorruptFrame(
        f"{index.path}: the frame at {seconds:.3f} s does not decode ({why}); {REMEDY}, "
        'or take the nearest good frame: frames_at(..., on_error="nearest")',
        seconds,
        None if fault is None else fault.packet,
        frames,
    )
