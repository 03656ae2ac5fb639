"""Decodes chosen frames: packets in, frames with their numbers out, whatever the source.

One decoder is one source of packets and one codec context, for one thread at a time. Its states:

- Cold: nothing is in the codec. A job seeks to its keyframe and feeds packets from there.
- Warm at packet n: the packets from a keyframe up to n - 1 were fed; some frames may be held back.
  A job whose packets all lie at n or after, in the same run of packets, resumes; for any other job
  the decoder is cold.
- Drained: the end-of-stream mark brought out what was held back. As cold, since FFmpeg takes no
  packet after the mark until its buffers are flushed.
- Faulty: a packet did not decode. As cold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.video.frame import PictureType

from sage_env.errors import VideoError
from sage_env.video.deadline import Deadline
from sage_env.video.decoding.decode_fault import DecodeFault, corrupt_frame
from sage_env.video.decoding.decode_plan import DecodeJob, plan_jobs
from sage_env.video.decoding.disposable_packets import disposable_test
from sage_env.video.decoding.packet_source import PacketSource, SourcePacket
from sage_env.video.index.picture_form import PictureForm
from sage_env.video.index.stream import GREY_FIRST, REMEDY, decoding_errors
from sage_env.video.index.video_index import VideoIndex

_BEFORE_ALL, _AFTER_ALL = -(2**63), 2**63 - 1
_HELD_BACK = 32
"""Packets fed beyond the last requested one to bring it out without the end-of-stream mark.

A decoder holds back at most 16 frames to put them in order (H.264, A.3.1: `MaxDpbFrames`; H.265,
A.4.2). Twice that leaves room for packets that bring out none; then the mark is sent after all.
"""

OnFrame = Callable[[int, av.VideoFrame, PictureForm], None]
"""Is shown each sound frame that comes out of a decoder: its PTS in ticks, the frame, its form."""


@dataclass(eq=False)
class _Targets:
    """The frames of one job that have not come out of the decoder yet.

    Attributes:
        missing: the requested frames that have not come out, by PTS.
        prefetch: frames to take along if they come out on the way, by PTS.
        start_pts: PTS of the keyframe that decoding started from.
        keyframe_out: whether that keyframe has come out; nothing before it can be trusted.
    """

    missing: dict[int, int]
    prefetch: dict[int, int]
    start_pts: int = _BEFORE_ALL
    keyframe_out: bool = False

    def take(self, pts: int) -> int | None:
        """Strike a frame off by its PTS and return its number; `None` if nobody waits for it."""
        number = self.missing.pop(pts, None)
        return self.prefetch.pop(pts, None) if number is None else number


class PacketDecoder:
    """A source of packets and a single-thread decoder, somewhere in the video.

    Attributes:
        decoded: frames that came out of the decoder so far.
        form: how the frame that came out last is shown.
    """

    def __init__(
        self, index: VideoIndex, source: PacketSource, on_frame: OnFrame | None = None
    ) -> None:
        """Decode nothing yet.

        Args:
            index: the frames of the video.
            source: its packets; closed with this decoder.
            on_frame: is shown every frame that comes out, requested or not.
        """
        self.decoded = 0
        self.form = index.form
        self._index = index
        self._source = source
        self._on_frame = on_frame
        self._context = source.context
        self._context.reorder_depth = index.config.reorder_depth
        self._is_disposable = disposable_test(index.config.codec, index.config.extradata)
        self._doing = f"{index.path}: decoding"
        self._untouched = True  # whether nothing, not even a mark, has gone into the codec
        self._warm = False  # whether packets `[_first, _next)` are in the codec, and no mark after
        self._first = 0  # the packet that decoding started from; kept when the decoder gets cold
        self._next = 0  # the packet to feed next
        self._last_pts = _BEFORE_ALL  # PTS of the frame that came out last
        # The shape of pixels from each keyframe on that was fed and has not come out, by PTS.
        self._aspects: dict[int, Fraction | None] = {}
        self._fault: DecodeFault | None = None
        self._undecoded: set[int] = set()  # PTS of packets that raised: what comes of them is none
        self._disposable: set[int] = set()  # PTS of those fed to which no other frame refers
        self._sound_from = _BEFORE_ALL  # PTS before which frames refer to one that is corrupt
        self._skip_flush = False  # whether to feed more packets instead of the end-of-stream mark

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def can_resume(self, job: DecodeJob) -> bool:
        """Return whether a job's frames all lie ahead of where decoding is, without a seek."""
        return self._warm and self._lies_ahead(job)

    def _lies_ahead(self, job: DecodeJob) -> bool:
        """Return whether the job could be resumed with, had the decoder not been drained."""
        if not self._first <= job.start < self._next:
            return False
        return all(int(self._index.packet_of_frame[frame]) >= self._next for frame in job.frames)

    def read(self, job: DecodeJob, deadline: Deadline) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield the frames of a job with their numbers, in presentation order.

        Those of `job.prefetch` are among them, as far as they come out before the last of
        `job.frames`.

        1. If the requested frames lie ahead of where the decoder is, feed on; else start at the
           job's keyframe.
        2. If that keyframe itself does not come out, or is none, start at the keyframe before; then
           at the start of the file. Intra-refresh streams need it: they mark recovery points (SEI
           message "recovery point", H.264, Annex D) as keyframes, which do not come out by
           themselves. Some writers call every frame one.
        3. Frames behind a packet that does not decode are read from the next keyframe, if they
           belong to it; the others are the error.

        Args:
            job: what to decode.
            deadline: when to give up.

        Raises:
            CorruptFrame: if a requested frame does not come out of the decoder.
            DecodeTimeout: if it takes too long.
            VideoError: if the file can no longer be read, or times in it do not increase.
        """
        targets = _Targets(self._by_pts(job.frames), self._by_pts(job.prefetch))
        resumes = self.can_resume(job)
        # The mark brings out what is held back at less cost than more packets do, but a drained
        # decoder cannot resume. So it is sent until the first job that could have resumed.
        self._skip_flush = not self._source.restarts_cheaply or self._lies_ahead(job)
        starts = [job.start, int(self._index.key_packets[max(job.gop - 1, 0)]), 0]
        first_fault: DecodeFault | None = None
        self._source.read_until(deadline)
        with decoding_errors(self._index.path, "reading it"):
            for start in starts:
                if not resumes:
                    self._restart(start)
                targets.start_pts = int(self._index.packet_pts[self._first])
                targets.keyframe_out = resumes or start == 0
                yield from self._decode(job.stop, targets, deadline)
                first_fault = first_fault or self._fault
                if targets.keyframe_out or not targets.missing:
                    break
                resumes = False
        if targets.missing:
            lost = tuple(sorted(targets.missing.values()))
            yield from self._recover_after_damage(job, lost, first_fault, deadline)

    def _by_pts(self, frames: tuple[int, ...]) -> dict[int, int]:
        return {int(self._index.pts[frame]): frame for frame in frames}

    def _restart(self, start: int) -> None:
        """Make a keyframe's packet the next one, with nothing in the codec."""
        if not self._untouched:
            self._context.flush_buffers()
            # FFmpeg raises the depth where frames come out of order. Each run begins with that of
            # the index, so that what comes out does not depend on what was decoded before.
            self._context.reorder_depth = self._index.config.reorder_depth
        self._untouched = False
        self._warm = False  # until the source is there
        self._source.seek(start)
        self._warm = True
        self._first = self._next = start
        self._last_pts, self._fault = _BEFORE_ALL, None
        self._undecoded.clear()
        self._disposable.clear()
        self._sound_from = _BEFORE_ALL
        self.form = self._index.form
        self._aspects.clear()

    def _decode(
        self, stop: int, targets: _Targets, deadline: Deadline
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield targets as they come out, until none is missing or nothing more comes."""
        try:
            for frames in self._outputs(stop, targets, deadline):
                # Each is let go of before the next: the codec then writes to memory that is still
                # in the processor's cache.
                while frames:
                    frame = frames.pop(0)
                    number = self._accept(frame, targets)
                    if number is not None:
                        yield number, frame
                    del frame
                if not targets.missing:
                    return
        except Exception:  # where a source or a codec failed, the next job starts anew
            self._warm = False
            raise

    def _outputs(
        self, stop: int, targets: _Targets, deadline: Deadline
    ) -> Iterator[list[av.VideoFrame]]:
        """Yield what comes out of the codec: packet by packet, in the end what it held back.

        Args:
            stop: the packet after that of the last requested frame.
            targets: what is waited for.
            deadline: looked at before each packet is taken: one that was taken has to be fed.
        """
        end = stop + (_HELD_BACK if self._skip_flush else 0)
        deadline.check(self._doing)
        for packet in self._source.packets(self._next, stop, end):
            frames = self._feed(packet, targets)
            if frames:
                yield frames
            if self._fault is not None:
                break
            deadline.check(self._doing)
        self._warm = False
        yield self._drain()

    def _feed(self, packet: SourcePacket, targets: _Targets) -> list[av.VideoFrame]:
        """Return what a packet brings out; disposable packets go in only if they are targets.

        What an error of the codec means depends on the packet:

        - Shown before the keyframe that decoding started from: nothing. Such a leading picture
          references frames that were not decoded.
        - Disposable, and fed for prefetch alone: nothing. No other frame references it.
        - Any other: a fault, where decoding stops.
        """
        number, pts, key, data, _, damage = packet
        if damage:
            self._fault = DecodeFault(number, damage)
            return []
        self._next = number + 1
        needed = key or pts in targets.missing
        disposable = False  # as its header says
        if self._is_disposable is None:  # headers of this codec do not say: left to FFmpeg
            self._context.skip_frame = "DEFAULT" if needed else "NONREF"
        elif not key and self._is_disposable(data):
            if not needed and pts not in targets.prefetch:
                return []
            disposable = True
            self._disposable.add(pts)
        try:
            frames = self._context.decode(packet.decodable())
            if key:  # the codec says it of the packet that went in last
                self._aspects[pts] = self._context.sample_aspect_ratio
            return frames
        except av.FFmpegError as error:
            self._undecoded.add(pts)
            if pts >= targets.start_pts and (needed or not disposable):
                reason = f"gives: {error.strerror or type(error).__name__}"
                self._fault = DecodeFault(number, reason)
            return []

    def _drain(self) -> list[av.VideoFrame]:
        """Return what the codec holds back, by the end-of-stream mark."""
        try:
            return self._context.decode(None)
        except av.FFmpegError:
            return []

    def _accept(self, frame: av.VideoFrame, targets: _Targets) -> int | None:
        """Return the number of a frame that came out, `None` if nobody waits for it.

        Raises:
            VideoError: if its time is not after that of the frame before: a frame with a wrong time
                is worse than none.
        """
        self.decoded += 1
        pts = frame.pts
        if pts is None or (pts <= self._last_pts and targets.keyframe_out):
            raise VideoError(
                f"{self._index.path}: presentation times that do not increase; {REMEDY}"
            )
        self._last_pts = pts
        if pts == targets.start_pts and self._can_begin(frame):
            targets.keyframe_out = True
        if frame.is_corrupt:
            self._distrust(frame)
        if pts in self._aspects:
            self.form = self._index.form.at_key(frame, self._aspects.pop(pts))
        damaged = frame.is_corrupt or pts < self._sound_from or pts in self._undecoded
        if damaged or not targets.keyframe_out:
            return None
        if self._on_frame is not None:
            self._on_frame(pts, frame, self.form)
        return targets.take(pts)

    def _can_begin(self, frame: av.VideoFrame) -> bool:
        """Return whether decoding can begin at a frame, as far as its decoder says.

        Those of H.264 and H.265 give out none before; Cinepak's and others do not say what it is.
        """
        if self._is_disposable is not None or frame.key_frame:
            return True
        return frame.pict_type == PictureType.NONE and self._context.name not in GREY_FIRST

    def _distrust(self, frame: av.VideoFrame) -> None:
        """Take no frame until the next keyframe after a corrupt one: they may refer to it.

        None refers to one that is disposable; where headers do not say which are, B pictures are.
        """
        if self._is_disposable is None:
            disposable = frame.pict_type == PictureType.B
        else:
            disposable = frame.pts in self._disposable
        if disposable or frame.pts is None:
            return
        keys = self._index.key_pts
        later = int(np.searchsorted(keys, frame.pts, side="right"))
        self._sound_from = int(keys[later]) if later < len(keys) else _AFTER_ALL

    def _recover_after_damage(
        self, job: DecodeJob, lost: tuple[int, ...], fault: DecodeFault | None, deadline: Deadline
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield those frames whose keyframe lies beyond the damage; raise for the others.

        Args:
            job: the job that met the damage.
            lost: its frames that did not come out.
            fault: where decoding stopped, `None` if it did not.
            deadline: when to give up.
        """
        if fault is not None:
            frames = np.array(lost, dtype=np.int64)
            beyond = frames[self._index.key_packets[self._index.gops(frames)] > fault.packet]
            for later in plan_jobs(self._index, beyond):
                if later.start > max(fault.packet, job.start):
                    lost = tuple(frame for frame in lost if frame not in later.frames)
                    yield from self.read(later, deadline)
        if lost:
            raise corrupt_frame(self._index, lost, fault)
