"""Decoded pictures in a folder, through which the processes of a machine share them."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import numpy as np

from sage_env.storage.bounded_folder import BoundedFolder
from sage_env.storage.sealed_file import SealedContent, read_sealed, seal
from sage_env.video.cache.frame_key import Decode, FetchedPicture, FrameKey, Picture

STORE_BYTES = 2 * 2**30
"""Bytes of a store unless told otherwise: 14,000 pictures of 224 by 224 pixels."""

_PIXEL_VERSION = 3
"""Raise it when the same `FrameKey` comes to mean other pixels: folders outlive the program."""
_SHAPE = struct.Struct("<II")
"""What the content of a file begins with: H, W, little-endian. H * W * 3 bytes follow."""
_PAUSE, _LONGEST_PAUSE = 0.001, 0.02
"""Seconds between looks for what another process decodes: doubled from the first to the second.

A longer pause adds to the time of waiting, a shorter one takes the processor from the process that
decodes. Not measured: revisit when processes often wait for each other."""


class FrameStore:
    """Pictures in the files of one folder, at most `max_bytes`, the least recently read go first.

    A file is sealed (`sealed_file`): one that was cut or flipped, is another picture's or no file
    at all is not there, and is deleted. So is one of another shape than its key's.

    Any number of processes and threads may read and write at once: `BoundedFolder` tells how, and
    what a process leaves that dies. Where a file system has no locks, processes may decode the same
    picture twice, and nothing worse. Put the folder where it is fast (`/dev/shm`), or where it
    lasts.

    Attributes:
        folder: where the files are.
        max_bytes: upper bound of the bytes of all its files.
    """

    def __init__(self, folder: str | Path, max_bytes: int = STORE_BYTES) -> None:
        """Use a folder, which is made if it is missing; one that does not work is a warning.

        Raises:
            ValueError: if `max_bytes` is negative.
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
        return self._read(self._name(key), key)

    def put(self, key: FrameKey, picture: Picture) -> None:
        """Write a picture, uint8 `(H, W, 3)`, for every process to see.

        One for which there is no room is not kept. If it cannot be written, say because the disk is
        full, there is a warning: it can be decoded again.

        Raises:
            ValueError: if it is none, or not of the shape that its key says.
        """
        height, width, *channels = picture.shape
        if picture.dtype != np.uint8 or channels != [3] or key.shape not in (None, (height, width)):
            raise ValueError(
                f"a picture must be uint8 (H, W, 3) with (H, W) = {key.shape or 'any'}, got "
                f"{picture.dtype} {picture.shape}"
            )
        name, pixels = self._name(key), np.ascontiguousarray(picture).reshape(-1).data
        if name not in self._files:  # asked first: the checksum takes longer
            self._files.put(name, seal(name, (_SHAPE.pack(height, width), pixels)))

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
        for name, key in list(absent.items()):
            picture = self._read(name, key)
            if picture is not None:
                yield FetchedPicture(absent.pop(name), picture, decoded=False)

    def _check(self, deadline: float | None, key: FrameKey) -> None:
        """Raise `TimeoutError` about a picture that is waited for, if the deadline has passed."""
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError(
                f"frame {key.frame} of {key.content} was being decoded by another process and did "
                f"not come in time to {self.folder}: allow more time, or end the process that hangs"
            )

    def _read(self, name: str, key: FrameKey) -> Picture | None:
        """Return the picture in the file of a key, `None` if there is none or another."""

        def unpack(content: SealedContent) -> Picture | None:
            height, width = _SHAPE.unpack(content.take(_SHAPE.size))
            if key.shape not in (None, (height, width)) or content.left != 3 * height * width:
                return None
            picture = np.empty((height, width, 3), np.uint8)
            content.fill(picture.reshape(-1).data)
            return picture

        return self._files.read(name, lambda path: read_sealed(path, unpack))

    def _name(self, key: FrameKey) -> str:
        """Return what a key is called, in every process: 32 hex digits."""
        text = repr((self._pixel_version, *key))
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
