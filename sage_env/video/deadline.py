"""A limit on how long one request may take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sage_env.errors import DecodeTimeout, VideoError


@dataclass(frozen=True)
class Deadline:
    """A moment after which a request is given up. It is looked at between packets.

    Attributes:
        seconds: how long the request may take in all; infinity for no limit.
        at: the moment, on the clock of `time.monotonic`.
        closed: says whether the video was closed since the request began, which ends it too.
    """

    seconds: float
    at: float
    closed: Callable[[], bool] | None = field(default=None, compare=False)

    @classmethod
    def after(cls, seconds: float | None, closed: Callable[[], bool] | None = None) -> Deadline:
        """Return the deadline so many seconds from now; `None` for no limit.

        Args:
            seconds: how long the request may take.
            closed: see above.

        Raises:
            ValueError: if `seconds` is not above 0.
        """
        if seconds is None:
            return cls(math.inf, math.inf, closed)
        if not seconds > 0:
            raise ValueError(f"timeout must be seconds above 0 or None, got {seconds}")
        return cls(seconds, time.monotonic() + seconds, closed)

    @property
    def left(self) -> float:
        """Return the seconds that are left, at least 0."""
        return max(0.0, self.at - time.monotonic())

    def check(self, doing: str) -> None:
        """Do nothing while there is time.

        Args:
            doing: names the file and what is done with it, for the message.

        Raises:
            DecodeTimeout: if the time is over.
            VideoError: if another thread has closed the video.
        """
        self.check_open(doing)
        if time.monotonic() > self.at:
            raise DecodeTimeout(
                f"{doing} took longer than the {self.seconds:g} s allowed; give more time with "
                "`open_video(..., timeout=)`, or check the file: sage-vqa data check FOLDER"
            )

    def check_open(self, doing: str) -> None:
        """Do nothing while the video is open, see `closed`.

        Args:
            doing: as in `check`.

        Raises:
            VideoError: if another thread has closed it.
        """
        if self.closed is not None and self.closed():
            raise VideoError(f"{doing} was given up: the video was closed by another thread")


NO_LIMIT = Deadline.after(None)
