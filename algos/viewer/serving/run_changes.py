"""Whether a run is still going, and whether its files have changed since one looked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from algos.viewer.page.page_files import generator

_HEAVY = frozenset(("checkpoints", "adapter", "proof"))
"""Folders of a run that the page shows nothing of."""
_HEAD = 4096
"""Bytes of a page that hold who wrote it."""
Marks = frozenset[tuple[str, int, int]]
"""Name, size and time of change of each file."""


def is_going_on(folder: Path) -> bool:
    """Return whether a command writes into a run's folder now: whether its lock is held."""
    lock = folder / "lock"
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):  # not ours to lock, or a file system without locks
        return False


def marks_of(run: Path) -> Marks:
    """Return what tells the files of a run apart from themselves later, without reading them.

    Args:
        run: a folder, or the file of a trace.
    """
    return frozenset(_marks(run) if run.is_dir() else filter(None, [_mark(run)]))


def _marks(folder: Path) -> Iterator[tuple[str, int, int]]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _HEAVY]
        for name in files:
            path = Path(place, name)
            if name != "lock" and path.suffix in (".json", ".jsonl"):
                if (mark := _mark(path)) is not None:
                    yield mark


def _mark(path: Path) -> tuple[str, int, int] | None:
    try:
        told = path.stat()
    except OSError:  # it was renamed meanwhile
        return None
    return str(path), told.st_size, told.st_mtime_ns


def is_newest(page: Path, marks: Marks) -> bool:
    """Return whether a page is there, is one of this program's, and is newer than a run's files.

    Args:
        page: the file.
        marks: of the run's files.
    """
    mark = f'content="{generator()}"'.encode()
    try:
        told = page.stat()
        with page.open("rb") as file:
            ours = mark in file.read(_HEAD)
    except OSError:
        return False
    return ours and all(changed <= told.st_mtime_ns for _, _, changed in marks)
