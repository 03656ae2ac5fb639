"""The sound of a stretch of a video, mono at 16 kHz, by the video's own clock.

Time 0 is where `sage_env.video` has it: where the first of picture and sound begins. When a sample
is heard is told by the times of its frame, not by counting from the start of the file: sound may
begin after the picture, pause in the middle, or go on after the last frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import AudioFrame, AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from numpy.typing import NDArray

from sage_env.errors import VideoError
from sage_env.video.deadline import Deadline
from sage_env.video.index.stream import decoding_errors, open_container
from sage_env.video.index.video_index import VideoIndex, read_index

RATE = 16_000
"""Samples per second, as Whisper hears them."""
Samples = NDArray[np.float32]
"""Sound, float32 `(N,)` in [-1, 1], mono."""
_RUN_UP = 0.5
"""Seconds that are decoded before a stretch: codecs need some frames to settle. AAC needs 0.05."""
_ASIDE = ("comment", "visual_impaired", "hearing_impaired", "karaoke", "clean_effects")
"""Dispositions of tracks beside the main one."""


def zero_of(index: VideoIndex) -> Fraction:
    """Return the video's time 0 on the clock of the container, in seconds."""
    return int(index.pts[0]) * index.time_base - Fraction(index.lead)


def check_one_clock(index: VideoIndex) -> None:
    """Check that all streams of a file keep one clock from its start to its end.

    Raises:
        VideoError: if the times of the file start again in the middle, as in files that were joined
            byte by byte: which sound belongs to which picture is not known there.
    """
    if index.joints:
        raise VideoError(
            f"{index.path}: its times start again in the middle, so its sound cannot be placed: "
            "convert it with ffmpeg -i INPUT -c copy OUTPUT.mkv, or put subtitles beside it"
        )


def sound_stream(
    container: InputContainer, video: int, language: str | None = None
) -> AudioStream | None:
    """Return the audio stream to listen to; `None` in a video without sound.

    Of several: one in the wanted language, one that is no commentary or the like, the default one,
    that which FFmpeg calls best for the video stream, the first; in this order.

    Args:
        container: the opened file.
        video: number of the stream whose pictures are shown.
        language: wanted, as in `en`; `None` for any.
    """
    known = [stream for stream in container.streams.audio if stream.codec_context is not None]
    best = container.streams.best("audio", related=container.streams[video])
    aside = sum((Disposition[name] for name in _ASIDE), Disposition(0))

    def rank(stream: AudioStream) -> tuple[bool, bool, bool, bool, int]:
        return (
            not is_language(stream.language, language),
            bool(stream.disposition & aside),
            not stream.disposition & Disposition.default,
            stream is not best,
            stream.index,
        )

    return min(known, key=rank, default=None)


def is_language(tag: str | None, wanted: str | None) -> bool:
    """Return whether a tag such as `eng` or `en-US` may mean a wanted language such as `en`.

    Two letters and three are compared by the first two, which are the same for most languages; no
    tag, `und`, and no wish fit all.
    """
    if not tag or not wanted or tag.lower() == "und":
        return True
    return tag.lower()[:2] == wanted.lower()[:2]


def read_sound(
    path: Path, start: float, end: float, deadline: Deadline, language: str | None = None
) -> Samples | None:
    """Return the sound of `[start, end)`: float32 `(round((end - start) * 16000),)`.

    Where there is no sound, before it begins and after it ends, are zeros. Frames that are damaged
    are silent too.

    Args:
        path: of the video.
        start: seconds from the start of the video.
        end: seconds, after `start`.
        deadline: when to give up.
        language: of the stream that is wanted, if there are several.

    Returns:
        The samples; `None` if the video has no sound.

    Raises:
        VideoError: if the file cannot be read.
        DecodeTimeout: if it takes too long.
    """
    index = read_index(path, deadline)
    with (
        decoding_errors(path, "reading its sound"),
        open_container(index.path, deadline) as container,
    ):
        stream = sound_stream(container, index.config.stream, language)
        if stream is None:
            return None
        check_one_clock(index)
        canvas = _Canvas(start, end)
        for second, frame in _frames(container, stream, zero_of(index), start, end):
            deadline.check(f"{path}: reading its sound")
            canvas.put(second, frame)
    return canvas.samples()


def _frames(
    container: InputContainer, stream: AudioStream, zero: Fraction, start: float, end: float
) -> Iterator[tuple[float, AudioFrame]]:
    """Yield the frames that may sound in `[start, end)`, each with its time, in seconds."""
    origin = start - _RUN_UP
    if origin > 0:
        container.seek(_ticks(origin, stream, zero), stream=stream)
        first = next(_decoded(container, stream, zero), None)
        late = first is None or first[0] > start  # some containers can but guess where to go
        container.seek(0 if late else _ticks(origin, stream, zero), stream=stream)
    for second, frame in _decoded(container, stream, zero):
        if second >= end:
            return
        yield second, frame


def _ticks(second: float, stream: AudioStream, zero: Fraction) -> int:
    return int((Fraction(second) + zero) / (stream.time_base or 1))


def _decoded(
    container: InputContainer, stream: AudioStream, zero: Fraction
) -> Iterator[tuple[float, AudioFrame]]:
    """Yield decoded frames with their times; those without a time follow the one before."""
    reached = 0.0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:  # damage, by various numbers: silent, as what does not arrive
            continue
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                reached = float(frame.pts * frame.time_base - zero)
            yield reached, frame
            reached += frame.samples / frame.sample_rate


class _Canvas:
    """Samples put where they belong: one track of zeros for each rate that occurs."""

    def __init__(self, start: float, end: float) -> None:
        self._start, self._seconds = start, end - start
        self._tracks: dict[int, Samples] = {}
        self._mixers: dict[tuple[str, str, int], AudioResampler] = {}

    def put(self, second: float, frame: AudioFrame) -> None:
        """Put a frame at its time; what lies outside of the stretch is left out."""
        rate = frame.sample_rate
        if rate not in self._tracks:
            self._tracks[rate] = np.zeros(round(self._seconds * rate), np.float32)
        track, first = self._tracks[rate], round((second - self._start) * rate)
        if first >= len(track) or first + frame.samples <= 0:
            return
        sound = self._mono(frame)
        left, right = max(first, 0), min(first + len(sound), len(track))
        track[left:right] = sound[left - first : right - first]

    def samples(self) -> Samples:
        """Return the sum of the tracks at `RATE`."""
        total = np.zeros(round(self._seconds * RATE), np.float32)
        for rate, track in self._tracks.items():
            sound = track if rate == RATE else _resampled(track, rate)
            length = min(len(sound), len(total))
            total[:length] += sound[:length]
        return np.clip(total, -1.0, 1.0)

    def _mono(self, frame: AudioFrame) -> Samples:
        """Return a frame's channels mixed to one, as FFmpeg weighs them."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form not in self._mixers:
            self._mixers[form] = AudioResampler("flt", "mono", frame.sample_rate)
        frame.pts = None  # gaps are seen to here
        sound = np.clip(_joined(self._mixers[form].resample(frame)), -1.0, 1.0)
        return np.nan_to_num(sound, copy=False)  # floats may be anything: silent, as other damage


def _resampled(track: Samples, rate: int) -> Samples:
    """Return a track at `RATE`, through FFmpeg's resampler, which delays nothing."""
    frame = AudioFrame.from_ndarray(track.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
    return _joined([*resampler.resample(frame), *resampler.resample(None)])


def _joined(frames: Sequence[AudioFrame]) -> Samples:
    """Return the samples of frames of one channel, one after the other."""
    pieces = [frame.to_ndarray().reshape(-1).astype(np.float32) for frame in frames]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
