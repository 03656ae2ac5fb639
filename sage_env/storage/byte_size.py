"""Counts of bytes in words: `8GB` as a person writes them, and back."""

from __future__ import annotations

import re

_UNITS = {"B": 1} | {
    f"{letter}{binary}B": (1024 if binary else 1000) ** power
    for power, letter in enumerate("KMGT", 1)
    for binary in ("i", "")
}
_WORDS = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B)?", re.IGNORECASE)


def parse_bytes(words: str | int) -> int:
    """Return the number of bytes that `8GB`, `1.5 GiB`, `0` or 4096 stands for.

    GB are 10^9 bytes and GiB 2^30 (IEC 80000-13); case does not matter, and a number without a unit
    is one of bytes.

    Raises:
        ValueError: if it is no such number.
    """
    found = _WORDS.fullmatch(str(words).strip())
    if found is None:
        raise ValueError(
            f"expected a number of bytes such as 8GB, 512MiB or 0, got {words!r}: give a number, "
            "and B, KB, MB, GB, TB, KiB, MiB, GiB or TiB after it"
        )
    number, unit = found.groups()
    named = {name.lower(): size for name, size in _UNITS.items()}
    return round(float(number) * named[unit.lower()]) if unit else round(float(number))


def format_bytes(nbytes: float) -> str:
    """Return a number of bytes in words, in the largest binary unit of which there is one."""
    size, unit = next(
        ((size, name) for name, size in reversed(_UNITS.items()) if "i" in name and nbytes >= size),
        (1, "B"),
    )
    return f"{nbytes / size:.1f} {unit}" if size > 1 else f"{int(nbytes)} B"
