"""Text from outside as plain text: nothing in it that moves a cursor, reorders or hides."""

from __future__ import annotations

import re

# Controls (Unicode's Cc) but tab and line break, what reorders (UAX #9), what is not seen at all
# (most of Cf, the tags of plane 14), what is no character. Joiners stay: some scripts need them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_BREAKS = re.compile("\r\n?|[\x85\u2028\u2029\x0b\x0c]")
_BLANKS = re.compile(r"[^\S\n]+")
_GAPS = re.compile(r"\n{3,}")


def tidy(text: str) -> str:
    r"""Return a text without unseen characters, with at most one empty line at a time.

    >>> tidy("a\x1b[31mb\u202e  c\r\n\n\n\nd")
    'a[31mb c\n\nd'
    """
    seen = _UNSEEN.sub("", _BREAKS.sub("\n", text))
    lines = (_BLANKS.sub(" ", line).strip() for line in seen.split("\n"))
    return _GAPS.sub("\n\n", "\n".join(lines)).strip()


def one_line(text: str, most: int) -> str:
    """Return a text likewise, in one line of at most `most` characters."""
    line = " ".join(tidy(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
