"""One warning for a cache folder that does not work: without it all is slower, nothing wrong."""

from __future__ import annotations

import warnings
from pathlib import Path

_told: set[tuple[Path, str]] = set()


def warn_once(folder: Path, kind: str, message: str) -> None:
    """Give a `RuntimeWarning` once a process for each folder and kind of content.

    Args:
        folder: where the files are, or should be.
        kind: of content, e.g. `pictures`.
        message: what does not work, and what to do.
    """
    if (folder, kind) not in _told:
        _told.add((folder, kind))
        warnings.warn(message, RuntimeWarning, stacklevel=4)
