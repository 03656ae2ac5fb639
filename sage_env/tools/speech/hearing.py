"""What is said in a video from one time to another: written down, else recognised.

Speech is recognised in pieces of `PIECE` seconds on a fixed grid, each with `MARGIN` seconds of
sound on either side; a word belongs to the piece that its middle is in. So a word is the same
whatever stretch is asked for, and none is cut in two. (Where two pieces hear the word at their edge
at times that differ, it may be there twice, or not at all.)
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sage_env.storage.fingerprint import FileVersion, version_of
from sage_env.subtitles.line import Line
from sage_env.subtitles.reading import lines_between
from sage_env.tools.reply_cache import content_digest, find_kept, keep, reply_key
from sage_env.tools.speech.recogniser import (
    COMPUTE_TYPES,
    DEVICES,
    load_recogniser,
    model_name,
)
from sage_env.tools.speech.recording import read_sound
from sage_env.tools.speech.words import Word, lines_of
from sage_env.tools.speech.written_speech import written_lines
from sage_env.video.deadline import Deadline
from sage_env.video.index.video_index import read_index

PIECE = 56.0
"""Seconds; with both margins two of Whisper's windows of 30 seconds."""
MARGIN = 2.0
"""Seconds; no word is longer, but for very slow ones."""
VERSION = 2
"""Of what is kept on disk: raise it when the same settings come to hear other words."""
_LANGUAGE = re.compile("[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_SILENCE = 1e-4
"""Largest sample of a piece in which nothing can be heard: 80 decibels below full scale."""
_TIMEOUT = 120.0
"""Seconds for reading the sound of a piece. Not measured."""


@dataclass(frozen=True)
class Hearing:
    """How to listen.

    Attributes:
        model: a size of Whisper (`tiny.en`, `large-v3`, …), a folder, a hub id, or
            `package.module:name` of a `Recogniser`; "" for the weights of an installed package,
            else `tiny`.
        language: that is spoken, as in `en` or `pt-BR`; "" to find out. Of several subtitles or
            sound tracks, one in this language is taken.
        device: `cpu`, `cuda` or `auto`.
        compute_type: of CTranslate2: `int8`, `float16`, `float32`, …
        written: whether subtitles are read where there are any; else speech is recognised anyway.
    """

    model: str = ""
    language: str = ""
    device: str = "auto"
    compute_type: str = "auto"
    written: bool = True

    def __post_init__(self) -> None:
        """Refuse illegal values where they are made, before an episode has begun."""
        if self.language and _LANGUAGE.fullmatch(self.language) is None:
            raise ValueError(f"language must be a tag such as en or pt-BR, got {self.language!r}")
        for name, known in (("device", DEVICES), ("compute_type", COMPUTE_TYPES)):
            if getattr(self, name) not in known:
                told = ", ".join(known)
                raise ValueError(f"{name} must be one of {told}, got {getattr(self, name)!r}")


class Speech(NamedTuple):
    """What is said in a stretch of a video.

    Attributes:
        lines: in order of time.
        words: the same word by word, where it was recognised; `()` where it was written down.
        has_source: false in a video without sound and without subtitles.
    """

    lines: tuple[Line, ...]
    words: tuple[Word, ...] = ()
    has_source: bool = True


def hear(
    path: str | Path,
    start: float,
    end: float,
    hearing: Hearing | None = None,
    *,
    subtitles: Path | None = None,
    subtitles_start: float = 0.0,
) -> tuple[Line, ...]:
    """Return what is said in a video in `[start, end)`, by the video's own clock.

    Args:
        path: of the video.
        start: seconds.
        end: seconds, after `start`; what lies behind the end of the video is left out.
        hearing: how to listen; `None` for the defaults.
        subtitles: the file that the dataset names, if it does.
        subtitles_start: what its clock says when the video begins, in seconds.

    Raises:
        VideoError: if the video cannot be read.
        DatasetError: if `subtitles` cannot.
        ToolError: if no recogniser can be loaded where one is needed.
        MissingExtra: if that is because faster-whisper is not installed.
    """
    return speech_between(
        Path(path), start, end, hearing or Hearing(), subtitles, subtitles_start
    ).lines


def speech_between(
    path: Path,
    start: float,
    end: float,
    hearing: Hearing,
    subtitles: Path | None = None,
    subtitles_start: float = 0.0,
) -> Speech:
    """Return what is said, with words and whether there was anything to listen to; see `hear`.

    Args:
        path: of the video.
        start: seconds.
        end: seconds.
        hearing: how to listen.
        subtitles: the file that the dataset names, if it does.
        subtitles_start: what its clock says when the video begins, in seconds.
    """
    language = hearing.language or None
    if hearing.written:
        lines = written_lines(
            path, subtitles=subtitles, subtitles_start=subtitles_start, language=language
        )
        if lines is not None:
            return Speech(lines_between(lines, start, end))
    path = path.resolve()
    end = min(end, read_index(path).duration)
    words: list[Word] = []
    for number in range(math.floor(start / PIECE), math.ceil(end / PIECE)):
        piece = _piece(path, version_of(path.stat()), number, hearing)
        if piece is None:
            return Speech((), has_source=False)
        words += piece
    within = tuple(word for word in words if start <= _middle(word) < end)
    return Speech(lines_of(within), within)


@lru_cache(maxsize=1024)
def _piece(
    path: Path, version: FileVersion, number: int, hearing: Hearing
) -> tuple[Word, ...] | None:
    """Return the words of one piece of a file; `None` if it has no sound.

    What Whisper heard is kept on disk, by the content of the file.
    """
    key = _kept_key(path, number, hearing)
    kept = None if key is None else find_kept(key)
    if kept is not None:
        return tuple(Word(*row) for row in json.loads(kept))
    words = _recognised(path, number, hearing)
    if key is not None and words is not None:
        keep(key, json.dumps(words))
    return words


def _recognised(path: Path, number: int, hearing: Hearing) -> tuple[Word, ...] | None:
    """Return the words of one piece of a file; `None` if it has no sound."""
    first, last = number * PIECE, (number + 1) * PIECE
    origin = max(0.0, first - MARGIN)
    deadline = Deadline.after(_TIMEOUT)
    samples = read_sound(path, origin, last + MARGIN, deadline, hearing.language or None)
    if samples is None:
        return None
    if not len(samples) or float(np.abs(samples).max()) < _SILENCE:
        return ()
    recognise = load_recogniser(hearing.model, hearing.device, hearing.compute_type)
    words = (
        Word(origin + word.start, origin + word.end, word.text)
        for word in recognise(samples, hearing.language or None)
    )
    return tuple(word for word in words if first <= _middle(word) < last)


def _kept_key(path: Path, number: int, hearing: Hearing) -> str | None:
    """Return the name under which a piece is kept on disk; `None` for recognisers of others."""
    model = model_name(hearing.model)
    if model is None:
        return None
    settings = (model, hearing.language, hearing.device, hearing.compute_type)
    return reply_key("words", VERSION, PIECE, MARGIN, settings, content_digest(path), number)


def _middle(word: Word) -> float:
    return (word.start + word.end) / 2
