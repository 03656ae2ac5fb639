"""Decodes chosen frames from packets cut out of the file: no demuxer, one warm decoder."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple, cast

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from sage_env.errors import CorruptFrame, VideoError
from sage_env.video.deadline import Deadline
from sage_env.video.decoding.decode_plan import DecodeJob, plan_jobs
from sage_env.video.decoding.disposable_packets import disposable_test
from sage_env.video.index.stream import REMEDY, decoding_errors, prepare_decoder
from sage_env.video.index.video_index import VideoIndex

_BEFORE_ALL = -(2**63)
_CHUNK = 2**20  # bytes
_HELD_BACK = 32  # packets; no codec puts more pictures in order

OnFrame = Callable[[int, av.VideoFrame], None]
"""Is shown each frame that comes out of the decoder: its PTS in ticks, and the frame."""


class DecodeFault(NamedTuple):
    """Where decoding stopped.

    Attributes:
        packet: number of the packet, in order of decoding.
        reason: FFmpeg's word for it.
    """

    packet: int
    reason: str


class _Packet(NamedTuple):
    """A packet: its number, its PTS, whether it is a keyframe's, its bytes if they are there."""

    number: int
    pts: int
    key: bool
    content: memoryview | None


class GopDecoder:
    """An open file and a single-thread decoder, somewhere in the video.

    A picture is read into memory of its own: were the file mapped, and cut short by someone
    meanwhile, the process would be killed.

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
            self._file = open(index.path, "rb", buffering=0)
            context = av.CodecContext.create(index.config.codec, "r")
        self._context = cast(VideoCodecContext, context)
        prepare_decoder(self._context, strict=not index.open_gops)
        self._context.extradata = index.config.extradata or None
        self._context.reorder_depth = index.config.reorder_depth
        self._context.color_range, self._context.colorspace = index.config.colors
        self._doing = f"{index.path}: decoding"
        self._chunk, self._chunk_at = memoryview(b""), 0  # what was read of the file last
        self._started = -1  # the packet where decoding began, -1 for nowhere
        self._next = 0  # the packet to go on with
        self._last = _BEFORE_ALL  # PTS of the frame that came out last
        self._is_disposable = disposable_test(index.config.codec, index.config.extradata)
        self._fault: DecodeFault | None = None
        self._began = 0  # the packet where decoding had begun before the end-of-stream mark
        self._skip_flush = False  # whether to do without that mark
        self._prefetched: dict[int, int] = {}  # frames by PTS, taken along if they come out

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def can_resume(self, job: DecodeJob) -> bool:
        """Return whether a job's frames all lie ahead of where decoding is, in the same GOP."""
        return self._started >= 0 and self._could_resume(job)

    def _could_resume(self, job: DecodeJob) -> bool:
        """Return the same as if the last job had not ended with the end-of-stream mark."""
        if not self._began <= job.start < self._next:
            return False
        return all(int(self._index.packet_of_frame[frame]) >= self._next for frame in job.frames)

    def read(self, job: DecodeJob, deadline: Deadline) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield the frames of a job with their numbers, in order of presentation.

        Those of `job.prefetch` among them, as far as they come out before the last wanted one.

        Goes on from where the last job stopped if it can. Streams that refresh the picture little
        by little mark keyframes that do not come out: they are decoded from the start of the file.

        Raises:
            CorruptFrame: if one of them does not come out of the decoder.
            DecodeTimeout: if it takes too long.
            VideoError: if the file can no longer be read.
        """
        missing = {int(self._index.pts[frame]): frame for frame in job.frames}
        self._prefetched = {int(self._index.pts[frame]): frame for frame in job.prefetch}
        starts = [job.start, int(self._index.key_packets[max(job.gop - 1, 0)]), 0]
        if self.can_resume(job):
            starts[0] = self._started
        else:
            self._started = -1
        # Staying where it is costs some packets: done once it would have been of use.
        self._skip_flush = self._could_resume(job)
        with decoding_errors(self._index.path, "reading it"):
            faults = []
            for start in starts:
                keyframe_out = yield from self._take(start, job.stop, missing, deadline)
                faults += [] if self._fault is None else [self._fault]
                if keyframe_out or not missing:
                    break
        if missing:
            lost = tuple(sorted(missing.values()))
            yield from self._recover_after_damage(
                job, lost, faults[0] if faults else None, deadline
            )

    def _recover_after_damage(
        self, job: DecodeJob, lost: tuple[int, ...], fault: DecodeFault | None, deadline: Deadline
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield those frames that start at a keyframe beyond the damage; raise for the others."""
        if fault is not None:
            frames = np.array(lost, dtype=np.int64)
            apart = frames[self._index.key_packets[self._index.gops(frames)] > fault.packet]
            for later in plan_jobs(self._index, apart):
                if later.start > max(fault.packet, job.start):
                    lost = tuple(frame for frame in lost if frame not in later.frames)
                    yield from self.read(later, deadline)
        if lost:
            raise self._corrupt(lost, fault)

    def _take(
        self, start: int, stop: int, missing: dict[int, int], deadline: Deadline
    ) -> Generator[tuple[int, av.VideoFrame], None, bool]:
        """Yield frames while taking them out of `missing`; return whether `start` was a good one.

        Nothing is yielded until the keyframe itself has come out: it is no place to start before.
        """
        keyframe_out = start == 0 or start == self._started
        key = int(self._index.packet_pts[start])
        for frame in self._frames(start, stop, missing, deadline):
            pts = cast(int, frame.pts)
            keyframe_out = keyframe_out or pts == key
            if not keyframe_out or frame.is_corrupt:
                continue
            if self._on_frame is not None:
                self._on_frame(pts, frame)
            if pts in missing:
                yield missing.pop(pts), frame
            elif pts in self._prefetched:
                yield self._prefetched.pop(pts), frame
        return keyframe_out

    def _frames(
        self, start: int, stop: int, missing: dict[int, int], deadline: Deadline
    ) -> Iterator[av.VideoFrame]:
        """Yield what comes out, up to the last of `missing` or to a packet that does not decode."""
        if start != self._started:
            self._restart(start)
        start_pts = int(self._index.packet_pts[start])
        # The end-of-stream mark brings out what is held back at less cost than more packets do.
        for sample in self._samples(stop + (_HELD_BACK if self._skip_flush else 0), stop):
            deadline.check(self._doing)
            frames = self._feed(sample, missing, start_pts)
            if frames:
                yield from self._in_pts_order(frames, missing, start_pts)
                if not missing:
                    return
            if self._fault is not None:
                break
        self._started = -1  # a decoder that was drained cannot be gone on with
        yield from self._in_pts_order(self._drain(), missing, start_pts)

    def _restart(self, start: int) -> None:
        """Make a packet the next one, with nothing in the decoder."""
        if self._last != _BEFORE_ALL or self._next or self._fault is not None:
            self._context.flush_buffers()
            self._context.reorder_depth = self._index.config.reorder_depth
        self._started = self._began = self._next = start
        self._last, self._fault = _BEFORE_ALL, None

    def _samples(self, end: int, stop: int) -> Iterator[_Packet]:
        """Yield packets from the next one to before `end`; the file is read in one go to `stop`."""
        index, first = self._index, self._next
        columns = index.packet_pts, index.packet_key, index.packet_offset, index.packet_size
        rows = zip(*(column[first:end].tolist() for column in columns), strict=True)
        for number, (pts, key, at, size) in enumerate(rows, first):
            yield _Packet(number, pts, key, self._bytes(at, size, max(number, stop - 1)))

    def _feed(
        self, sample: _Packet, missing: dict[int, int], start_pts: int
    ) -> list[av.VideoFrame]:
        """Decode one packet; what no other frame leans on, only if it is wanted or welcome."""
        number, pts, key, content = sample
        if content is None:
            self._fault = DecodeFault(number, "is no longer in the file, which has become shorter")
            return []
        self._next = number + 1
        wanted = key or pts in missing
        spare = False  # whether no other frame leans on this one, which is not wanted either
        if self._is_disposable is None:
            self._context.skip_frame = "DEFAULT" if wanted else "NONREF"
        elif not wanted and self._is_disposable(content):
            if pts not in self._prefetched:
                return []
            spare = True
        packet = cast("Packet[VideoStream]", Packet(cast(bytes, content)))  # with padding
        packet.pts, packet.is_keyframe = pts, key
        try:
            return self._context.decode(packet)
        except av.FFmpegError as error:
            # Leading pictures of the first keyframe lean on what was not decoded.
            if pts >= start_pts and not spare:
                self._fault = DecodeFault(
                    number, f"gives: {error.strerror or type(error).__name__}"
                )
            return []

    def _bytes(self, at: int, size: int, last: int) -> memoryview | None:
        """Return bytes of the file, which is read up to packet `last`; `None` if it is shorter."""
        start = at - self._chunk_at
        if start < 0 or start + size > len(self._chunk):
            end = int(self._index.packet_offset[last] + self._index.packet_size[last])
            self._file.seek(at)
            self._chunk = memoryview(self._file.read(max(size, min(end - at, _CHUNK))))
            self._chunk_at, start = at, 0
        content = self._chunk[start : start + size]
        return content if len(content) == size else None

    def _drain(self) -> list[av.VideoFrame]:
        """Return what the decoder holds back."""
        try:
            return self._context.decode(None)
        except av.FFmpegError:
            return []

    def _in_pts_order(
        self, frames: list[av.VideoFrame], missing: dict[int, int], start_pts: int
    ) -> Iterator[av.VideoFrame]:
        """Yield those of the frames that came out which matter; the times of all must increase.

        The others are let go of at once: the decoder then writes to memory that is still cached.
        """
        while frames:
            frame = frames.pop(0)
            self.decoded += 1
            if frame.pts is None or frame.pts <= self._last:
                self._started = -1
                raise VideoError(
                    f"{self._index.path}: presentation times that do not increase; {REMEDY}"
                )
            self._last = frame.pts
            matters = frame.pts in missing or frame.pts in self._prefetched
            if matters or self._on_frame is not None or frame.pts == start_pts:
                yield frame

    def _time(self, number: int) -> str:
        ticks = int(self._index.packet_pts[number]) - int(self._index.pts[0])
        return f"{float(ticks * self._index.time_base):.3f} s"

    def _corrupt(self, frames: tuple[int, ...], fault: DecodeFault | None) -> CorruptFrame:
        """Return the error for frames that did not come out."""
        seconds = float(self._index.seconds(np.array(frames[:1]))[0])
        why = "it does not come out of the decoder"
        if fault is not None:
            why = f"packet {fault.packet}, for {self._time(fault.packet)}, {fault.reason}"
        return CorruptFrame(
            f"{self._index.path}: the frame at {seconds:.3f} s does not decode ({why}); {REMEDY}, "
            'or take the nearest good frame: frames_at(..., on_error="nearest")',
            seconds,
            None if fault is None else fault.packet,
            frames,
        )
