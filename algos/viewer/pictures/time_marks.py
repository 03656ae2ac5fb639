"""What a video's time axis shows of the video itself: where scenes are cut, and what is said."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from algos.viewer.pictures.scene_cuts import find_cuts
from algos.viewer.view_data import QuestionView
from sage_env.deadlines.timed_call import timed_call
from sage_env.errors import DatasetError, DecodeTimeout, VideoError
from sage_env.storage.bounded_folder import BoundedFolder
from sage_env.storage.cache_folder import cache_folder
from sage_env.storage.fingerprint import fingerprint
from sage_env.storage.sealed_file import SealedContent, read_sealed, seal
from sage_env.subtitles import Line, read_subtitles

Spoken = tuple[float, float, str]
"""Start and end in seconds, and what is said."""

MOST_SPOKEN = 120
"""Spans of speech on an axis at most: more could not be told apart, and every question carries
them."""
MOST_LETTERS = 120
"""Of the text of a span."""
_MOST_CUTS = 2000
"""Cuts of a video at most; more are not scenes but flicker."""
_LARGEST_FILE = 8 * 2**20
"""Bytes of a subtitle file that is read: a film takes a tenth of a megabyte."""
_VERSION = 1
"""Raise it when cuts are found in another way."""
_KEPT_BYTES = 16 * 2**20
"""Bytes of cuts in the cache folder: some 50,000 videos."""


@dataclass
class MarkTime:
    """How long looking for cuts may take.

    Attributes:
        video_seconds: for one video.
        total_seconds: for all that are looked at with this; it shrinks. What is kept from an
            earlier page costs nothing.
        tried: videos that were not done in time: they are not tried again.
    """

    video_seconds: float = 2.0
    total_seconds: float = 40.0
    tried: set[Path] = field(default_factory=set)


def marks(
    question: QuestionView, limit: MarkTime | None = None
) -> tuple[Sequence[float] | None, Sequence[Spoken]]:
    """Return the scene cuts of a question's video, and what is said in it.

    Args:
        question: names the files.
        limit: of the time; the same one for all questions of a page. `None` for 2 s.

    Returns:
        Seconds of the first frame of each scene but the first; `None` where that was not measured:
        there is no video, it is broken, or there was no time. And lines of the subtitles in order
        of time, joined where there are too many; `()` where there are none to be had.
    """
    limit = MarkTime() if limit is None else limit
    cuts = None if question.video is None else cuts_of(question.video, limit)
    return cuts, _speech(question)


def cuts_of(path: Path, limit: MarkTime) -> Sequence[float] | None:
    """Return the cuts of a video, kept or found; `None` where they cannot be.

    Args:
        path: the video.
        limit: of the time, for several threads at once.
    """
    name = _content_name(path)
    if name is None:
        return None
    kept = _folder().read(name, lambda file: read_sealed(file, _unpacked))
    if kept is not None:
        return kept
    seconds = min(limit.video_seconds, limit.total_seconds)
    if path in limit.tried or seconds <= 0:
        return None
    began = time.monotonic()
    found: tuple[float, ...] | None = None
    with suppress(VideoError, OSError, ValueError):
        call = find_cuts, (path, seconds), seconds + 1.0, DecodeTimeout, f"{path.name}: its scenes"
        found = timed_call(*call)
    limit.total_seconds -= time.monotonic() - began
    if found is None or len(found) > _MOST_CUTS:
        limit.tried.add(path)
        return None
    _folder().put(name, seal(name, [json.dumps(found).encode()]))
    return found


def _content_name(path: Path) -> str | None:
    """Return the name of what a file holds; `None` if it cannot be read."""
    try:
        if not path.is_file():  # opening a pipe would wait for a writer
            return None
        with path.open("rb") as file:
            return fingerprint(file.fileno()).content_id
    except OSError:
        return None


def _folder() -> BoundedFolder:
    folder = cache_folder() / f"scene-cuts-{_VERSION}"
    return BoundedFolder(folder, _KEPT_BYTES, suffix=".cuts", contents="cuts of videos")


def _unpacked(content: SealedContent) -> tuple[float, ...] | None:
    try:
        return tuple(float(second) for second in json.loads(content.take(content.left)))
    except (ValueError, TypeError):
        return None


def _speech(question: QuestionView) -> tuple[Spoken, ...]:
    """Return what is said, as many spans as an axis may show; `()` where nothing can be read."""
    path = question.subtitles
    if path is None:
        return ()
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_FILE:
            return ()
        lines = _lines(path, question.subtitles_start, path.stat().st_mtime_ns)
    except (DatasetError, OSError):
        return ()
    return joined(lines)


@lru_cache(maxsize=32)
def _lines(path: Path, start: float, changed: int) -> tuple[Line, ...]:
    """Return the lines of a file, read once while it does not change."""
    return read_subtitles(path, start)


def joined(lines: Sequence[Line]) -> tuple[Spoken, ...]:
    """Return lines as at most `MOST_SPOKEN` spans: apart where the longest silences are.

    Args:
        lines: in order of time.
    """
    gaps = [lines[k].start - lines[k - 1].end for k in range(1, len(lines))]
    widest = sorted(range(len(gaps)), key=lambda k: (-gaps[k], k))[: MOST_SPOKEN - 1]
    edges = [0, *sorted(k + 1 for k in widest), len(lines)]
    return tuple(
        (
            lines[first].start,
            max(line.end for line in lines[first:until]),
            _shortened(" ".join(line.text for line in lines[first:until])),
        )
        for first, until in zip(edges, edges[1:], strict=False)
        if first < until
    )


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1].rstrip() + "…"
