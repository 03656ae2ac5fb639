"""The fields of an index as values that `index_cache` can keep, and back."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sage_env.video.index.picture_form import PictureForm
from sage_env.video.index.presentation_order import (
    PacketTable,
    PresentationOrder,
    cut_table,
    order_frames,
)
from sage_env.video.index.sample_table import SampleTable, read_sample_table
from sage_env.video.index.stream import StreamConfig

_OF_THE_FILE = ("path", "content_id", "fingerprint")  # fields that whoever reads it knows


def index_arrays(
    table: SampleTable, dts: NDArray[np.int64], frames: PresentationOrder
) -> dict[str, Any]:
    """Return the fields of an index that follow from its packets, by name.

    Args:
        table: the M packets in decode order.
        dts: int64 `(M,)`, their decoding times in ticks.
        frames: the frames among them.
    """
    return {
        "pts": frames.pts,
        "packet_of_frame": frames.packet_of_frame,
        "key_pts": frames.key_pts,
        "key_dts": dts[frames.key_packets],
        "key_packets": frames.key_packets,
        "packet_pts": frames.packet_pts,
        "packet_offset": table.offset,
        "packet_size": table.size,
        "packet_key": table.key,
    }


def packed(index: Mapping[str, Any], packets: PacketTable, track: int) -> dict[str, Any]:
    """Return the fields of an index as arrays and plain values, without those of the file.

    Arrays that follow from the tables of the file are left out: those are read again.

    Args:
        index: the fields of a `VideoIndex` by name.
        packets: what it was made of.
        track: `track_ID` of the stream, to find its tables again.
    """
    values = {name: value for name, value in index.items() if name not in _OF_THE_FILE}
    if packets.start >= 0:
        part = [track, packets.start, len(packets.table.pts), packets.first_pts]
        values = {k: v for k, v in values.items() if not isinstance(v, np.ndarray)}
        values["tables"] = part
    stream, codec, extradata, depth, colors, base = values["config"]
    ticks = [base.numerator, base.denominator]
    config = [stream, codec, extradata.hex(), depth, colors, ticks]
    return {**values, "config": config, "form": values["form"].packed()}


def unpacked(path: Path, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fields that `packed` was given, without those of the file.

    Args:
        path: the file, for its tables.
        values: what was kept.

    Returns:
        `None` if these are not its values, or the tables are not those any more.
    """
    values = dict(values)
    try:
        stream, codec, extradata, depth, (spread, matrix), ticks = values["config"]
        values["config"] = StreamConfig(
            stream, codec, bytes.fromhex(extradata), depth, (spread, matrix), Fraction(*ticks)
        )
        values["form"] = PictureForm.unpacked(values["form"])
        values["joints"] = tuple(values["joints"])
        if "tables" in values:
            track, start, count, first_pts = values.pop("tables")
            whole = read_sample_table(path, track)
            if whole is None or len(whole.pts) < start + count:
                return None
            table = cut_table(whole, slice(start, start + count))
            frames = order_frames(table, first_pts, values["config"].codec)
            values |= index_arrays(table, table.pts, frames)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None
    return values
