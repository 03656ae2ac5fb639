"""Decoded pictures in a folder, through which the processes of a machine share them."""

from __future__ import annotations

import os
import struct
import time
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from importlib.metadata import version
from io import FileIO
from pathlib import Path

import numpy as np

from sage_env.storage.folder_ledger import ledger_of
from sage_env.video.cache.frame_key import Decode, FrameKey, Picture

STORE_BYTES = 2 * 2**30

_PIXEL_VERSION = 2
"""Raise it when the same `FrameKey` comes to mean other pixels: folders outlive the program."""
_HEADER = struct.Struct("<8sII")  # what the file is, H, W; the pixels follow
_MAGIC = b"sagepic1"
_SUFFIX, _PARTIAL = ".rgb", ".part"
_ABANDONED = 60.0  # seconds after which a partial file is of a process that died
_PAUSE, _LONGEST_PAUSE = 0.001, 0.02  # seconds between looks for what another process decodes


class FrameStore:
    """Pictures in the files of one folder, at most `max_bytes`, the least recently read go first.

    Any number of processes and threads may read and write at once. A picture is in a file of its
    own that appears complete or not at all; claims and the count of bytes are under locks that the
    system lifts when a process ends, in whatever way. Where a file system has no such locks,
    processes may decode the same picture twice, and nothing worse. Put the folder where it is fast
    (`/dev/shm`), or where it lasts.

    Attributes:
        folder: where the files are.
        max_bytes: upper bound of the bytes of all its files.
    """

    def __init__(self, folder: str | Path, max_bytes: int = STORE_BYTES) -> None:
        """Use a folder, which is made if it is missing.

        Raises:
            ValueError: if `max_bytes` is negative.
            OSError: if the folder cannot be made or written.
        """
        if max_bytes < 0:
            raise ValueError(f"max_bytes must be 0 or more, got {max_bytes}")
        self.folder = Path(folder).absolute()
        self.max_bytes = max_bytes
        self._pixel_version = f"{_PIXEL_VERSION} av-{version('av')}"
        self._warned = False
        self.folder.mkdir(parents=True, exist_ok=True)
        ledger_of(self.folder)

    def __reduce__(self) -> tuple[type[FrameStore], tuple[Path, int]]:
        """Copy and pickle as another view of the same folder."""
        return FrameStore, (self.folder, self.max_bytes)

    def get(self, key: FrameKey) -> Picture | None:
        """Return the picture, uint8 `(H, W, 3)` and the caller's own, or `None` if it is not there.

        A file that is not a whole picture is deleted.
        """
        path = self._path(key)
        try:
            with open(path, "rb", buffering=0) as file:
                picture = _read(file)
            if picture is None:
                path.unlink(missing_ok=True)
            else:
                os.utime(path)  # the least recently read go first
        except FileNotFoundError:
            return None  # never there, or dropped meanwhile
        except OSError as error:
            self._warn(error)
            return None
        return picture

    def put(self, key: FrameKey, picture: Picture) -> None:
        """Write a picture, uint8 `(H, W, 3)`, for every process to see.

        One for which there is no room is not kept. If it cannot be written, say because the disk is
        full, there is a warning: it can be decoded again.
        """
        path = self._path(key)
        nbytes = _HEADER.size + picture.nbytes
        if nbytes > self.max_bytes or path.exists():
            return
        partial = self.folder / f"{uuid.uuid4().hex}{_PARTIAL}"
        try:
            with ledger_of(self.folder).locked_total() as total:
                held = total.nbytes
                if held is None or held + nbytes > self.max_bytes:
                    held = self._drop(nbytes)
                    if held + nbytes > self.max_bytes:  # others are writing, or died so just now
                        total.set(held)
                        return
                total.set(held + nbytes)  # before the file is there: never more than is counted
                file = open(partial, "xb", buffering=0)
                os.truncate(file.fileno(), nbytes)  # so that whoever counts sees all of it
            with file:
                file.write(_HEADER.pack(_MAGIC, *picture.shape[:2]))
                file.write(np.ascontiguousarray(picture).data)
            with ledger_of(
                self.folder
            ).locked_total():  # a scan would miss what is renamed under it
                os.replace(partial, path)
        except OSError as error:
            self._warn(error)
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def fetch(
        self, keys: Sequence[FrameKey], decode: Decode, deadline: float | None = None
    ) -> Iterator[tuple[FrameKey, Picture]]:
        """Yield the pictures of distinct keys: those in the folder first, the others decoded.

        `decode` is given what no other process is decoding, and what it yields is put into the
        folder; the rest is waited for, after that. When another process ends without a picture, its
        turn passes on to one that waits.

        Raises:
            TimeoutError: if others take until after the deadline, which is of `time.monotonic`.
        """
        absent, pause, ledger = list(keys), _PAUSE, ledger_of(self.folder)
        while absent:
            found = []
            for key in absent:
                picture = self.get(key)
                if picture is not None:
                    found.append(key)
                    yield key, picture
            absent = [key for key in absent if key not in found]
            claimed = [key for key in absent if ledger.claim(self._name(key))]
            try:
                yield from self._decode(claimed, decode)
            finally:
                for key in claimed:
                    ledger.release(self._name(key))
            absent = [key for key in absent if key not in claimed]
            if absent and not found and not claimed:
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError(
                        f"frame {absent[0].frame} of {absent[0].content} was being decoded by "
                        f"another process and did not come in time to {self.folder}: allow more "
                        "time, or end the process that hangs"
                    )
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _decode(
        self, claimed: list[FrameKey], decode: Decode
    ) -> Iterator[tuple[FrameKey, Picture]]:
        """Decode what is ours to decode, but what came into the folder just before the claim."""
        absent = []
        for key in claimed:
            picture = self.get(key)
            if picture is None:
                absent.append(key)
            else:
                yield key, picture
        if absent:
            for key, picture in decode(absent):
                self.put(key, picture)
                yield key, picture

    def _drop(self, nbytes: int) -> int:
        """Delete files until `nbytes` more fit well; return the bytes of those that are left."""
        files, total, now = [], 0, time.time()
        with os.scandir(self.folder) as entries:
            for entry in entries:
                partial = entry.name.endswith(_PARTIAL)
                if not partial and not entry.name.endswith(_SUFFIX):
                    continue  # not ours
                with suppress(FileNotFoundError):
                    status = entry.stat()
                    total += status.st_size
                    if not partial:
                        files.append((status.st_mtime_ns, status.st_size, entry.path))
                    elif now - status.st_mtime > _ABANDONED:
                        files.append((0, status.st_size, entry.path))
        room = min(self.max_bytes - nbytes, self.max_bytes * 7 // 8)  # not again at the next one
        for modified, size, path in sorted(files):
            if total > room or not modified:
                with suppress(FileNotFoundError):
                    os.unlink(path)
                total -= size
        return total

    def _name(self, key: FrameKey) -> str:
        """Return what a key is called, in every process: 32 hex digits."""
        text = repr((self._pixel_version, *key))
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def _path(self, key: FrameKey) -> Path:
        return self.folder / (self._name(key) + _SUFFIX)

    def _warn(self, error: OSError) -> None:
        """Say once that the folder does not work: without it everything is slower, not wrong."""
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.folder}: pictures cannot be shared through this folder ({error}); they are "
                "decoded again where needed: free some space, or name another folder",
                RuntimeWarning,
                stacklevel=3,
            )


def _read(file: FileIO) -> Picture | None:
    """Return the picture in a file, or `None` if there is less or more in it, or something else."""
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    magic, height, width = _HEADER.unpack(header)
    nbytes = 3 * height * width
    if magic != _MAGIC or os.fstat(file.fileno()).st_size != _HEADER.size + nbytes:
        return None
    picture = np.empty((height, width, 3), np.uint8)
    return picture if file.readinto(picture.data) == nbytes else None
