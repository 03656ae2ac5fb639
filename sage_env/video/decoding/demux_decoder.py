"""Decodes chosen frames through FFmpeg's demuxer: for packets that cannot be cut out of a file."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import chain, islice
from typing import cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

from sage_env.errors import CorruptFrame, VideoError
from sage_env.video.deadline import Deadline
from sage_env.video.decoding.decode_plan import DecodeJob
from sage_env.video.decoding.disposable_packets import disposable_test
from sage_env.video.decoding.gop_decoder import OnFrame
from sage_env.video.index.stream import REMEDY, decoding_errors, open_container, prepare_decoder
from sage_env.video.index.video_index import VideoIndex

_BEFORE_ALL = -(2**63)


class DemuxDecoder:
    """An open container and its single-thread decoder, somewhere in the video.

    Does what `GopDecoder` does, for transport and program streams and the like.

    Attributes:
        decoded: frames that came out of the decoder so far.
    """

    def __init__(self, index: VideoIndex, on_frame: OnFrame | None = None) -> None:
        """Open the file.

        Raises:
            VideoError: if it can no longer be opened.
        """
        self.decoded = 0
        self._index = index
        self._on_frame = on_frame
        with decoding_errors(index.path, "opening it"):
            self._container = open_container(index.path)
        self._stream = cast(VideoStream, self._container.streams[index.config.stream])
        self._context = self._stream.codec_context
        prepare_decoder(self._context, strict=not index.open_gops)
        self._packets: Iterator[Packet[VideoStream]] = iter(())
        self._gop = -1  # the GOP that decoding is in, -1 for none
        self._fed = _BEFORE_ALL  # the latest PTS that went into the decoder, in ticks
        self._fault = ""
        self._doing = f"{index.path}: decoding"
        self._is_disposable = disposable_test(index.config.codec, index.config.extradata)

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def can_resume(self, job: DecodeJob) -> bool:
        """Return whether a job's frames are all shown after what was decoded, in the same GOP."""
        return job.gop == self._gop and int(self._index.pts[job.frames[0]]) > self._fed

    def read(self, job: DecodeJob, deadline: Deadline) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield the frames of a job with their numbers, in order of presentation.

        Raises:
            CorruptFrame: if one of them does not come out of the decoder.
            DecodeTimeout: if it takes too long.
            VideoError: if the file can no longer be read.
        """
        missing = {int(self._index.pts[frame]): frame for frame in job.frames}
        with decoding_errors(self._index.path, "reading it"):
            for gop in (job.gop, max(job.gop - 1, 0), 0):
                if (yield from self._take(job, gop, missing, deadline)) or not missing:
                    break
        if missing:
            lost = tuple(sorted(missing.values()))
            seconds = float((min(missing) - int(self._index.pts[0])) * self._index.time_base)
            raise CorruptFrame(
                f"{self._index.path}: the frame at {seconds:.3f} s does not decode "
                f"({self._fault or 'it does not come out of the decoder'}); {REMEDY}, or take the "
                'nearest good frame: frames_at(..., on_error="nearest")',
                seconds,
                frames=lost,
            )

    def _take(
        self, job: DecodeJob, gop: int, missing: dict[int, int], deadline: Deadline
    ) -> Generator[tuple[int, av.VideoFrame], None, bool]:
        """Yield frames while taking them out of `missing`; return whether the start was a good one.

        Nothing is yielded if the keyframe itself does not come out: it is no place to start then.
        Streams that refresh the picture little by little mark such; they are read from GOP 0.
        """
        goes_on = gop == job.gop and self.can_resume(job)
        if not goes_on:
            self._seek(gop)
        keyframe_out = goes_on or gop == 0
        welcome = {int(self._index.pts[frame]): frame for frame in job.prefetch}
        self._gop = -1  # until all went well: a decoder that failed is not gone on with
        for pts, frame in self._decode(missing, deadline):
            keyframe_out = keyframe_out or pts == self._index.key_pts[gop]
            if keyframe_out and not frame.is_corrupt:
                if self._on_frame is not None:
                    self._on_frame(pts, frame)
                if pts in missing:
                    yield missing.pop(pts), frame
                elif pts in welcome:
                    yield welcome.pop(pts), frame
            if not missing:
                self._gop = gop
                break
            if pts >= max(missing):
                break
        return keyframe_out

    def _seek(self, gop: int) -> None:
        """Make the keyframe of a GOP the next packet; if seeking misses it, there is no next one.

        Many containers seek to somewhere before the keyframe: what lies between is not decoded.
        """
        key = int(self._index.key_pts[gop])
        self._container.seek(int(self._index.key_dts[gop]), stream=self._stream)
        self._context.reorder_depth = self._index.config.reorder_depth
        packets = self._container.demux(self._stream)
        self._packets = chain(islice((p for p in packets if p.pts == key), 1), packets)
        self._fed, self._fault = _BEFORE_ALL, ""

    def _decode(
        self, missing: dict[int, int], deadline: Deadline
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield PTS and frame as they come out; what no other frame leans on, only if wanted."""
        last, first = _BEFORE_ALL, self._fed
        for packet in self._packets:
            deadline.check(self._doing)
            if packet.pts is not None:  # the packet that ends the stream has none
                first = packet.pts if first == _BEFORE_ALL else first
                self._fed = max(self._fed, packet.pts)
            wanted = packet.is_keyframe or packet.pts in missing or not packet.size
            if self._is_disposable is None:
                self._context.skip_frame = "DEFAULT" if wanted else "NONREF"
            elif not wanted and self._is_disposable(memoryview(packet)):
                continue
            for frame in self._frames(packet, first):
                self.decoded += 1
                if frame.pts is None or frame.pts <= last:
                    raise VideoError(
                        f"{self._index.path}: presentation times that do not increase; {REMEDY}"
                    )
                last = frame.pts
                yield frame.pts, frame
            if self._fault:
                return

    def _frames(self, packet: Packet[VideoStream], first: int) -> list[av.VideoFrame]:
        """Return what a packet brings out; after a damaged one, what was held back before it."""
        try:
            if not packet.is_corrupt:
                return packet.decode()
            reason = "damaged"
        except av.FFmpegError as error:
            if packet.pts is not None and packet.pts < first:
                return []  # leading pictures of the first keyframe lean on what was not decoded
            reason = error.strerror or type(error).__name__
        self._fault = f"the packet at byte {packet.pos} of the file: {reason}"
        try:
            return self._context.decode(None)
        except av.FFmpegError:
            return []
