"""A folder of files that processes share, bounded in bytes, the least recently read go first."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import TypeVar

from sage_env.storage.atomic_file import PARTIAL, partial_path
from sage_env.storage.folder_ledger import FolderLedger, FolderTotal, ledger_of
from sage_env.storage.regular_file import NotRegular, is_regular
from sage_env.storage.sealed_file import Piece
from sage_env.storage.warn_once import warn_once

Content = TypeVar("Content")
_ABANDONED = 60.0
"""Seconds without a write after which a partial file is of a writer that died.

Much longer than a write takes, which is milliseconds; a writer that was halted for longer loses its
file, and no more. Age rather than `is_abandoned`: containers that share a folder do not see each
other's processes."""
_FILLED_AGAIN = 7, 8
"""Share of `max_bytes` that a full folder is emptied to, when that is where it can be.

Emptying lists the whole folder under the lock. With an eighth free, it happens once in an eighth of
the files; the price is that up to an eighth goes earlier than it must. Not measured: revisit when
listing takes a visible share of the time of writing."""


class BoundedFolder:
    """Files by name in one folder, at most `max_bytes` of them, for any number of processes.

    A name stands for one content: a file that is there is never written again. What cannot be read
    or written is as if it were not there, with one warning: every content can be made again. That
    holds of the folder too: one that is full, read-only or no folder keeps nothing. A link, a pipe
    or a device in the place of a file is no file: it is deleted, and what it leads to is not
    touched.

    Writing a file (`put`) has numbered steps, and L marks those under the ledger's lock:

    1. Leave out a file that is there already or larger than the folder may be.
    2. L Read the total. If it is not known, or the file would not fit, list the folder, delete
       partial files of dead writers and the least recently read files, and count what is left.
       If the file still does not fit, because others are writing, leave it out.
    3. L Set the total to what it will be. The file is not there yet.
    4. L Make the partial file and give it its full length, so that whoever lists the folder
       counts all of it.
    5. Write the content, with the lock free: this is the slow part.
    6. L Rename the partial file. Had another process put the same name meanwhile, delete the
       partial file instead, and take its bytes off the total.

    If 4, 5 or 6 fails, the partial file is deleted and its bytes are taken off the total (L).

    So the total is never less than the bytes of all files, whatever dies where:

    * killed after 3: the total is too large by a file that is not there;
    * killed after 4 or in 5: a partial file is left, and counted; after `_ABANDONED` seconds the
      next listing deletes it;
    * killed after 6, or between deleting and counting: the total is too large or right.

    A total that is too large only makes the next listing, which sets it right, come earlier.

    Reading (`read`) takes no lock: a file that is whole is never changed, and an open file survives
    being deleted. Where a file system has no locks, the total may be too small and the folder
    too large until the next listing, and processes may make the same content twice; no reader ever
    sees half a file. A folder that somebody deletes while processes use it is counted anew only by
    processes that start afterwards.

    Attributes:
        folder: where the files are.
        max_bytes: upper bound of the bytes of all its files, the ledger's 8 not counted.
    """

    def __init__(self, folder: str | Path, max_bytes: int, *, suffix: str, contents: str) -> None:
        """Use a folder, which is made if it is missing; that it cannot be made is a warning.

        Args:
            folder: may hold other files, and bounded ones with another suffix: each suffix has a
                bound and a ledger of its own.
            max_bytes: upper bound of the bytes of all its files.
            suffix: of every file, e.g. `.rgb`.
            contents: what a warning calls the files, e.g. `pictures`.

        Raises:
            ValueError: if `max_bytes` is negative.
        """
        if max_bytes < 0:
            raise ValueError(f"max_bytes must be 0 or more, got {max_bytes}")
        self.folder = Path(folder).absolute()
        self.max_bytes = max_bytes
        self._suffix, self._contents = suffix, contents
        self._ledger_path = self.folder / f"ledger-{suffix.strip('.')}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            ledger_of(self._ledger_path)  # said here rather than at the first file
        except OSError as error:
            self._warn(error)

    def __contains__(self, name: str) -> bool:
        """Return whether there is a file of this name; that is not a reading."""
        return is_regular(self.path(name))

    def path(self, name: str) -> Path:
        """Return where the file of a name is, or would be. Names are hex digits."""
        return self.folder / (name + self._suffix)

    def read(self, name: str, parse: Callable[[Path], Content | None]) -> Content | None:
        """Return what a file holds, `None` if it is not there or cannot be read.

        Args:
            name: of the file.
            parse: reads the file at a path; returns `None` if it is damaged, or raises `NotRegular`
                if it is none: both delete it. Another `OSError` from it is a warning.
        """
        path = self.path(name)
        try:
            try:
                content = parse(path)
            except NotRegular:
                content = None
            if content is None:
                # The total keeps its bytes: a damaged file may have another size than was counted.
                path.unlink(missing_ok=True)
                return None
        except FileNotFoundError:
            return None  # never there, or dropped meanwhile
        except OSError as error:
            self._warn(error)
            return None
        with suppress(OSError):  # dropped meanwhile, or of another user: it was read all the same
            os.utime(path)  # a reading counts as a use
        return content

    def put(self, name: str, parts: Sequence[Piece]) -> None:
        """Write a file for every process to see; see the numbered steps of the class.

        One for which there is no room is left out. If it cannot be written, say because the disk is
        full, there is a warning.
        """
        nbytes, path = sum(memoryview(part).nbytes for part in parts), self.path(name)
        if nbytes > self.max_bytes or is_regular(path):  # 1
            return
        partial = partial_path(path)
        try:
            file = self._reserve(partial, nbytes)  # 2, 3, 4
            if file is None:
                return
            try:
                with file:
                    _write(file, parts)  # 5
                self._publish(partial, path, nbytes)  # 6
            except BaseException:
                self._take_back(partial, nbytes)
                raise
        except OSError as error:
            self._warn(error)

    @contextmanager
    def claimed(self, names: Iterable[str]) -> Iterator[list[str]]:
        """Give those names that no other process has claimed, in order; ours until the block ends.

        A claim says that its process is making the file, so that others wait instead of making it
        too. It keeps nobody from writing, and threads of one process do not see each other's.
        """
        mine: list[str] = []
        try:
            ledger = self._ledger
        except OSError as error:
            self._warn(error)
            yield list(names)  # where nobody can say who makes what, everyone makes all
            return
        try:
            for name in names:
                if ledger.claim(name):
                    mine.append(name)
            yield mine
        finally:
            for name in mine:
                ledger.release(name)

    @property
    def _ledger(self) -> FolderLedger:
        return ledger_of(self._ledger_path)  # not kept: a forked process needs its own

    def _reserve(self, partial: Path, nbytes: int) -> FileIO | None:
        """Do steps 2 to 4: count a file and make it, with its full length and no content yet.

        Returns:
            The partial file, open for writing; `None` if there is no room.
        """
        with self._ledger.locked_total() as total:
            held = total.nbytes
            if held is None or held + nbytes > self.max_bytes:
                held = self._make_room(nbytes)
                if held + nbytes > self.max_bytes:  # others are writing, or died so just now
                    total.set(held)
                    return None
            total.set(held + nbytes)  # before the file is there: never more than is counted
            try:
                return _make(partial, nbytes)
            except BaseException:
                with suppress(OSError):  # the total is too large then; the first error is the cause
                    total.set(held)
                raise

    def _publish(self, partial: Path, path: Path, nbytes: int) -> None:
        """Do step 6: give a whole partial file its name, unless there is one of that name."""
        with self._ledger.locked_total() as total:  # a listing would miss what is renamed under it
            if not is_regular(path):  # a link is replaced, not followed
                os.replace(partial, path)
                return
            partial.unlink()
            _take_off(total, nbytes)

    def _take_back(self, partial: Path, nbytes: int) -> None:
        """Undo steps 3 and 4 after a failure, as far as the system lets us.

        The file is the proof that its bytes are counted: if a listing has deleted it meanwhile, it
        has also counted anew.
        """
        with suppress(OSError), self._ledger.locked_total() as total:
            partial.unlink()
            _take_off(total, nbytes)

    def _make_room(self, nbytes: int) -> int:
        """List the folder and delete until `nbytes` more fit well; return the bytes that are left.

        The ledger is locked. Partial files of another suffix are counted too, until the next
        listing: that is too much for a while, and never too little.
        """
        files, held, now = [], 0, time.time()
        with os.scandir(self.folder) as entries:
            for entry in entries:
                partial = entry.name.endswith(PARTIAL)
                if not partial and not entry.name.endswith(self._suffix):
                    continue  # not ours
                if entry.is_dir(follow_symlinks=False):
                    continue  # nothing of ours is a folder
                with suppress(FileNotFoundError):  # a reader has deleted a damaged one
                    status = entry.stat(follow_symlinks=False)
                    held += status.st_size
                    if not partial:
                        files.append((status.st_mtime_ns, status.st_size, entry.path))
                    elif now - status.st_mtime > _ABANDONED:
                        files.append((0, status.st_size, entry.path))
        filled, of = _FILLED_AGAIN
        room = min(self.max_bytes - nbytes, self.max_bytes * filled // of)
        for last_read, size, path in sorted(files):
            if held > room or not last_read:
                with suppress(FileNotFoundError):
                    os.unlink(path)
                held -= size
        return held

    def _warn(self, error: OSError) -> None:
        """Say once that the folder does not work: without it everything is slower, not wrong."""
        warn_once(
            self.folder,
            self._contents,
            f"{self.folder}: {self._contents} cannot be shared through this folder ({error}); "
            "they are made again where needed: free some space, or name another folder",
        )


def _make(partial: Path, nbytes: int) -> FileIO:
    """Make a partial file of its full length; leave none behind if that fails."""
    file = open(partial, "xb", buffering=0)
    try:
        os.truncate(file.fileno(), nbytes)
    except BaseException:
        file.close()
        with suppress(OSError):  # the first error is the one to see
            partial.unlink()
        raise
    return file


def _write(file: FileIO, parts: Sequence[Piece]) -> None:
    """Write the content of a partial file, also where the system takes it in several pieces.

    Raises:
        OSError: if the system takes no more.
    """
    for part in parts:
        left = memoryview(part)
        if left.nbytes:  # an empty view cannot be cast
            left = left.cast("B")
        while left.nbytes:  # a disk that is nearly full takes less than it is given, and no error
            taken = file.write(left)
            if not taken:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left = left[taken:]


def _take_off(total: FolderTotal, nbytes: int) -> None:
    """Count that a file has gone."""
    if total.nbytes is not None:
        total.set(max(0, total.nbytes - nbytes))
