"""A ledger for processes that share a folder: who makes which file, and how many bytes it holds.

Both are in one small file. The total is its content. Claims are record locks (`fcntl` locks of IEEE
Std 1003.1, which belong to a process) on single bytes of it: the system lifts them when a process
ends, in whatever way, so that a dead process never holds anyone up.

    offset 0 .. 7      the total, little-endian; byte 0 is locked while it is read and changed
    offset 8 ..        one byte per claimed name, locked, never written: the file stays 8 bytes long
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Lock

from sage_env.storage.forking import on_fork
from sage_env.storage.regular_file import open_regular

try:
    import fcntl
except ImportError:  # no record locks on this system: everyone's claim is granted
    fcntl = None  # type: ignore[assignment]

_TOTAL_BYTES = 8


class FolderTotal:
    """The count of bytes while nobody else may change it.

    Attributes:
        nbytes: of all files of the folder; `None` if nobody has counted them yet.
    """

    def __init__(self, file: int) -> None:
        """Read it from an open ledger."""
        word = os.pread(file, _TOTAL_BYTES, 0)
        self._file = file
        self.nbytes = int.from_bytes(word, "little") if len(word) == _TOTAL_BYTES else None

    def set(self, nbytes: int) -> None:
        """Write it at once: a process that is killed in the next moment has counted.

        Raises:
            OSError: if it cannot be written.
        """
        if os.pwrite(self._file, nbytes.to_bytes(_TOTAL_BYTES, "little"), 0) < _TOTAL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.nbytes = nbytes


class FolderLedger:
    """A ledger as one process sees it. Thread-safe.

    There is one object per file and process, and it keeps the file open (see `ledger_of`): record
    locks belong to the process, and closing any of its handles of the file would lift all of them.
    """

    def __init__(self, path: Path) -> None:
        """Open a ledger, or make an empty one.

        Raises:
            NotRegular: if something else is there, e.g. a link: what it leads to is not changed.
            OSError: if that is not possible.
        """
        self._file = open_regular(path, os.O_RDWR | os.O_CREAT)
        self._lock = Lock()

    @contextmanager
    def locked_total(self) -> Iterator[FolderTotal]:
        """Keep every other thread and process from counting and from naming files meanwhile."""
        with self._lock:  # a record lock does not keep threads of one process apart
            self._locked(0, wait=True)
            try:
                yield FolderTotal(self._file)
            finally:
                self._unlock(0)

    def claim(self, name: str) -> bool:
        """Return whether no other process has claimed this name (hex digits): it is ours then.

        Threads of one process do not keep each other out: each is granted the claim.
        """
        return self._locked(_claim_offset(name), wait=False)

    def release(self, name: str) -> None:
        """Let others claim a name."""
        self._unlock(_claim_offset(name))

    def _locked(self, offset: int, *, wait: bool) -> bool:
        """Lock one byte of the file, which need not exist; return whether it is ours now."""
        if fcntl is None:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, offset)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: another process has it
            return False
        except OSError:  # a file system without locks
            return True
        return True

    def _unlock(self, offset: int) -> None:
        if fcntl is not None:
            with suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, offset)


def _claim_offset(name: str) -> int:
    """Return the lock offset of a claim: 62 bits of the hash that names it, after the total.

    Two bits are cut off, so that the offset fits into the signed 64 bits of `off_t`. Two names
    that share the other 62 would wait for each other, and nothing worse.
    """
    return _TOTAL_BYTES + (int(name[:16], 16) >> 2)


@cache
def ledger_of(path: Path) -> FolderLedger:
    """Return this process's ledger in a file, the same for the same path.

    Raises:
        OSError: if it cannot be opened.
    """
    return FolderLedger(path)


# A child inherits no record lock, and a thread that it does not have may hold `_lock`.
on_fork(ledger_of.cache_clear)
