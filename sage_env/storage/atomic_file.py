"""Atomic files: a file or folder appears under its name whole, or the old one stays.

All of it is written under a temporary name in the same folder, which `os.replace` then turns into
the real one: POSIX `rename` (IEEE Std 1003.1) swaps a name in one step within a file system. A
temporary name is made once per call, so that two writers of one target never write one file; the
last to finish wins.

A link at the target is replaced, not followed: what it leads to stays as it is. A pipe, a device or
a folder at the target is an error, and stays. Checksums are not kept here: see `sealed_file`.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL = ".part"
"""Suffix of every temporary name; no finished file of this project ends in it."""
_OWNER = re.compile(r".*-(\d+)-[0-9a-f]{32}\.part.*", re.DOTALL)
_OLD = 3600.0  # seconds without a write; the longest file here takes minutes to make
_SHOWN = 40  # characters of the target in a temporary name: file systems allow 255 bytes in all


def partial_path(target: Path, ending: str = "") -> Path:
    """Return a temporary name beside `target` that no other call has returned, in any process.

    Args:
        target: what the file will be called.
        ending: what the name ends in, for writers that guess a format from it, e.g. `.mp4`.
    """
    name = f".partial-{target.name[:_SHOWN]}-{os.getpid()}-{uuid.uuid4().hex}{PARTIAL}{ending}"
    return target.with_name(name)


def is_abandoned(partial: Path) -> bool:
    """Return whether no process of this machine is still writing under a temporary name.

    A name that does not say who writes, and a writer in another container or on another machine,
    count as abandoned: a folder that such writers share needs a lock of its own. On Windows no name
    that says who writes does.
    """
    owner = _OWNER.fullmatch(partial.name)
    if owner is None:
        return True
    if os.name == "nt":  # there `kill` would end it: nobody can be asked
        return False
    try:
        os.kill(int(owner[1]), 0)  # signal 0 only asks whether there is such a process
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # there is, of another user
        return False
    return False


@contextmanager
def atomic_path(
    target: str | Path, *, durable: bool = False, ending: str = "", first: bool = False
) -> Iterator[Path]:
    """Give a temporary name to write to; the file takes the name `target` when the block ends.

    A reader sees the old file or the new one, never a part. If anything fails, in the block or
    after it, the temporary file is deleted, `target` is as it was, and the error is the caller's.
    A file that is replaced hands its permissions on, as if it had been opened for writing. What
    writers of the same target left behind when they were killed is deleted after success.

    Args:
        target: the file; its folder must exist.
        durable: whether to wait until file and name are on the disk (`fsync`): needed where the
            file must survive a power cut, not for a crash of the process.
        ending: what the temporary name ends in; see `partial_path`.
        first: leave what somebody else has put there meanwhile, and may have opened: for files that
            all writers make alike.

    Raises:
        OSError: what the system says, e.g. if the disk is full or `target` is a folder.
    """
    target = Path(target)
    partial = partial_path(target, ending)
    try:
        yield partial
        if not (first and _linked(partial, target)):
            _publish(partial, target, durable)
        _sweep(target)
    finally:
        with suppress(OSError):  # after success it has gone; else the first error is the one to see
            partial.unlink()


def atomic_write(target: str | Path, content: str | bytes, *, durable: bool = False) -> None:
    """Write a whole file, text as UTF-8; see `atomic_path`.

    A lone surrogate, which UTF-8 cannot hold, is written as Python and JSON escape it.

    Raises:
        OSError: what the system says, e.g. if the disk is full or `target` is a folder.
    """
    if isinstance(content, str):
        content = content.encode("utf-8", "backslashreplace")
    with atomic_path(target, durable=durable) as partial, open(partial, "xb") as file:
        file.write(content)


@contextmanager
def atomic_folder(target: str | Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a temporary folder to fill; it takes the name `target` when the block ends.

    If anything fails, the temporary folder is deleted. There must be no folder of that name by
    then: a folder that is not empty cannot be replaced in one step.

    Args:
        target: the folder; those above it are made.
        durable: whether to wait until its files and its name are on the disk.

    Raises:
        OSError: what the system says, e.g. if the disk is full or `target` is there.
    """
    target = Path(target)
    partial = partial_path(target)
    try:
        partial.mkdir(parents=True)
        yield partial
        if durable:
            for path in (*sorted(partial.rglob("*")), partial):
                _flush(path)
        os.rename(partial, target)
        if durable:
            _flush(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def atomic_files(folder: str | Path, *, seal: str = "") -> Iterator[Path]:
    """Give a temporary folder to fill; its files then take their names in `folder`, each whole.

    For writers that fill a folder of their own choice of files, where an older version of these may
    be. If the block fails, `folder` is as it was. Renaming takes no space, so that all files take
    their names or none does, unless the process ends in between.

    Args:
        folder: is made if it is missing.
        seal: name of the file that vouches for the others, if there is one: its older version goes
            first, and it takes its name last.

    Raises:
        OSError: what the system says, e.g. if the disk is full.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as temporary:
        yield Path(temporary)
        if seal:
            (folder / seal).unlink(missing_ok=True)
        for path in sorted(Path(temporary).iterdir(), key=lambda path: (path.name == seal, path)):
            _publish(path, folder / path.name, durable=False)


def _sweep(target: Path) -> None:
    """Delete what killed writers of `target` left behind.

    A file that is still written to is young, also where its writer runs in another container and
    looks dead from here.
    """
    now = time.time()
    with suppress(OSError):
        for partial in target.parent.glob(f".partial-{glob.escape(target.name[:_SHOWN])}-*"):
            if is_abandoned(partial) and now - partial.lstat().st_mtime > _OLD:
                partial.unlink()


def _linked(partial: Path, target: Path) -> bool:
    """Return whether `target` is there: by this finished temporary file, or another's."""
    with suppress(OSError):  # it is there, or the file system has no links
        os.link(partial, target)
    return target.is_file()


def _publish(partial: Path, target: Path, durable: bool) -> None:
    """Put a finished temporary file in the place of `target`, if that is a file, a link or free."""
    old: os.stat_result | None = None
    with suppress(OSError):  # there is nothing yet
        old = target.lstat()
    if old is not None and stat.S_ISREG(old.st_mode):
        with suppress(OSError):  # a file system without permissions
            partial.chmod(stat.S_IMODE(old.st_mode))
    elif old is not None and not stat.S_ISLNK(old.st_mode):
        code, found = errno.EEXIST, "a pipe or a device"
        if stat.S_ISDIR(old.st_mode):
            code, found = errno.EISDIR, "a folder"
        raise OSError(code, f"expected a file to replace, found {found}", os.fspath(target))
    if durable:
        _flush(partial)
    os.replace(partial, target)
    if durable:
        _flush(target.parent)  # the name is in the folder, and that is another file


def _flush(path: Path) -> None:
    """Wait until a file, or the list of names of a folder, is on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
