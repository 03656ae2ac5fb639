"""One warning for a cache folder that does not work: without it all is slower, and nothing wrong."""

from __future__ import annotations

import warnings
from pathlib import Path

_told: set[tuple[Path, str]] = set()


def warn_once(folder: Path, contents: str, error: OSError) -> None:
    """Say that a folder does not serve, once a process for each folder and kind of content.

    Args:
        folder: where the files are, or should be.
        contents: what is in them, e.g. `pictures`.
        error: what the system said first.
    """
    if (folder, contents) in _told:
        return
    _told.add((folder, contents))
    warnings.warn(
        f"{folder}: {contents} cannot be shared through this folder ({error}); "
        "they are made again where needed: free some space, or name another folder",
        RuntimeWarning,
        stacklevel=4,
    )
