"""SubRip (`.srt`) and WebVTT (`.vtt`): blocks of a timing line and the text below it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sage_env.errors import DatasetError
from sage_env.subtitles.cue_text import plain_rows, read_time
from sage_env.subtitles.line import Cue

_ARROW = re.compile(r"\s*(\S+)\s*-->\s*(\S+)(?:\s.*)?")
_NOT_SHOWN = re.compile(r"(?:NOTE|STYLE|REGION)\b.*")


def read_cues(text: str, place: str) -> list[Cue]:
    """Return the cues of a file, in its order; without text, none.

    A number or a name above a timing line, positions behind it, and the notes and styles of WebVTT
    are no text. A cue that ends before it starts ends where it starts.

    Args:
        text: of the file.
        place: the file, for messages.

    Raises:
        DatasetError: for a timing that cannot be read, naming the line, or where a file with text
            has no timing at all.
    """
    lines = text.split("\n")
    cues = []
    for first, block in _blocks(lines):
        start, end = _times(lines[first], f"{place}, line {first + 1}")
        rows = plain_rows("\n".join(block))
        if rows:
            cues.append(Cue(start, max(start, end), rows))
    if not any("-->" in line for line in lines) and _has_text(lines):
        raise DatasetError(f"{place} has no line such as `00:01:02,000 --> 00:01:04,000`")
    return cues


def _has_text(lines: list[str]) -> bool:
    said = [line for line in lines if line.strip()]
    return bool(said) and not said[0].startswith("WEBVTT")


def _blocks(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield where each timing line stands, and the lines of text below it.

    Text ends at a blank line or at the next timing; where the blank line is missing, a number right
    above a timing is that cue's own.
    """
    timings = [k for k, line in enumerate(lines) if "-->" in line and not _in_note(lines, k)]
    for first, following in zip(timings, [*timings, len(lines)][1:], strict=True):
        block = lines[first + 1 : following]
        if following < len(lines) and block and block[-1].strip().isdigit():
            block = block[:-1]
        text = []
        for line in block:
            if not line.strip():
                break
            text.append(line)
        yield first, text


def _in_note(lines: list[str], place: int) -> bool:
    """Return whether a line with an arrow stands in a note of WebVTT: comments may hold cues."""
    while place > 0 and lines[place - 1].strip():
        place -= 1
    return _NOT_SHOWN.fullmatch(lines[place].strip()) is not None


def _times(line: str, place: str) -> tuple[float, float]:
    match = _ARROW.fullmatch(line)
    start, end = (None, None) if match is None else map(read_time, match.groups())
    if start is None or end is None:
        raise DatasetError(
            f"{place}: expected times such as 00:01:02,000 --> 00:01:04,000, got {line.strip()!r}"
        )
    return start, end
