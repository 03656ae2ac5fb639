"""Which frames a video file holds, when each is shown, and where in the file it lies."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sage_env.errors import VideoError
from sage_env.storage.fingerprint import FileVersion, Fingerprint, version_of
from sage_env.storage.steady_file import FileChanged, SteadyFile
from sage_env.video.deadline import Deadline
from sage_env.video.index.content_kind import special_kind
from sage_env.video.index.index_cache import forget_cached, load_cached, save_cached
from sage_env.video.index.mp4_claims import check_claims
from sage_env.video.index.mp4_crosscheck import SLICEABLE, read_tables
from sage_env.video.index.mp4_direct import open_directly
from sage_env.video.index.packed_index import index_arrays, packed, unpacked
from sage_env.video.index.packet_scan import scan_packets
from sage_env.video.index.picture_form import PictureForm
from sage_env.video.index.presentation_order import (
    PacketTable,
    first_stray,
    lead_of,
    order_frames,
)
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
_OPEN_TIMEOUT = 300.0
"""Seconds for opening a file where the caller does not say: one pass over hours of video on a slow
disk; then it is taken to hang."""
_INDEXES_KEPT = 256
"""Indexes that a process remembers; an hour at 30 frames a second takes 5 MB. Not measured."""
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
        content_id: hex digits that name the content; see `Fingerprint.content_id`.
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
        lead: seconds from time 0 to the first frame: sound may begin before the picture.
        duration: seconds from time 0 to the last frame's end.
        height: of the first picture as coded.
        width: of the first picture as coded.
        form: how the first picture is shown, and every other of which nothing else is said.
        missing_frames: frames that the file announces but does not hold; above 0 it was cut short.
        joints: the numbers of the packets where times of the file start again, as in files
            joined byte by byte. Times here go on: see `continuous_times`. Empty for most files.
        counted: whether a demuxer's packets have to be counted from the start of the file, because
            their times are others than here, or others after a seek.
        fingerprint: the version of the file; `None` for whichever is there.
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
    lead: float
    duration: float
    height: int
    width: int
    form: PictureForm
    missing_frames: int
    joints: tuple[int, ...]
    counted: bool
    fingerprint: Fingerprint | None = None

    @property
    def time_base(self) -> Fraction:
        """Return the seconds per tick."""
        return self.config.time_base

    @property
    def size(self) -> tuple[int, int]:
        """Return `(H, W)` of the first picture on the screen: upright, in square pixels."""
        return self.form.shown(self.height, self.width)

    @cached_property
    def _shown(self) -> NDArray[np.float64]:
        """Return when each frame is shown, float64 `(N,)`, seconds from time 0."""
        ticks = (self.pts - self.pts[0]).astype(np.float64)
        shown: NDArray[np.float64] = ticks * self.time_base.numerator / self.time_base.denominator
        return shown + self.lead if self.lead else shown

    def seconds(self, frames: Integers) -> NDArray[np.float64]:
        """Return when frames are shown, float64 `(F,)`, seconds from time 0.

        Args:
            frames: int64 `(F,)`, their numbers, from 0.
        """
        return self._shown[frames]

    def frames_on_screen(self, seconds: NDArray[np.float64]) -> Integers:
        """Return the numbers of the frames on screen, int64 `(T,)`: the last shown by each time.

        Times before the first frame give the first, times after the last give the last. A time may
        fall short of its frame by a microsecond.

        Args:
            seconds: float64 `(T,)`, from time 0.
        """
        return _last_at_or_before(self._shown, seconds + _EPSILON)

    def frames_from(self, seconds: NDArray[np.float64]) -> Integers:
        """Return the numbers of the first frames shown at or after each time, int64 `(T,)`.

        A time may be later than its frame by a microsecond; times after the last frame give it.

        Args:
            seconds: float64 `(T,)`, from time 0.
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


def read_index(path: str | Path, deadline: Deadline | None = None) -> VideoIndex:
    """Return the index of a file; the indexes of the last 256 files are remembered.

    In this order:

    1. what an earlier run kept of the same content (`index_cache`);
    2. the tables of a plain MP4 or MOV file, alone (`mp4_direct`): milliseconds;
    3. the tables of other MP4 and MOV files, compared with FFmpeg's demuxer (`mp4_crosscheck`);
    4. one pass over all packets (`packet_scan`).

    The last is kept if it took long, the third for long files.

    The video stream is the one that FFmpeg calls best (more pixels, then more frames), not simply
    the first; cover art is not a video.

    Args:
        path: the file.
        deadline: when to give up; `None` for in 300 seconds.

    Raises:
        VideoError: if there is no such file, it holds no video that can be played, or it changes
            meanwhile.
        DecodeTimeout: if it takes too long.
    """
    try:
        resolved = Path(path).resolve(strict=True)
        status = resolved.stat()
    except (OSError, ValueError, RuntimeError) as error:
        raise VideoError(f"{path}: cannot read this video file ({error}); check the path") from None
    if special := special_kind(status):
        raise VideoError(
            f"{path}: expected a video file, got {special}: neither a folder nor a device is one"
        )
    if status.st_size == 0:
        raise VideoError(f"{path}: the file is empty; download or make it again")
    deadline = deadline or Deadline.after(_OPEN_TIMEOUT)
    return _remembered(_Opening(os.fspath(resolved), version_of(status), deadline))


@dataclass(frozen=True)
class _Opening:
    """One version of a file, and when to give up reading it, which makes no other version."""

    path: str
    version: FileVersion
    deadline: Deadline = field(compare=False)


@lru_cache(maxsize=_INDEXES_KEPT)
def _remembered(opening: _Opening) -> VideoIndex:
    """Index one version of a file, in the order that `read_index` tells.

    The file is opened several times on the way, by name: what was found is thrown away if the name
    leads to another version in the end.
    """
    path, version = opening.path, opening.version
    with decoding_errors(path, "reading it as a video"):
        file = SteadyFile(Path(path))
        try:
            found = file.fingerprint
            kept = load_cached(found.content_id)
            index = None if kept is None else _unpacked(Path(path), found.content_id, kept)
            if kept is not None and index is None:
                forget_cached(found.content_id)
            to_keep = None
            if index is None:
                index, to_keep = _made(path, found.content_id, opening.deadline)
            file.check()
            found = file.fingerprint  # of the same content; a name, or permissions, may be new
            versions = found.version, version_of(os.stat(path))
            if any(one.content != version.content for one in versions):
                raise FileChanged(errno.ESTALE, "it changed while it was opened: open it again")
            if to_keep is not None:
                save_cached(found.content_id, to_keep)
        finally:
            file.close()
    return replace(index, fingerprint=found)


def _made(
    path: str, content_id: str, deadline: Deadline
) -> tuple[VideoIndex, dict[str, Any] | None]:
    """Return the index of a file, and what of it is worth keeping, `None` if nothing is.

    Args:
        path: the file.
        content_id: of its version.
        deadline: when to give up.
    """
    if (plain := open_directly(Path(path))) is not None:
        return _index(*plain, Path(path), content_id), None
    check_claims(Path(path))
    with open_container(path, deadline) as container:
        stream = video_stream(container, path)
        config = stream_config_of(stream)  # before anything is decoded, which may change it
        began = time.thread_time()
        packets = read_tables(container, stream, Path(path), deadline)
        if packets is None:
            packets = scan_packets(Path(path), deadline)
        index = _index(config, packets, Path(path), content_id)
        scanned = packets.start < 0 and time.thread_time() - began > _WORTH_KEEPING
        if scanned or (packets.start >= 0 and len(packets.table.pts) >= _LONG):
            values = {field.name: getattr(index, field.name) for field in fields(index)}
            return index, packed(values, packets, stream.id)
    return index, None


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
    lead = lead_of(int(frames.pts[0]) * config.time_base, packets.others_start)
    return VideoIndex(
        path=path,
        content_id=content_id,
        config=config,
        open_gops=table.open_gops,
        sliceable=packets.sliceable and config.codec in SLICEABLE,
        lead=lead,
        duration=lead + (span or _ONE_FRAME),
        height=packets.height,
        width=packets.width,
        form=packets.form,
        missing_frames=packets.missing_frames,
        counted=packets.counted or frames.packet_pts is not table.pts,
        joints=packets.joints,
        **index_arrays(table, packets.dts, frames),
    )


def _unpacked(path: Path, content_id: str, kept: dict[str, Any]) -> VideoIndex | None:
    """Return the index of which these values were kept, `None` if they are of none."""
    values = unpacked(path, kept)
    try:
        return None if values is None else VideoIndex(path=path, content_id=content_id, **values)
    except TypeError:  # other fields
        return None
