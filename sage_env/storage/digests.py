"""Digests of a folder's files, in a file of their own: any bit that flips in one of them is seen.

`SHA256SUMS` has a line for each file, as `sha256sum --check SHA256SUMS` reads it. It is compared as
a whole, so that a bit that flips in it is seen as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

DIGESTS = "SHA256SUMS"
"""Name of the file."""


def write_digests(folder: Path, names: Iterable[str]) -> None:
    """Write the digests of some files of a folder.

    Raises:
        OSError: if one cannot be read, or the digests cannot be written.
    """
    (folder / DIGESTS).write_bytes(_digests(folder, names))


def damage(folder: Path, names: Iterable[str]) -> str:
    """Say how some files of a folder differ from what `write_digests` was given.

    Args:
        folder: with the files and their digests.
        names: of the files, as they were given then.

    Returns:
        A few words; "" if nothing differs, or there are no digests.

    Raises:
        OSError: if a file cannot be read.
    """
    try:
        stored = (folder / DIGESTS).read_bytes()
    except FileNotFoundError:
        return ""
    names = sorted(names)
    if missing := [name for name in names if not (folder / name).is_file()]:
        return f"{missing[0]} is missing"
    now = _digests(folder, names)
    if now == stored:
        return ""
    before = stored.splitlines()
    differ = [n for n, line in zip(names, now.splitlines(), strict=True) if line not in before]
    return f"{differ[0] if len(differ) == 1 else DIGESTS} is damaged: the digests do not agree"


def _digests(folder: Path, names: Iterable[str]) -> bytes:
    lines = []
    for name in sorted(names):
        with (folder / name).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return "".join(lines).encode()
