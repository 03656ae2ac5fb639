"""One range of bytes of a file, as a browser asks for it while it plays a video (RFC 9110, 14)."""

from __future__ import annotations

import re

_ONE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class NoSuchRangeError(ValueError):
    """A range was asked for that lies outside of the file."""


def wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the bytes `[start, end)` that a `Range` header asks for; `None` for the whole file.

    Several ranges at once, other units and what is no range are answered with the whole file, as
    the standard allows.

    Args:
        header: of the request.
        size: of the file in bytes.

    Raises:
        NoSuchRangeError: if the range holds no byte of the file.
    """
    found = _ONE.fullmatch(header.strip()) if header else None
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":  # the last so many bytes
        length = int(found[2])
        if length == 0 or size == 0:
            raise NoSuchRangeError(f"the last {length} of {size} bytes")
        return max(0, size - length), size
    start = int(found[1])
    end = min(int(found[2]) + 1, size) if found[2] else size
    if found[2] and int(found[2]) < start:  # no range: the standard says to ignore it
        return None
    if start >= size:
        raise NoSuchRangeError(f"from byte {start} of {size}")
    return start, end
