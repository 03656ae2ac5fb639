"""The fingerprint of a file: what tells one version of one file from every other.

Times alone do not: `cp -p`, `rsync` and backups give the times of the original back, and two files
may have one size. What no program can set back is `st_ctime`, the time of the last change of a file
or of what the system knows of it (IEEE Std 1003.1, `sys/stat.h`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

WHOLE_BYTES = 2**18
"""Bytes of a file that is read as a whole; of larger ones, `_PIECES` of `_PIECE` bytes are read.

Larger files take longer to write than the clock of the file system takes to tick (1 to 10 ms), so
that their times tell versions apart; small ones may be written twice within a tick. Reading this
much takes 0.2 ms, five pieces of an hour of video 0.1 ms."""
_PIECES, _PIECE = 5, 4096


class FileVersion(NamedTuple):
    """What the system says of one version of a file. Times are nanoseconds since 1970.

    Attributes:
        device: number of the file system.
        inode: number of the file in it.
        size: bytes.
        mtime_ns: when the content was changed last; programs may set it.
        ctime_ns: when anything was changed last, names and permissions included.
        links: names that the file has.
        mode: kind and permissions.
        owner: number of the user.
        group: number of the group.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    links: int
    mode: int
    owner: int
    group: int

    @property
    def content(self) -> tuple[int, int, int, int]:
        """Return what stays as long as only names and permissions change."""
        return self[:4]

    @property
    def about(self) -> tuple[int, int, int, int]:
        """Return names, permissions and owners: a change of them changes `ctime_ns` too."""
        return self[5:]


@dataclass(frozen=True)
class Fingerprint:
    """One version of one file, and a digest of pieces of it.

    Attributes:
        version: what the system says.
        pieces: digest of the whole content up to `WHOLE_BYTES`, else of pieces of it.
    """

    version: FileVersion
    pieces: bytes

    @property
    def content_id(self) -> str:
        """Return 32 hex digits that name the content, e.g. in caches.

        Of small files these are size, modification time and the content itself: copies that keep
        the time have the same name. Of larger files, which are not read as a whole, also which file
        it is and when it was changed: a copy has another name.
        """
        size, mtime_ns = self.version.size, self.version.mtime_ns
        told = (size, mtime_ns) if size <= WHOLE_BYTES else self.version[:5]
        return blake2b(repr(tuple(told)).encode() + self.pieces, digest_size=16).hexdigest()


def version_of(status: os.stat_result) -> FileVersion:
    """Return the version that a status is of."""
    return FileVersion(
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_nlink,
        status.st_mode,
        status.st_uid,
        status.st_gid,
    )


def fingerprint(file: int) -> Fingerprint:
    """Return the fingerprint of an open file.

    Raises:
        OSError: if it cannot be read.
    """
    version = version_of(os.fstat(file))
    return Fingerprint(version, pieces_of(file, version.size))


def pieces_of(file: int, size: int) -> bytes:
    """Return a digest of an open file of this size: of all of it, or of evenly spread pieces.

    Raises:
        OSError: if it cannot be read.
    """
    digest = blake2b(digest_size=16)
    if size <= WHOLE_BYTES:
        digest.update(os.pread(file, size, 0))
    else:
        for piece in range(_PIECES):
            digest.update(os.pread(file, _PIECE, (size - _PIECE) * piece // (_PIECES - 1)))
    return digest.digest()
