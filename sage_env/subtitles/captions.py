"""Cues that repeat each other, made lines that each say something new.

Captions roll: a cue shows the last row again above a new one. They grow: a cue shows the last text
and a word more. And files hold the same cue twice. Each word should be there once.
"""

from __future__ import annotations

from collections.abc import Iterable

from sage_env.subtitles.line import Cue, Line

GAP = 0.1
"""Seconds between cues that still follow each other without a break."""


def without_repetition(cues: Iterable[Cue]) -> tuple[Line, ...]:
    """Return cues as lines, in order of time, without what the one before showed already.

    Only a cue that begins before or when the last ends (or within `GAP`) repeats it: the same words
    said again later are said again.
    """
    lines: list[Line] = []
    last: Cue | None = None
    for cue in sorted(cues, key=lambda cue: (cue.start, cue.end)):
        follows = last is not None and cue.start <= last.end + GAP
        if last is None or not follows:
            lines.append(_line(cue, cue.rows))
        elif _grew(last, cue):
            lines[-1] = Line(lines[-1].start, max(lines[-1].end, cue.end), _text(cue.rows))
        else:
            fresh = cue.rows[_repeated(last.rows, cue.rows) :]
            if fresh:
                lines.append(_line(cue, fresh))
            else:
                lines[-1] = lines[-1]._replace(end=max(lines[-1].end, cue.end))
        last = cue
    return tuple(lines)


def _repeated(shown: tuple[str, ...], rows: tuple[str, ...]) -> int:
    """Return how many of the first rows are the last ones of those shown before."""
    most = min(len(shown), len(rows))
    return next((k for k in range(most, 0, -1) if shown[-k:] == rows[:k]), 0)


def _grew(last: Cue, cue: Cue) -> bool:
    """Return whether a cue of one row shows the row of the last, and more words behind it."""
    if len(last.rows) != 1 or len(cue.rows) != 1:
        return False
    return cue.rows[0].startswith(f"{last.rows[0]} ")


def _line(cue: Cue, rows: tuple[str, ...]) -> Line:
    return Line(cue.start, cue.end, _text(rows))


def _text(rows: tuple[str, ...]) -> str:
    return " ".join(rows)
