"""A steady file: reads of one version of a file, and never of another, also after a fork.

Somebody may write to a file, or rename another to its name, while it is open. What was renamed or
deleted, the system keeps for whoever has it open. What was written over is gone: reading on would
mix two files.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from sage_env.storage.fingerprint import Fingerprint, fingerprint, pieces_of, version_of

_CHANGED = "it has changed since it was opened: open it again"


class FileChanged(OSError):
    """A file is not the version any more that was opened first."""


class SteadyFile:
    """A file that is read at places of its own. One thread at a time.

    The place to read from is kept here, not by the system: a file that was open before a fork has
    one place for parent and child together.

    It has `read`, `seek` and `tell` of a file object, and `name`, for who reads through those.

    Attributes:
        name: the path, as text.
        fingerprint: the version that is read.
    """

    def __init__(self, path: Path, expected: Fingerprint | None = None) -> None:
        """Open the file.

        Args:
            path: the file.
            expected: the version that it has to be; `None` for that which is there.

        Raises:
            FileChanged: if it is another version.
            OSError: if it cannot be opened.
        """
        self.name = os.fspath(path)
        self._io = open(path, "rb", buffering=0)  # closes itself when nobody has it any more
        self._file = self._io.fileno()
        self._at = 0
        try:
            self.fingerprint = expected or fingerprint(self._file)
            self.check()
        except BaseException:
            self.close()
            raise

    def read(self, nbytes: int = -1) -> bytes:
        """Return the next bytes, fewer at the end of the file; all that are left without a number.

        Raises:
            FileChanged: if the file has changed.
            OSError: if it cannot be read.
        """
        left = max(0, self.fingerprint.version.size - self._at)
        data = self.read_at(self._at, left if nbytes < 0 else min(nbytes, left))
        self._at += len(data)
        return data

    def read_at(self, offset: int, nbytes: int) -> bytes:
        """Return bytes from a place on, fewer at the end of the file.

        Raises:
            FileChanged: if the file has changed.
            OSError: if it cannot be read.
        """
        data = os.pread(self._file, nbytes, offset)
        while 0 < len(data) < nbytes:  # a call reads 2 GiB at most
            more = os.pread(self._file, nbytes - len(data), offset + len(data))
            if not more:
                break
            data += more
        self.check()  # after reading: a change in between shows as well
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, as `io.IOBase.seek` does, and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.fingerprint.version.size}
        self._at = max(0, base[whence] + offset)
        return self._at

    def tell(self) -> int:
        """Return the place to read from next, in bytes."""
        return self._at

    def check(self) -> None:
        """Raise `FileChanged` if the file is another version than at first.

        1. Nothing that the system says has changed: it is the version.
        2. File, size or modification time has changed: it is another.
        3. Only the time of the last change has. If the file has got or lost a name, other
           permissions or another owner, or its path leads elsewhere, that may be why: it is the
           version if the pieces of the fingerprint are as they were. Else somebody has written to
           it and set the modification time back.
        """
        known, now = self.fingerprint.version, version_of(os.fstat(self._file))
        if now == known:
            return
        explained = now.about != known.about or not self._leads_here()
        if now.content != known.content or not explained:
            raise FileChanged(errno.ESTALE, _CHANGED, self.name)
        if pieces_of(self._file, now.size) != self.fingerprint.pieces:
            raise FileChanged(errno.ESTALE, _CHANGED, self.name)
        self.fingerprint = Fingerprint(now, self.fingerprint.pieces)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        self._io.close()
        self._file = -1  # a number that is no file: another may get the old one

    def _leads_here(self) -> bool:
        """Return whether the path still leads to the open file."""
        try:
            return version_of(os.stat(self.name))[:2] == self.fingerprint.version[:2]
        except OSError:
            return False
