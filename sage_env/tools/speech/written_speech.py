"""What is written down of a video's speech: subtitles given, beside the file, or inside it.

In this order, the first that there is:

1. the file that the dataset names;
2. files beside the video with its name, `talk.srt` for `talk.mp4`, with a language or without:
   `talk.en.vtt`, `talk.pt-BR.srt`;
3. text subtitles among the streams of the file.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from av.packet import Packet
from av.stream import Discard, Disposition
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle

from sage_env.errors import DatasetError
from sage_env.storage.fingerprint import FileVersion, version_of
from sage_env.subtitles.captions import without_repetition
from sage_env.subtitles.cue_text import plain_rows
from sage_env.subtitles.line import Cue, Line
from sage_env.subtitles.reading import read_subtitles
from sage_env.tools.speech.recording import check_one_clock, is_language, zero_of
from sage_env.video.deadline import Deadline
from sage_env.video.index.stream import decoding_errors, open_container
from sage_env.video.index.video_index import read_index

_SUFFIXES = (".srt", ".vtt", ".json", ".jsonl")
_TAGS = re.compile(r"\.([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{2,8})*(?:\.(?:auto|cc|sdh|orig))?")
"""Of a name, between the video's and the suffix: a language, and whose or what they are."""
_ASS_FIELDS = 8  # before the text: order, layer, style, name, three margins, effect
_TIMEOUT = 120.0
"""Seconds for looking into a file: where subtitles stand between the pictures, all of it is read.
Not measured."""
_TEXT_CODECS = ("mov_text", "subrip", "srt", "text", "webvtt", "ass", "ssa")
"""FFmpeg's names of subtitles that are text; others are pictures of it."""


def written_lines(
    path: Path,
    *,
    subtitles: Path | None = None,
    subtitles_start: float = 0.0,
    language: str | None = None,
) -> tuple[Line, ...] | None:
    """Return what is written down of a video's speech; `None` if nothing is.

    Args:
        path: of the video.
        subtitles: the file that the dataset names.
        subtitles_start: what its clock says when the video begins, in seconds.
        language: that is wanted, as in `en`; those tagged with another are passed over.

    Raises:
        DatasetError: if `subtitles` cannot be read. What lies beside the video and cannot is passed
            over with a warning, JSON without one: it may be anything. So is a file without a line.
        VideoError: if the video cannot.
    """
    if subtitles is not None:
        return read_subtitles(subtitles, subtitles_start)
    for file in subtitles_beside(path, language):
        try:
            if lines := read_subtitles(file):  # an empty file does not say that nobody speaks
                return lines
        except DatasetError as error:
            if file.suffix.lower() in (".srt", ".vtt"):
                warnings.warn(f"{error}: these subtitles are left out", stacklevel=2)
    if not path.is_file():
        return None
    return _embedded(path.resolve(), version_of(path.stat()), language)


def subtitles_beside(path: Path, language: str | None = None) -> list[Path]:
    """Return the files beside a video that are named as its subtitles.

    Those without a language first, then English ones, then others by name.

    Args:
        path: of the video; it need not be there.
        language: that is wanted; files with the tag of another are left out.
    """
    found = []
    if path.parent.is_dir():
        for file in path.parent.iterdir():
            if file.suffix.lower() not in _SUFFIXES or not file.name.startswith(path.stem):
                continue
            middle = file.name[len(path.stem) : -len(file.suffix)]
            tags = _TAGS.fullmatch(middle)
            if middle == "" or (tags is not None and is_language(tags[1], language)):
                rank = (middle != "", not middle.startswith(".en"), middle)
                found.append((rank, _SUFFIXES.index(file.suffix.lower()), file))
    return [file for _, _, file in sorted(found)]


@lru_cache(maxsize=256)
def _embedded(path: Path, version: FileVersion, language: str | None) -> tuple[Line, ...] | None:
    """Return the lines of the first text subtitles inside a file that say anything."""
    deadline = Deadline.after(_TIMEOUT)
    index, doing = read_index(path, deadline), "reading its subtitles"
    with decoding_errors(path, doing), open_container(path, deadline) as container:
        streams = [stream for stream in container.streams.subtitles if _is_text(stream, language)]
        if not streams:
            return None
        check_one_clock(index)
        for other in container.streams:
            if other is not streams[0]:
                other.discard = Discard.all  # saves reading pictures and sound
        cues: list[Cue] = []
        for packet in container.demux(streams[0]):
            deadline.check(f"{path}: {doing}")
            if packet.pts is not None and packet.time_base:
                cues += _cues(packet, float(packet.pts * packet.time_base - zero_of(index)))
    return without_repetition(cues) or None


def _is_text(stream: SubtitleStream, language: str | None) -> bool:
    context = stream.codec_context
    return (
        context is not None
        and context.name in _TEXT_CODECS
        and not stream.disposition & Disposition.forced
        and is_language(stream.language, language)
    )


def _cues(packet: Packet[SubtitleStream], start: float) -> Iterator[Cue]:
    """Yield what a packet shows from a time on, which FFmpeg writes as an event of ASS."""
    end = start + float((packet.duration or 0) * (packet.time_base or 0))
    for subtitle in packet.decode():
        if isinstance(subtitle, AssSubtitle):
            text = subtitle.ass.decode("utf-8", "replace").split(",", _ASS_FIELDS)[-1]
            rows = plain_rows(text)
            if rows and end > 0:
                yield Cue(max(0.0, start), end, rows)
