"""The text of a cue without what is for a player alone, and the times beside it."""

from __future__ import annotations

import html
import re

from sage_env.timeline import parse_seconds

# <font color="#fff">, </i>, <c.yellow>, <v Roger>, <00:00:01.000>; not `a < b`, not `<3`.
_TAG = re.compile(r"</?(?:[A-Za-z][^<>]*|[0-9]+:[0-9:.]+)>")
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")  # {\an8}, of SubStation Alpha
_LONE = re.compile(r"[\ud800-\udfff]")  # halves of characters, which JSON can spell
_UNSEEN = re.compile(r"[\u200b-\u200d\u2060\ufeff\u202a-\u202e]")  # no width, or directions


def plain_rows(text: str) -> tuple[str, ...]:
    r"""Return the rows of a cue without tags, entities and blanks around them; empty ones left out.

    >>> plain_rows('<font color="#E5E5E5">Tom &amp; Jerry</font>\n{\\an8}<i> run</i>')
    ('Tom & Jerry', 'run')
    """
    bare = _OVERRIDE.sub("", _TAG.sub("", text.replace("\\N", "\n").replace("\\h", " ")))
    rows = _LONE.sub("\ufffd", _UNSEEN.sub("", html.unescape(bare))).splitlines()
    return tuple(row for row in (" ".join(row.split()) for row in rows) if row)


def read_time(value: object) -> float | None:
    """Return a time in seconds: a number, `HH:MM:SS,mmm`, `MM:SS.mmm` or `12.5`; `None` if none.

    >>> read_time("01:02:03,450"), read_time("2:03.5"), read_time(12), read_time("soon")
    (3723.45, 123.5, 12.0, None)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    seconds = parse_seconds(str(value).replace(",", ".").removesuffix("s"))
    return None if seconds is None else float(seconds)
