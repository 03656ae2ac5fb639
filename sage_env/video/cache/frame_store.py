"""Decoded pictures in a folder, through which the processes of a machine share them."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import numpy as np

from sage_env.storage.bounded_folder import BoundedFolder
from sage_env.video.cache.frame_key import Decode, FetchedPicture, FrameKey, Picture

STORE_BYTES = 2 * 2**30
"""Bytes of a store unless told otherwise: 14,000 pictures of 224 by 224 pixels."""

_PIXEL_VERSION = 2
"""Raise it when the same `FrameKey` comes to mean other pixels: folders outlive the program."""
_HEADER = struct.Struct("<8sII")
"""What a file begins with: the format's name, H, W, little-endian. H * W * 3 bytes follow."""
_MAGIC = b"sagepic1"
_PAUSE, _LONGEST_PAUSE = 0.001, 0.02
"""Seconds between looks for what another process decodes: doubled from the first to the second.

A longer pause adds to the time of waiting, a shorter one takes the processor from the process that
decodes. Not measured: revisit when processes often wait for each other."""


class FrameStore:
    """Pictures in the files of one folder, at most `max_bytes`, the least recently read go first.

    Any number of processes and threads may read and write at once: `BoundedFolder` tells how, and
    what a process leaves that dies. Where a file system has no locks, processes may decode the same
    picture twice, and nothing worse. Put the folder where it is fast (`/dev/shm`), or where it
    lasts.

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
        self._files = BoundedFolder(folder, max_bytes, suffix=".rgb", contents="pictures")
        self.folder = self._files.folder
        self.max_bytes = max_bytes
        # Another FFmpeg may round colours otherwise: its pictures have other names.
        self._pixel_version = f"{_PIXEL_VERSION} av-{version('av')}"

    def __reduce__(self) -> tuple[type[FrameStore], tuple[Path, int]]:
        """Copy and pickle as another view of the same folder."""
        return FrameStore, (self.folder, self.max_bytes)

    def get(self, key: FrameKey) -> Picture | None:
        """Return the picture, uint8 `(H, W, 3)` and the caller's own, or `None` if it is not there.

        A file that is not a whole picture is deleted.
        """
        return self._files.read(self._name(key), _read)

    def put(self, key: FrameKey, picture: Picture) -> None:
        """Write a picture, uint8 `(H, W, 3)`, for every process to see.

        One for which there is no room is not kept. If it cannot be written, say because the disk is
        full, there is a warning: it can be decoded again.
        """
        header = _HEADER.pack(_MAGIC, *picture.shape[:2])
        self._files.put(self._name(key), (header, np.ascontiguousarray(picture).data))

    def fetch(
        self, keys: Sequence[FrameKey], decode: Decode, deadline: float | None = None
    ) -> Iterator[FetchedPicture]:
        """Yield pictures, uint8 `(H, W, 3)`: those in the folder first, the others decoded.

        In rounds, until nothing is absent:

        1. Yield what is in the folder.
        2. Claim the rest. What no other process has claimed is ours until the end of this round.
        3. Yield what came into the folder between 1 and 2: its process had put it there and then
           let go of the claim.
        4. Decode what is left of ours; put each picture into the folder, and yield it.
        5. What others have claimed is absent still: it comes in 1, or, when its process ends
           without it, becomes ours in 2. If nothing came in this round, wait before the next.

        Everyone decodes before waiting, so that no two processes wait for each other.

        Args:
            keys: of the pictures, each once.
            decode: is called at most once a round, with keys in the order given. What it adds is
                put into the folder and yielded too; what it ends without is not asked for again.
            deadline: seconds on the clock of `time.monotonic`; `None` for no limit.

        Raises:
            TimeoutError: if others take until after the deadline.
        """
        absent, pause = {self._name(key): key for key in keys}, _PAUSE
        while absent:
            before = len(absent)
            yield from self._take_stored(absent)  # 1
            with self._files.claimed(absent) as names:  # 2
                mine = {name: absent.pop(name) for name in names}
                yield from self._take_stored(mine)  # 3
                if mine:  # 4
                    for key, picture in decode(list(mine.values())):
                        self.put(key, picture)
                        yield FetchedPicture(key, picture, decoded=True)
            if len(absent) == before:  # 5
                self._check(deadline, next(iter(absent.values())))
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _take_stored(self, absent: dict[str, FrameKey]) -> Iterator[FetchedPicture]:
        """Yield what is in the folder, and take it out of `absent`, which goes by file name."""
        for name in list(absent):
            picture = self._files.read(name, _read)
            if picture is not None:
                yield FetchedPicture(absent.pop(name), picture, decoded=False)

    def _check(self, deadline: float | None, key: FrameKey) -> None:
        """Raise `TimeoutError` about a picture that is waited for, if the deadline has passed."""
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError(
                f"frame {key.frame} of {key.content} was being decoded by another process and did "
                f"not come in time to {self.folder}: allow more time, or end the process that hangs"
            )

    def _name(self, key: FrameKey) -> str:
        """Return what a key is called, in every process: 32 hex digits."""
        text = repr((self._pixel_version, *key))
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _read(path: Path) -> Picture | None:
    """Return the picture in a file, or `None` if there is less or more in it, or something else.

    Here is the place to check what a file says of itself beyond its length.
    """
    with open(path, "rb", buffering=0) as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return None
        magic, height, width = _HEADER.unpack(header)
        nbytes = 3 * height * width
        if magic != _MAGIC or os.fstat(file.fileno()).st_size != _HEADER.size + nbytes:
            return None
        picture = np.empty((height, width, 3), np.uint8)
        return picture if file.readinto(picture.data) == nbytes else None
