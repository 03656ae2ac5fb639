"""What a server hands out: bytes or a file, under a name."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias


@dataclass(frozen=True)
class Reply:
    """What lies under a name.

    Attributes:
        kind: media type.
        body: the bytes, or the file that holds them.
    """

    kind: str
    body: bytes | Path


Find: TypeAlias = Callable[[str], Reply | None]
"""Returns what lies under a name such as `rows.json`, "" for the page itself; `None`: nothing."""


def open_plain(path: Path) -> tuple[BinaryIO, int] | None:
    """Return a file and its size in bytes; `None` where there is none, or something else.

    A pipe or a device in the place of a video would block the reader for ever.
    """
    try:
        found = open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb")
    except OSError:
        return None
    told = os.fstat(found.fileno())
    if not stat.S_ISREG(told.st_mode):
        found.close()
        return None
    return found, told.st_size
