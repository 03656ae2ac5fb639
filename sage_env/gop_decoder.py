"""Decodes chosen frames of one group of pictures (GOP): from its keyframe to the last of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

import av
from av.packet import Packet
from av.video.stream import VideoStream

from sage_env.errors import VideoError
from sage_env.video_index import (
    REMEDY,
    VideoIndex,
    decoding_errors,
    open_container,
    single_thread,
)

_BEFORE_ALL = -(2**63)


class GopDecoder:
    """An open file and its single-thread decoder, somewhere in the video.

    Attributes:
        decoded: frames that came out of the decoder so far.
    """

    def __init__(self, index: VideoIndex) -> None:
        """Open the file.

        Raises:
            VideoError: if it can no longer be opened.
        """
        self.decoded = 0
        self._index = index
        with decoding_errors(index.path, "opening it"):
            self._container = open_container(index.path)
        stream = self._container.streams[index.stream]
        assert isinstance(stream, VideoStream)
        self._stream = single_thread(stream)
        self._packets: Iterator[Packet[VideoStream]] = iter(())
        self._gop = -1  # the GOP that decoding is in, -1 for none
        self._fed = _BEFORE_ALL  # the latest PTS that went into the decoder, in ticks

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def read(self, gop: int, wanted: Sequence[int]) -> Iterator[av.VideoFrame]:
        """Yield the frames with the PTS `wanted`, in that order.

        Goes on from where the last call stopped if that is in the same GOP and before them.

        Args:
            gop: number of the keyframe to start from.
            wanted: increasing, in ticks, all shown at or after that keyframe.

        Raises:
            VideoError: if one of them does not come out of the decoder.
        """
        missing = list(reversed(wanted))
        with decoding_errors(self._index.path, f"decoding at {self._seconds(wanted[0]):.3f} s"):
            for start in (gop, 0):
                yield from self._take(start, missing)
                if not missing:
                    return
        raise VideoError(
            f"{self._index.path}: the frame at {self._seconds(missing[-1]):.3f} s does not decode; "
            f"{REMEDY}"
        )

    def _take(self, gop: int, missing: list[int]) -> Iterator[av.VideoFrame]:
        """Yield frames off the end of `missing`, until it is empty or one of them is passed.

        Nothing is yielded if the keyframe itself does not come out: it is no place to start then.
        Streams that refresh the picture little by little mark such; they are read from GOP 0.
        """
        goes_on = gop == self._gop and missing[-1] > self._fed
        if not goes_on:
            self._seek(gop)
        started = goes_on or gop == 0
        self._gop = -1  # until all went well: a decoder that failed is not gone on with
        for pts, frame in self._decode(frozenset(missing)):
            started = started or pts == self._index.key_pts[gop]
            if pts == missing[-1] and started and not frame.is_corrupt:
                missing.pop()
                yield frame
                if not missing:
                    self._gop = gop
                    return
            elif pts >= missing[-1]:
                return

    def _seek(self, gop: int) -> None:
        """Make the keyframe of a GOP the next packet; if seeking misses it, there is no next one.

        Many containers seek to somewhere before the keyframe: what lies between is not decoded.
        """
        key = int(self._index.key_pts[gop])
        self._container.seek(int(self._index.key_dts[gop]), stream=self._stream)
        packets = self._container.demux(self._stream)
        self._packets = chain(islice((p for p in packets if p.pts == key), 1), packets)
        self._fed = _BEFORE_ALL

    def _decode(self, wanted: frozenset[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield PTS and frame as they come out; what no other frame leans on, only if wanted."""
        context = self._stream.codec_context
        last = _BEFORE_ALL
        for packet in self._packets:
            if packet.pts is not None:  # the packet that ends the stream has none
                self._fed = max(self._fed, packet.pts)
            shown = packet.is_keyframe or packet.pts in wanted
            context.skip_frame = "DEFAULT" if shown else "NONREF"
            for frame in packet.decode():
                self.decoded += 1
                if frame.pts is None or frame.pts <= last:
                    raise VideoError(
                        f"{self._index.path}: presentation times that do not increase; {REMEDY}"
                    )
                last = frame.pts
                yield frame.pts, frame

    def _seconds(self, pts: int) -> float:
        """Return when a frame is shown, in seconds from the first one."""
        return float((pts - int(self._index.pts[0])) * self._index.time_base)
