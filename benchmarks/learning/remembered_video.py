"""Rendered videos whose frames are drawn once: overviews for all processes, other looks for one.

An agent of `sb3_baseline` sees the overview in every episode. Overviews are drawn beforehand and
handed to each process, and no process draws a look twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sage_env.frames import Box, FrameBatch
from sage_env.synth.rendered import RenderedVideo, open_rendered
from sage_env.timeline import midpoints

FRAMES = 12  # of an overview
SIZE = (16, 16)  # height and width of a frame, in pixels

# Of this process: duration of each video, and frames by request (times, size, box).
_remembered: dict[Path, tuple[float, dict[Any, FrameBatch]]] = {}


class Overview(NamedTuple):
    """The overview frames of one video.

    Attributes:
        path: of the video.
        duration: of the video, in seconds.
        frames: `FRAMES` frames of `SIZE`, at the midpoints of equal parts.
    """

    path: Path
    duration: float
    frames: FrameBatch


def draw_overview(path: Path) -> Overview:
    """Draw the overview frames of a video."""
    video = open_rendered(path)
    times = midpoints(0.0, video.duration, FRAMES).tolist()
    return Overview(path, video.duration, video.frames_at(times, size=SIZE))


def remember(overviews: Iterable[Overview]) -> None:
    """Make this process remember videos, each with its overview as the first known request."""
    for path, duration, frames in overviews:
        times = tuple(midpoints(0.0, duration, FRAMES).tolist())
        _remembered[path] = duration, {(times, SIZE, None): frames}


class RememberedVideo:
    """A rendered video that draws the frames of a request once per process."""

    fps = 1.0  # `Video` needs one; the environment does not use it

    def __init__(self, path: Path) -> None:
        """Take the frames that this process remembers.

        Raises:
            KeyError: if the video was not remembered (`remember`).
        """
        self.path = path
        self.duration, self._frames = _remembered[path]
        self._video: RenderedVideo | None = None

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
    ) -> FrameBatch:
        """Return the frames on screen at the given times."""
        key = (tuple(seconds), size, box)
        if key not in self._frames:
            self._video = self._video or open_rendered(self.path)
            self._frames[key] = self._video.frames_at(seconds, size=size, box=box)
        return self._frames[key]

    def close(self) -> None:
        """Do nothing: no file is open."""
