"""One line of subtitles."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """What is said in `[start, end)`.

    Attributes:
        start: seconds from the start of the video.
        end: seconds, not before `start`.
        text: without tags, on one line.
    """

    start: float
    end: float
    text: str


class Cue(NamedTuple):
    """What a file shows from one time to another, before repetitions are taken out.

    Attributes:
        start: seconds, by the file's clock.
        end: seconds, not before `start`.
        rows: the lines of text that are shown, without tags, none of them empty.
    """

    start: float
    end: float
    rows: tuple[str, ...]
