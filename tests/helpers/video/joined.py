"""One stream made of the packets of several, whose pictures differ in size, shape or format."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av

CLOCK = Fraction(1, 90_000)
STEP = 3600
"""Ticks of a frame at 25 a second."""


def joined(parts: Sequence[Path], path: Path) -> Path:
    """Mux the video of several files into one stream whose times go on from part to part.

    The decoder's configuration is that of the first part. The other parts have to bring their own
    in their packets, as those of transport streams, VP9 and MPEG-2 do.
    """
    with av.open(str(path), "w") as new:
        copy, end = None, 0
        for part in parts:
            with av.open(str(part)) as old:
                stream = old.streams.video[0]
                copy = copy or new.add_stream_from_template(stream)
                packets = [packet for packet in old.demux(stream) if packet.size]
                base = Fraction(stream.time_base)
                first = min(packet.dts for packet in packets)
                start = end
                for packet in packets:
                    made = av.Packet(bytes(packet))
                    made.pts, made.dts = (
                        start + round((ticks - first) * base / CLOCK)
                        for ticks in (packet.pts, packet.dts)
                    )
                    made.time_base, made.duration = CLOCK, STEP
                    made.is_keyframe, made.stream = packet.is_keyframe, copy
                    end = max(end, made.pts + STEP)
                    new.mux(made)
    return path
