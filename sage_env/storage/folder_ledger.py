"""What the processes that share a folder agree on: who decodes what, and how many bytes it holds.

All of it is in one small file, under record locks: the system lifts them when a process ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Lock

try:
    import fcntl
except ImportError:  # no record locks on this system: everyone's claim is granted
    fcntl = None  # type: ignore[assignment]

LEDGER = "ledger"
_WORD = 8  # bytes of the file: the count of bytes, little-endian


class FolderTotal:
    """The count of bytes while nobody else may change it.

    Attributes:
        nbytes: of all files of the folder; `None` if nobody has counted them yet.
    """

    def __init__(self, file: int) -> None:
        """Read it from an open ledger."""
        word = os.pread(file, _WORD, 0)
        self._file = file
        self.nbytes = int.from_bytes(word, "little") if len(word) == _WORD else None

    def set(self, nbytes: int) -> None:
        """Write it at once: a process that is killed in the next moment has counted.

        Raises:
            OSError: if it cannot be written.
        """
        os.pwrite(self._file, nbytes.to_bytes(_WORD, "little"), 0)
        self.nbytes = nbytes


class FolderLedger:
    """The ledger of one folder as one process sees it. Thread-safe.

    Record locks are the process's: closing the file anywhere in it would lift them all, so that
    there is one ledger per folder and process, which stays open; see `ledger_of`.
    """

    def __init__(self, folder: Path) -> None:
        """Open the ledger of a folder, or make an empty one.

        Raises:
            OSError: if that is not possible.
        """
        self._file = os.open(folder / LEDGER, os.O_RDWR | os.O_CREAT, 0o666)
        self._lock = Lock()

    @contextmanager
    def locked_total(self) -> Iterator[FolderTotal]:
        """Keep every other thread and process from counting and from naming files."""
        with self._lock:
            self._locked(0, wait=True)
            try:
                yield FolderTotal(self._file)
            finally:
                self._unlock(0)

    def claim(self, name: str) -> bool:
        """Return whether no other process has claimed this name (hex digits): it is ours then."""
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
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # a file system without locks
            return True
        return True

    def _unlock(self, offset: int) -> None:
        if fcntl is not None:
            with suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, offset)


def _claim_offset(name: str) -> int:
    """Return the byte that stands for a name, beyond the count; other names have other bytes."""
    return _WORD + (int(name[:16], 16) >> 2)


@cache
def ledger_of(folder: Path) -> FolderLedger:
    """Return this process's ledger of a folder.

    Raises:
        OSError: if it cannot be opened.
    """
    return FolderLedger(folder)


if hasattr(os, "register_at_fork"):  # the child has none of the locks, and none of the threads
    os.register_at_fork(after_in_child=ledger_of.cache_clear)
