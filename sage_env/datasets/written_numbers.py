"""Numbers and times as answers write them: `1,234`, `02:05`, `12 seconds`, `1 min 5 s`."""

from __future__ import annotations

import re
from typing import NamedTuple

from sage_env.timeline import parse_seconds

_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
SECONDS_OF_UNIT = {"h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(
    r"(?:(?P<h>[0-9.]+)\s*(?:h|hrs?|hours?)(?![a-z])[\s,]*(?:and\s+)?)?"
    r"(?:(?P<m>[0-9.]+)\s*(?:m|mins?|minutes?)(?![a-z])[\s,]*(?:and\s+)?)?"
    r"(?:(?P<s>[0-9.]+)\s*(?:s|secs?|seconds?)(?![a-z]))?"
)
_LONGEST = 64  # characters of a number: what is longer is none


class Number(NamedTuple):
    """A number that a text writes.

    Attributes:
        value: times in seconds.
        form: `"plain"`, `"clock"` (`MM:SS`), or the units it is written with (`"s"`, `"ms"`, …).
    """

    value: float
    form: str


def read_number(text: str) -> Number | None:
    """Read a number or a time; `None` if the text is neither, or more than that.

    A lone `5 m` is no time, since it may be metres; `5 min` and `1m 5s` are.
    """
    if len(text) > _LONGEST:
        return None
    sign = -1.0 if text.startswith("-") else 1.0
    digits = text.removeprefix("-").removeprefix("+").strip()
    if _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    value = parse_seconds(digits)
    if value is not None:
        return Number(sign * value, "clock" if ":" in digits else "plain")
    duration = _DURATION.fullmatch(digits)
    if duration is None or re.fullmatch(r"[0-9.]+\s*m", digits):
        return None
    units = {unit: parse_seconds(n) for unit, n in duration.groupdict().items() if n is not None}
    values = [n * SECONDS_OF_UNIT[unit] for unit, n in units.items() if n is not None]
    if len(values) < max(1, len(units)):
        return None
    return Number(sign * sum(values), "".join(units))


def same_number(one: float, other: float, tolerance: float = 0.0) -> bool:
    """Return whether two numbers differ by at most `tolerance`.

    Decimal fractions are not exact in binary: 12.3 - 12.0 must not exceed a tolerance of 0.3.
    """
    return abs(one - other) <= tolerance + 1e-9 * max(1.0, abs(other))


_CLOCK = re.compile(r"[0-9]{1,4}(?::[0-9]{2}){1,2}(?:\.[0-9]+)?(?![0-9:])")
_RANGE = re.compile(r"(?<=s)\s*(?:-|–|—|~|to|until|till|through)\s*(?=[0-9])")


def clocks_as_seconds(text: str) -> str:
    """Write every `MM:SS` of a text as seconds: `from 0:05 to 0:15` gives `from 5s-15s`."""

    def seconds(match: re.Match[str]) -> str:
        value = parse_seconds(match[0])
        return match[0] if value is None else f"{value:.10g}s"

    return _RANGE.sub("-", _CLOCK.sub(seconds, text))
