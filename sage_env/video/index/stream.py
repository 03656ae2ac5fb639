"""Opening a video file with FFmpeg: which stream to play, how its decoder is set up, what fails."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sage_env.errors import DecodeTimeout, VideoError
from sage_env.storage.steady_file import FileChanged, SteadyFile
from sage_env.video.deadline import Deadline
from sage_env.video.index.content_kind import STILL, content_kind

MAX_PIXELS = 2**26
"""Most pixels of one picture (8192 x 8192); a header that claims more is not believed.

Bounds memory: such a picture is 200 MB of RGB. Revisit when 16K video comes up.
"""
FORMATS = (
    "mov",  # and mp4, m4v, 3gp, 3g2
    "matroska",  # and webm
    "avi",
    "mpegts",  # and m2ts, mts
    "mpeg",  # and mpg, vob
    "mpegvideo",
    "m4v",
    "h264",
    "hevc",
    "obu",
    "flv",
    "asf",  # and wmv
    "ogg",  # and ogv
    "mxf",
    "gif",
    "nut",
    "ivf",
    "dv",
    "rm",
    "yuv4mpegpipe",
)
"""FFmpeg's names of the formats that are opened: those of cameras, of broadcasting and of the web.

All of them hold their pictures themselves. What others hold is not what a question is about (text,
still pictures, subtitles), or they name other files and addresses to read (playlists, scripts,
session descriptions), which would be an open door to a machine that plays a stranger's dataset.
"""
SUFFIXES = "mp4, mov, mkv, webm, avi, ts, mpg, flv, wmv, ogv, mxf, gif, …"
_LEAST_WAIT = 0.1
"""Seconds that FFmpeg gets to open a file, however late it is: with less, sound files would fail
for want of processor time. Not measured."""
REMEDY = "check that the file is whole, or convert it: ffmpeg -i INPUT -c:v libx264 OUTPUT.mp4"
GREY_FIRST = frozenset(
    "mpeg1video mpeg2video mpeg4 h263 h263i h263p flv msmpeg4v1 msmpeg4v2 msmpeg4 wmv1 wmv2 wmv3 "
    "vc1 rv10 rv20 rv30 rv40".split()
)
"""FFmpeg's decoders that may give out a grey picture, of no type, where what one refers to is not
there."""
_TIMES_OF_DECODING = {
    "asf": {"h264", "hevc", "mpeg1video", "mpeg2video"},
    "mxf": {"h264", "hevc"},
}
"""Codecs of which these containers hold, or FFmpeg's demuxers find, times of decoding alone."""
# FFmpeg's decoders that conceal damage without a word unless told to report it.
_STRICT = {"h264", "hevc"}


class StreamConfig(NamedTuple):
    """Configuration of a decoder for one stream, and the unit of its packets' times.

    Attributes:
        stream: number of the stream in the container.
        codec: name of FFmpeg's decoder.
        extradata: the decoder's configuration record, which stands beside the packets.
        reorder_depth: how many frames the decoder holds back to put them in order.
        colors: range and matrix of the colours, by FFmpeg's numbers, as the container says.
        time_base: seconds per tick.
    """

    stream: int
    codec: str
    extradata: bytes
    reorder_depth: int
    colors: tuple[int, int]
    time_base: Fraction


def stream_config_of(stream: VideoStream) -> StreamConfig:
    """Return the configuration of a stream that FFmpeg has opened."""
    context = stream.codec_context
    return StreamConfig(
        stream.index,
        context.name,
        context.extradata or b"",
        context.reorder_depth,
        (int(context.color_range), int(context.colorspace)),
        stream.time_base or Fraction(0),
    )


@contextmanager
def decoding_errors(path: str | Path, doing: str) -> Iterator[None]:
    """Turn errors of FFmpeg and of the file system into a `VideoError` that names the file.

    Args:
        path: the file.
        doing: what the block does, for the message: "opening it".

    Raises:
        DecodeTimeout: if FFmpeg gave up because the time for opening or reading was over.
        VideoError: if the block raises one of them.
    """
    try:
        yield
    except FileChanged as error:
        raise VideoError(f"{path}: {error.strerror}") from error
    except av.error.ExitError as error:
        raise DecodeTimeout(f"{path}: {doing} took longer than the time allowed for it") from error
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or type(error).__name__
        raise VideoError(f"{path}: {doing} failed ({reason}); {REMEDY}") from error


def open_container(file: str | Path | SteadyFile, deadline: Deadline) -> InputContainer:
    """Open a video file for reading; tags in an unknown encoding are no error.

    FFmpeg may take it for one of `FORMATS` only, and open no other file that it names.

    Args:
        file: an open one, or an absolute path: FFmpeg would take others, such as `concat:a|b`, for
            addresses.
        deadline: when to give up opening it; reading it later may take as long each time.

    Raises:
        VideoError: if it is no video of these formats.
        av.FFmpegError, OSError: if it cannot be read; see `decoding_errors`.
    """
    path = file.name if isinstance(file, SteadyFile) else os.fspath(file)
    source = file if isinstance(file, SteadyFile) else path
    waits = (
        None
        if deadline.seconds == math.inf
        else (max(deadline.left, _LEAST_WAIT), deadline.seconds)
    )
    options = {
        "format_whitelist": ",".join(FORMATS),
        "protocol_whitelist": "file",
        "max_pixels": str(MAX_PIXELS),  # FFmpeg decodes a frame to find out what there is
    }
    kind, cause = content_kind(path), None
    if kind != STILL:  # which FFmpeg would play, with one frame
        try:
            return av.open(source, "r", metadata_errors="replace", options=options, timeout=waits)
        except (av.error.ArgumentError, av.error.InvalidDataError) as error:
            cause = error
    reason = "a still picture" if cause is None else cause.strerror or type(cause).__name__
    raise VideoError(
        f"{path}: reading it as a video failed ({reason}): expected one of {SUFFIXES}, found "
        f"{kind}; {REMEDY}"
    ) from cause


def demuxed(
    container: InputContainer, stream: VideoStream, path: str | Path
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of a stream, the empty one at the end included.

    Args:
        container: the opened file.
        stream: one of its streams.
        path: its path, for messages.

    Raises:
        VideoError: if a stream appears that was not there when the file was opened: PyAV knows none
            of its packets, and looks for it in vain.
    """
    try:
        yield from container.demux(stream)
    except IndexError:
        raise VideoError(f"{path}: another stream begins in the middle of it; {REMEDY}") from None


def others_start(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Return the seconds at which the first other stream of sound or pictures begins.

    That is on the clock of the stream's PTS. Cover art and subtitles do not count; `None` if there
    is nothing else.

    Args:
        container: the opened file.
        stream: the stream that is played.
    """
    starts = [
        other.start_time * other.time_base
        for other in (*container.streams.audio, *container.streams.video)
        if other is not stream
        and other.start_time is not None
        and other.time_base
        and not other.disposition & Disposition.attached_pic
    ]
    return min(starts, default=None)


def aspect_by_container(stream: VideoStream) -> Fraction | None:
    """Return the width of a pixel over its height where the container overrules the stream.

    FFmpeg prefers what the container says, and gives one of both. `None` where the container is
    silent or says the same: then what the stream says later holds as well.

    Args:
        stream: a stream of a file that was opened; nothing was decoded yet.
    """
    said = stream.sample_aspect_ratio
    return None if said == stream.codec_context.sample_aspect_ratio else said


def prepare_decoder(context: VideoCodecContext, *, strict: bool) -> None:
    """Set up a decoder that is not open yet, for the calling thread alone.

    FFmpeg's own threads would multiply with the readers, of which many run side by side; and frame
    threading holds back a frame per thread, all of which a seek throws away.

    Args:
        context: the decoder.
        strict: whether a damaged picture is an error, where FFmpeg would conceal the damage. False
            for streams with open GOPs: after a seek, the leading pictures of a healthy stream
            reference frames that were not decoded, which looks the same to FFmpeg.
    """
    context.thread_count = 1
    context.thread_type = "NONE"
    context.options = {"max_pixels": str(MAX_PIXELS)}  # a header inside the stream may claim more
    if strict and context.name in _STRICT:
        context.options |= {"err_detect": "explode"}


def video_stream(container: InputContainer, path: str | Path) -> VideoStream:
    """Return the stream to play: FFmpeg's best (more pixels, then more frames), never cover art.

    Args:
        container: the opened file.
        path: its path, for messages.

    Raises:
        VideoError: if there is none, or its pictures cannot be read or timed.
    """
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
        kinds = ", ".join(s.type for s in container.streams) or "nothing"
        raise VideoError(f"{path}: expected a video stream, found {kinds}; name a video file")
    context = stream.codec_context
    if context is None:
        raise VideoError(f"{path}: this FFmpeg has no decoder for its video; {REMEDY}")
    if context.width * context.height > MAX_PIXELS:
        raise VideoError(
            f"{path}: pictures must have at most {MAX_PIXELS} pixels, these have "
            f"{context.width}x{context.height}; make them smaller: "
            "ffmpeg -i INPUT -vf scale=1920:-2 OUTPUT.mp4"
        )
    if container.format.name == "avi" and stream.has_b_frames and context.name != "mpeg4":
        raise VideoError(f"{path}: AVI does not hold the times of reordered frames; {REMEDY}")
    return stream


def check_reordering(
    path: str | Path, form: str, stream: VideoStream, pts: NDArray[np.int64]
) -> None:
    """Check that the times of reordered frames are theirs, and not those of decoding.

    Args:
        path: of the file, for messages.
        form: FFmpeg's name of its container.
        stream: that is played.
        pts: int64 `(M,)`, ticks, of its packets in the order of decoding.

    Raises:
        VideoError: if frames are reordered, and the times say that they are not.
    """
    guessed = stream.codec_context.name in _TIMES_OF_DECODING.get(form, ())
    if guessed and stream.has_b_frames and (np.diff(pts) >= 0).all():
        raise VideoError(
            f"{path}: {form.upper()} does not hold the times of reordered frames here; {REMEDY}"
        )
