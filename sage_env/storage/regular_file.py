"""Regular files alone: a cache opens files of its own, never a link, a pipe, a device, a folder.

A link leads to a file that is not the cache's, and whoever reads a pipe may wait for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_SAFELY = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe without a writer is opened at once, and then refused
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_WRITING = os.O_WRONLY | os.O_RDWR
_SPECIAL = {errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENODEV, errno.EMLINK}
"""What `open` says of a link (`ELOOP`; FreeBSD `EMLINK`), a pipe that nobody reads or a socket
(`ENXIO`), a folder (`EISDIR`), and a device that is not there (`ENODEV`)."""


class NotRegular(OSError):
    """Something that is no regular file of its own stands where a file was expected."""


def open_regular(path: str | Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file and return its descriptor, which the caller closes.

    A file to write to must have no second name (hard link): writing would change that one too.

    Args:
        path: the file; links in its folders are followed, a link in its own place is not.
        flags: of `os.open`.

    Raises:
        NotRegular: if there is something else: a link, a pipe, a device, a socket, a folder.
        OSError: what else the system says, e.g. if there is no such file.
    """
    try:
        file = os.open(path, flags | _SAFELY, 0o666)
    except OSError as error:
        if error.errno in _SPECIAL:
            raise _refused(path, "a link, pipe, device or folder") from error
        raise
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise _refused(path, "a pipe, device or folder")
        if flags & _WRITING and status.st_nlink > 1:
            raise _refused(path, "a file with a second name (hard link)")
    except BaseException:
        os.close(file)
        raise
    return file


def is_regular(path: str | Path) -> bool:
    """Return whether there is a regular file, and no link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def _refused(path: str | Path, found: str) -> NotRegular:
    reason = f"expected a regular file, found {found}: delete it"
    return NotRegular(errno.EINVAL, reason, os.fspath(path))
