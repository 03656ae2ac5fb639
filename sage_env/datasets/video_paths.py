"""Where the videos of a dataset lie: under its root, links followed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sage_env.errors import DatasetError


def check_inside(
    videos: Sequence[Path], root: Path, places: Sequence[str], *, what: str = "video"
) -> None:
    """Check that paths lead to places under a folder, once all links are followed.

    What is not there yet is judged by the folders that are. A link that is changed afterwards is
    not noticed.

    Args:
        videos: the paths.
        root: the folder; it may be a link itself.
        places: where each path was written, for the message.
        what: what the paths are of, for the message.

    Raises:
        DatasetError: naming the first that leads elsewhere.
    """
    inside: dict[Path, bool] = {}  # by folder: most videos share one
    top = _real(root, str(root))
    for video, place in zip(videos, places, strict=True):
        folder = video.parent
        if folder not in inside:
            inside[folder] = _real(folder, place).is_relative_to(top)
        within = inside[folder] and video.name != ".."
        if not within or os.path.islink(video):  # says no of what is no path
            real = _real(video, place)
            if not real.is_relative_to(top):
                raise DatasetError(
                    f"{place}: the {what} {video} lies outside {root}, at {real}: move it there, "
                    "name another root, or, if you trust this file, pass allow_outside=True "
                    "(--allow-outside)"
                )


def _real(path: Path, place: str) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise DatasetError(f"{place}: {str(path)!r} is no path of a file: {error}") from None
