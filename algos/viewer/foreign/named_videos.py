"""Where the videos are that traces name: in the folder that the user gave, or beside the trace."""

from __future__ import annotations

from itertools import islice
from pathlib import Path, PurePosixPath

from sage_env.errors import SageEnvError

SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v")
MOST_FILES = 500_000


class NamedVideos:
    """Finds videos by the names that traces have for them.

    Args:
        given: folder of the videos, or the one video of all questions; `None` where only the
            folder of a trace is looked through.
    """

    def __init__(self, given: Path | None) -> None:
        """List the folder once, when it is first needed."""
        self._given = given
        self._listed: dict[str, Path] | None = None

    def find(self, name: str | None, beside: Path) -> Path | None:
        """Return the file of a video; `None` if there is none.

        Args:
            name: as the trace has it: a path of another machine, a file name, or an id.
            beside: folder of the trace.
        """
        if self._given is not None and self._given.is_file():
            return self._given
        if not name or "\0" in name or len(name) > 4096:
            return None
        base = PurePosixPath(name.replace("\\", "/")).name
        if self._given is None:
            names = [base, *(base + suffix for suffix in SUFFIXES)]
            files = (beside / one for one in names if Path(one).suffix.lower() in SUFFIXES)
            return next((file for file in files if _is_file(file)), None)
        found = self._names(self._given)
        return found.get(base) or found.get(PurePosixPath(base).stem)

    def _names(self, folder: Path) -> dict[str, Path]:
        """Return the videos below a folder by file name and by the name without suffix."""
        if self._listed is None:
            files = islice(sorted(folder.rglob("*")), MOST_FILES)
            videos = [file for file in files if file.suffix.lower() in SUFFIXES]
            self._listed = {file.stem: file for file in reversed(videos)}
            self._listed |= {file.name: file for file in reversed(videos)}
        return self._listed


def length_of(video: Path) -> float | None:
    """Return the seconds of a video by its file; `None` where it cannot be read."""
    from sage_env.video import open_video

    try:
        opened = open_video(video)
    except (SageEnvError, OSError):
        return None
    try:
        return float(opened.duration)
    finally:
        opened.close()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False
