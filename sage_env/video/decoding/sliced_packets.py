"""Packets cut out of the file by offset and size: no demuxer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import av
from av.video.codeccontext import VideoCodecContext

from sage_env.storage.steady_file import SteadyFile
from sage_env.video.deadline import Deadline
from sage_env.video.decoding.packet_source import SourcePacket
from sage_env.video.index.stream import decoding_errors, prepare_decoder
from sage_env.video.index.video_index import VideoIndex

_CHUNK = 2**20
"""Most bytes that are read in one go: bounds memory where a job spans a long GOP of large frames.

Not measured; a GOP of the benchmark's clips at 640x360 fits. Revisit for 4K.
"""
_EMPTY = memoryview(b"")
_CUT = "is no longer in the file, which has become shorter"


class SlicedPackets:
    """The packets of a sliceable file. A `PacketSource`.

    The file is read, not mapped: if somebody cut a mapped file short meanwhile, the process would
    be killed. It is a `SteadyFile`: one that is written over meanwhile is an error.
    """

    restarts_cheaply = True

    def __init__(self, index: VideoIndex) -> None:
        """Open the file, and make its decoder of what the index says.

        Raises:
            VideoError: if it can no longer be opened, or is another version than that of the index.
        """
        self._index = index
        with decoding_errors(index.path, "opening it"):
            self._file = SteadyFile(index.path, index.fingerprint)
            context = av.CodecContext.create(index.config.codec, "r")
        self.context = cast(VideoCodecContext, context)
        prepare_decoder(self.context, strict=not index.open_gops)
        self.context.extradata = index.config.extradata or None
        self.context.color_range, self.context.colorspace = index.config.colors
        self._chunk, self._chunk_at = _EMPTY, 0  # what was read of the file last, and its offset

    def read_until(self, deadline: Deadline) -> None:
        """Do nothing: each read is short."""

    def seek(self, packet: int) -> None:
        """Do nothing: `packets` finds each packet by its offset."""

    def packets(self, first: int, stop: int, end: int) -> Iterator[SourcePacket]:
        """Yield the packets `[first, end)`; see `PacketSource`.

        Args:
            first: number of the first packet.
            stop: the packet before which the file is read in one go.
            end: the packet after the last.
        """
        index = self._index
        columns = index.packet_pts, index.packet_key, index.packet_offset, index.packet_size
        # Python's own numbers: four NumPy scalars a packet take longer than all else here.
        rows = zip(*(column[first:end].tolist() for column in columns), strict=True)
        for number, (pts, key, offset, size) in enumerate(rows, first):
            data = self._slice(offset, size, max(number, stop - 1))
            fault = "" if len(data) == size else _CUT
            yield SourcePacket(number, pts, key, data, None, fault)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _slice(self, offset: int, size: int, last: int) -> memoryview:
        """Return bytes of the file, fewer if it is shorter; read up to packet `last` if need be."""
        start = offset - self._chunk_at
        if start < 0 or start + size > len(self._chunk):
            end = int(self._index.packet_offset[last] + self._index.packet_size[last])
            nbytes = max(size, min(end - offset, _CHUNK))
            self._chunk = memoryview(self._file.read_at(offset, nbytes))
            self._chunk_at, start = offset, 0
        return self._chunk[start : start + size]
