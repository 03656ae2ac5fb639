"""A steady file that is read until a deadline."""

from __future__ import annotations

from sage_env.storage.steady_file import SteadyFile
from sage_env.video.deadline import NO_LIMIT, Deadline


class TimedFile(SteadyFile):
    """A file for FFmpeg's demuxer, which may read much of it on its way to one packet.

    FFmpeg asks for the time where it reads by itself, but not while it reads through an object.

    Attributes:
        deadline: when to give up reading.
    """

    deadline: Deadline = NO_LIMIT

    def read(self, nbytes: int = -1) -> bytes:
        """Return the next bytes, as a `SteadyFile` does.

        Raises:
            DecodeTimeout: if the deadline is over.
            VideoError: if another thread has closed the video.
            FileChanged: if the file has changed.
            OSError: if it cannot be read.
        """
        self.deadline.check(f"{self.name}: decoding")
        return super().read(nbytes)
