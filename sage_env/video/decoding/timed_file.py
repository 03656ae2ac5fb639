"""A steady file that is read until a deadline."""

from __future__ import annotations

from sage_env.errors import VideoError
from sage_env.storage.steady_file import SteadyFile
from sage_env.video.deadline import NO_LIMIT, Deadline


class TimedFile(SteadyFile):
    """A file for FFmpeg's demuxer, which may read much of it on its way to one packet.

    FFmpeg asks for the time where it reads by itself, but not while it reads through an object.

    Attributes:
        deadline: when to give up reading.
    """

    deadline: Deadline = NO_LIMIT
    _told: Deadline | None = None  # the deadline whose end was told

    def read(self, nbytes: int = -1) -> bytes:
        """Return the next bytes, as a `SteadyFile` does.

        What was raised is told once: FFmpeg goes on reading before it returns, and of two errors
        PyAV keeps one and prints the other.

        Raises:
            DecodeTimeout: if the deadline is over.
            VideoError: if another thread has closed the video.
            FileChanged: if the file has changed.
            OSError: if it cannot be read.
        """
        if self._told is self.deadline:
            return b""
        try:
            self.deadline.check(f"{self.name}: decoding")
            return super().read(nbytes)
        except (VideoError, OSError):
            self._told = self.deadline
            raise

    def check(self) -> None:
        """Raise what `read` told already, too: the end that FFmpeg saw after it was none."""
        if self._told is self.deadline:
            self.deadline.check(f"{self.name}: decoding")
        super().check()
