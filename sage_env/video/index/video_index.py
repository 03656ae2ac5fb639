"""Which frames a video file holds, when each is shown, and where in the file it lies."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sage_env.errors import VideoError
from sage_env.video.deadline import Deadline
from sage_env.video.index.index_cache import load_cached, save_cached
from sage_env.video.index.mp4_claims import check_claims
from sage_env.video.index.mp4_crosscheck import SLICEABLE, read_tables
from sage_env.video.index.mp4_direct import open_directly
from sage_env.video.index.packet_scan import scan_packets
from sage_env.video.index.presentation_order import (
    PacketTable,
    PresentationOrder,
    cut_table,
    first_stray,
    order_frames,
)
from sage_env.video.index.sample_table import SampleTable, read_sample_table
from sage_env.video.index.stream import (
    REMEDY,
    StreamConfig,
    decoding_errors,
    open_container,
    stream_config_of,
    video_stream,
)

_EPSILON = 1e-6
"""Seconds by which a time may fall short of its frame: times are rounded on their way here (JSON,
text of an agent), and frames are thousands of times longer."""
_INDEXES_KEPT = 256
"""Indexes that a process remembers; an hour at 30 frames a second takes 5 MB. Not measured."""
_SCAN_TIMEOUT = 300.0
"""Seconds for one pass over a file: hours of video on a slow disk; then it is taken to hang."""
_LONGEST = 2.0**28
"""Seconds, 8.5 years: the times of a file that lasts longer are taken for damage."""
_ONE_FRAME = 0.04
"""Seconds that a lone frame counts as shown if nothing says how long: a frame of 25 a second."""
_WORTH_KEEPING = 0.1
"""Seconds of processor time; scans that took less are done anew, which costs about as much as
reading what was kept. Not measured."""
_LONG = 10_000
"""Frames; FFmpeg's demuxer takes long to open longer files that are not plain (10 ms for an hour),
so that what it said is kept."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """The N frames of one version of one file in presentation order, its K keyframes, M packets.

    Packets are numbered in decode order and include hidden ones, so that M is N or more. Integer
    arrays are int64; times are in ticks of `time_base` seconds.

    Attributes:
        path: the file, resolved.
        content_id: hex digits that name the content: a digest of its size, its modification time
            and five pieces of it.
        config: what the decoder has to be told, and seconds per tick.
        pts: `(N,)`, increasing: when each frame is shown.
        packet_of_frame: `(N,)`: the number of each frame's packet.
        key_pts: `(K,)`, increasing: when the frames are shown where decoding can start.
        key_dts: `(K,)`: the times to seek to in order to find them.
        key_packets: `(K,)`: the numbers of their packets.
        packet_pts: `(M,)`: when the frame of each packet is shown.
        packet_offset: `(M,)`: the byte of the file where each packet starts, if `sliceable`.
        packet_size: `(M,)`: bytes of each packet.
        packet_key: bool `(M,)`: whether decoding can start at each packet.
        open_gops: whether some packets after a keyframe are shown before it.
        sliceable: whether packets can be cut out of the file, without a demuxer.
        duration: seconds from the first frame's start to the last frame's end.
        height: of the picture as coded, before it is turned.
        width: of the picture as coded, before it is turned.
        quarter_turns: counter-clockwise turns by 90 degrees that show the picture upright.
        missing_frames: frames that the file announces but does not hold; above 0 it was cut short.
        joints: the numbers of the packets where times of the file start again, as in files
            joined byte by byte. Times here go on: see `continuous_times`. Empty for most files.
        counted: whether a demuxer's packets have to be counted from the start of the file, because
            their times are others than here, or others after a seek.
    """

    path: Path
    content_id: str
    config: StreamConfig
    pts: Integers
    packet_of_frame: Integers
    key_pts: Integers
    key_dts: Integers
    key_packets: Integers
    packet_pts: Integers
    packet_offset: Integers
    packet_size: Integers
    packet_key: NDArray[np.bool_]
    open_gops: bool
    sliceable: bool
    duration: float
    height: int
    width: int
    quarter_turns: int
    missing_frames: int
    joints: tuple[int, ...]
    counted: bool

    @property
    def time_base(self) -> Fraction:
        """Return the seconds per tick."""
        return self.config.time_base

    @property
    def size(self) -> tuple[int, int]:
        """Return `(H, W)` of the upright picture."""
        return (self.width, self.height) if self.quarter_turns % 2 else (self.height, self.width)

    @cached_property
    def _shown(self) -> NDArray[np.float64]:
        """Return when each frame is shown, float64 `(N,)`, seconds from the first one."""
        ticks = (self.pts - self.pts[0]).astype(np.float64)
        shown: NDArray[np.float64] = ticks * self.time_base.numerator / self.time_base.denominator
        return shown

    def seconds(self, frames: Integers) -> NDArray[np.float64]:
        """Return when frames are shown, float64 `(F,)`, seconds from the first frame of the video.

        Args:
            frames: int64 `(F,)`, their numbers, from 0.
        """
        return self._shown[frames]

    def frames_on_screen(self, seconds: NDArray[np.float64]) -> Integers:
        """Return the numbers of the frames on screen, int64 `(T,)`: the last shown by each time.

        Times before the first frame give the first, times after the last give the last. A time may
        fall short of its frame by a microsecond.

        Args:
            seconds: float64 `(T,)`, from the first frame.
        """
        return _last_at_or_before(self._shown, seconds + _EPSILON)

    def frames_from(self, seconds: NDArray[np.float64]) -> Integers:
        """Return the numbers of the first frames shown at or after each time, int64 `(T,)`.

        A time may be later than its frame by a microsecond; times after the last frame give it.

        Args:
            seconds: float64 `(T,)`, from the first frame.
        """
        numbers: Integers = self._shown.searchsorted(seconds - _EPSILON)
        return np.minimum(numbers, len(self.pts) - 1)

    def gops(self, frames: Integers) -> Integers:
        """Return the keyframe where the decoding of each frame has to start, int64 `(F,)`.

        That is the last keyframe *shown* at or before it, not the last before it in the file: the
        leading pictures of an open GOP follow a keyframe in the file, are shown before it, and
        reference the GOP before.

        Args:
            frames: int64 `(F,)`, their numbers, from 0.

        Returns:
            Places in `key_pts`; frames before the first keyframe have 0.
        """
        return _last_at_or_before(self.key_pts, self.pts[frames])


def _last_at_or_before(starts: NDArray[Any], times: NDArray[Any]) -> Integers:
    """Return for each time the number of the last start at or before it, 0 if there is none."""
    numbers: Integers = starts.searchsorted(times, side="right").astype(np.int64, copy=False)
    return np.maximum(numbers - 1, 0)


def read_index(path: str | Path) -> VideoIndex:
    """Return the index of a file; the indexes of the last 256 files are remembered.

    In this order:

    1. what an earlier run kept of the same content (`index_cache`);
    2. the tables of a plain MP4 or MOV file, alone (`mp4_direct`): milliseconds;
    3. the tables of other MP4 and MOV files, compared with FFmpeg's demuxer (`mp4_crosscheck`);
    4. one pass over all packets (`packet_scan`).

    The last is kept if it took long, the third for long files.

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
    return _remembered(os.fspath(resolved), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=_INDEXES_KEPT)
def _remembered(path: str, size: int, mtime_ns: int) -> VideoIndex:
    """Index one version of a file, in the order that `read_index` tells."""
    with decoding_errors(path, "reading it as a video"):
        content_id = _content_id(path, size, mtime_ns)
        kept = load_cached(content_id)
        if kept is not None and (unpacked := _unpacked(Path(path), content_id, kept)) is not None:
            return unpacked
        if (plain := open_directly(Path(path))) is not None:
            return _index(*plain, Path(path), content_id)
        check_claims(Path(path))
        with open_container(path) as container:
            stream = video_stream(container, path)
            began, packets = time.thread_time(), read_tables(container, stream, Path(path))
            if packets is None:
                packets = scan_packets(Path(path), Deadline.after(_SCAN_TIMEOUT))
            index = _index(stream_config_of(stream), packets, Path(path), content_id)
            scanned = packets.start < 0 and time.thread_time() - began > _WORTH_KEEPING
            if scanned or (packets.start >= 0 and len(packets.table.pts) >= _LONG):
                save_cached(content_id, _packed(index, packets, stream.id))
    return index


def _content_id(path: str, size: int, mtime_ns: int) -> str:
    """Return a digest of size, modification time, and five pieces of 4096 bytes, evenly spread.

    Reading a whole hour would take longer than opening it. Rewriting a file in place with the same
    size and time, and the same five pieces, goes unnoticed.
    """
    digest = hashlib.blake2b(f"{size} {mtime_ns}".encode(), digest_size=16)
    with open(path, "rb") as file:
        for part in range(5):
            file.seek(max(0, size - 4096) * part // 4)
            digest.update(file.read(4096))
    return digest.hexdigest()


def _index(config: StreamConfig, packets: PacketTable, path: Path, content_id: str) -> VideoIndex:
    """Return the index of a file whose packets were found."""
    table = packets.table
    frames = order_frames(table, packets.first_pts, config.codec)
    if not len(frames.pts) or not config.time_base:
        raise VideoError(f"{path}: its video stream holds no frame that can be decoded; {REMEDY}")
    if (stray := first_stray(table, packets.first_pts)) is not None:
        raise VideoError(f"{path}: packet {stray} has a time before the video begins; {REMEDY}")
    span = float((int(frames.pts[-1] - frames.pts[0]) + frames.last) * config.time_base)
    if span > _LONGEST:
        raise VideoError(f"{path}: its times say that it lasts {span:.3g} s; {REMEDY}")
    return VideoIndex(
        path=path,
        content_id=content_id,
        config=config,
        open_gops=table.open_gops,
        sliceable=packets.sliceable and config.codec in SLICEABLE,
        duration=span or _ONE_FRAME,
        height=packets.height,
        width=packets.width,
        quarter_turns=packets.quarter_turns,
        missing_frames=packets.missing_frames,
        counted=packets.counted or frames.packet_pts is not table.pts,
        joints=packets.joints,
        **_arrays(table, packets.dts, frames),
    )


def _arrays(table: SampleTable, dts: Integers, frames: PresentationOrder) -> dict[str, Any]:
    """Return the fields of an index that follow from its packets."""
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


def _packed(index: VideoIndex, packets: PacketTable, track: int) -> dict[str, Any]:
    """Return an index as arrays and plain values, for `index_cache`.

    Arrays that follow from the tables of the file are left out: those are read again.

    Args:
        index: the index.
        packets: what it was made of.
        track: `track_ID` of the stream, to find its tables again.
    """
    values = {field.name: getattr(index, field.name) for field in fields(index)}
    del values["path"], values["content_id"], values["config"]
    if packets.start >= 0:
        part = [track, packets.start, len(packets.table.pts), packets.first_pts]
        values = {k: v for k, v in values.items() if not isinstance(v, np.ndarray)}
        values["tables"] = part
    ticks = [index.time_base.numerator, index.time_base.denominator]
    stream, codec, extradata, depth, colors, _ = index.config
    return {**values, "config": [stream, codec, extradata.hex(), depth, colors, ticks]}


def _unpacked(path: Path, content_id: str, values: dict[str, Any]) -> VideoIndex | None:
    """Return the index that `_packed` took apart, `None` if these are not its values."""
    try:
        stream, codec, extradata, depth, (spread, matrix), ticks = values["config"]
        values["config"] = StreamConfig(
            stream, codec, bytes.fromhex(extradata), depth, (spread, matrix), Fraction(*ticks)
        )
        if "tables" in values:
            track, start, count, first_pts = values.pop("tables")
            whole = read_sample_table(path, track)
            if whole is None or len(whole.pts) < start + count:
                return None
            table = cut_table(whole, slice(start, start + count))
            frames = order_frames(table, first_pts, values["config"].codec)
            values |= _arrays(table, table.pts, frames)
        values["joints"] = tuple(values["joints"])
        return VideoIndex(path=path, content_id=content_id, **values)
    except (KeyError, TypeError, ValueError):
        return None
