"""A proxy of a video: small JPEG pictures of its frames, for requests that need no exact ones.

There is one file per video, to which records are appended. A record is little-endian:

    offset  0   4 bytes   "SPX2"
            4   int64     number of the frame, from 0
           12   uint32    native height, in pixels
           16   uint32    native width, in pixels
           20   uint32    n, bytes of JPEG (ITU-T T.81, baseline)
           24   uint32    CRC-32 of the JPEG
           28   uint32    CRC-32 of the video's content id and the 28 bytes before
           32   n bytes   the JPEG

There is no other index: it is read from the heads, so that a crash leaves nothing to repair but the
end of the file. A head that is damaged, or of another video's file, ends what is there; it is cut
off by the next who appends. A link or a pipe in the place of the file is no proxy, and stays.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from sage_env.storage.forking import reset_each_on_fork
from sage_env.storage.regular_file import open_regular
from sage_env.storage.warn_once import warn_once
from sage_env.video.cache.proxy_jpeg import JpegReader, small_jpeg

try:
    import fcntl
except ImportError:  # no locks on this system: let only one process add
    fcntl = None  # type: ignore[assignment]

PROXY_BYTES = 64 * 2**20
"""Bytes for one video: 1.8 hours at one frame a second and 10 kB a picture."""
SHORT_SIDE = 224
"""Pixels of the shorter side of the pictures kept: what common vision encoders take.

A larger side serves larger requests and holds fewer seconds in `PROXY_BYTES`."""

_HEAD = struct.Struct("<4sqIIII")
_HEAD_CHECK = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _HEAD_CHECK.size
_MAGIC = b"SPX2"
_CONTENT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_APPENDING = os.O_RDWR | os.O_CREAT | os.O_APPEND


class _Place(NamedTuple):
    """The place of a record in the file, and the content of its head.

    Attributes:
        offset: of the head in bytes; the JPEG follows it.
        native: `(H, W)` of the video's own pictures.
        nbytes: of the JPEG.
        checksum: CRC-32 of the JPEG.
    """

    offset: int
    native: tuple[int, int]
    nbytes: int
    checksum: int


def one_per_step(seconds: NDArray[np.float64], step: float = 1.0) -> NDArray[np.bool_]:
    """Return which frames to record, bool `(N,)`: the first in each part of `step` seconds.

    Args:
        seconds: when each frame of the video is shown, float64 `(N,)`, increasing from 0.
        step: length of a part in seconds.
    """
    cells = np.floor(seconds / step)
    return np.diff(cells, prepend=-1.0) > 0


class FrameProxy:
    """The small pictures of one video, at most `max_bytes` of them; when full, it takes no more.

    What it gives has gone through JPEG: good enough for an overview that tolerates another frame,
    never equal to the frame itself. Any number of threads and processes may read and add at once;
    no file is held open.

    Attributes:
        path: the file.
        max_bytes: upper bound of its bytes.
    """

    def __init__(
        self,
        folder: str | Path,
        content_id: str,
        *,
        max_bytes: int = PROXY_BYTES,
        short_side: int = SHORT_SIDE,
    ) -> None:
        """Use the file of a video in a folder; both are made when first needed.

        Args:
            folder: for the files of all videos.
            content_id: names the video and its version: letters, digits, `-` and `_`.
            max_bytes: of this video's file.
            short_side: pixels; larger pictures are shrunk to it before they are kept.

        Raises:
            ValueError: if the content id has other characters, or a number is negative.
        """
        if not _CONTENT_ID.fullmatch(content_id):
            raise ValueError(
                f"content_id must be 1 to 128 letters, digits, '-' or '_', got {content_id!r}"
            )
        if max_bytes < 0 or short_side < 1:
            raise ValueError(
                f"max_bytes must be 0 or more and short_side 1 or more, got {max_bytes}, "
                f"{short_side}"
            )
        self.path = Path(folder).absolute() / f"{content_id}.jpegs"
        self._whose = zlib.crc32(content_id.encode("ascii"))  # begins the checksum of each head
        self.max_bytes = max_bytes
        self._short_side = short_side
        self._places: dict[int, _Place] = {}
        self._end = 0  # bytes of the file that have been read into `_places`
        self._full = max_bytes == 0
        self._lock = Lock()
        self._reader: JpegReader | None = None
        _proxies.add(self)
        with suppress(OSError), self._opened(os.O_RDONLY) as file:
            self._catch_up(file)

    def __reduce__(self) -> tuple[object, tuple[Path, str, int, int]]:
        """Copy and pickle as another view of the same file."""
        return _again, (self.path.parent, self.path.stem, self.max_bytes, self._short_side)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._places)

    @property
    def frames(self) -> NDArray[np.int64]:
        """Return the numbers of the frames that are there, int64 `(n,)`, increasing."""
        with self._lock:
            return np.array(sorted(self._places), dtype=np.int64)

    def lacks(self, frame: int) -> bool:
        """Return whether `add` would keep this frame, as far as is known without the file."""
        return not self._full and frame not in self._places

    def add(
        self, frame: int, picture: NDArray[np.uint8], native: tuple[int, int] | None = None
    ) -> None:
        """Keep a frame, unless it is there or there is no room.

        A file that cannot be written takes no more; there is one warning for its folder.

        Args:
            frame: its number, from 0.
            picture: the whole picture, upright, uint8 `(H, W, 3)`.
            native: `(H, W)` of the video's own pictures, where `picture` has been shrunk.
        """
        if not self.lacks(frame):
            return
        height, width = picture.shape[:2]
        jpeg = small_jpeg(picture, self._short_side)
        record = self._head(frame, native or (height, width), jpeg) + jpeg
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._opened(_APPENDING) as file, _alone(file):
                size = self._catch_up(file)
                if size > self._end:  # a process died while it wrote: nothing there is of use
                    os.ftruncate(file, self._end)
                if self._end + len(record) > self.max_bytes:
                    self._full = True
                elif frame not in self._places:
                    self._append(file, record)
        except OSError as error:
            self._full = True
            warn_once(
                self.path.parent,
                "small pictures",
                f"{self.path}: pictures can no longer be kept ({error}): free some space, or name "
                "another folder",
            )

    def get(self, frame: int, size: tuple[int, int]) -> NDArray[np.uint8] | None:
        """Return a frame fitted into `size`, uint8 `(H, W, 3)`, with black bars.

        Args:
            frame: its number, from 0.
            size: `(H, W)` in pixels.

        Returns:
            `None` if the frame is not there, is damaged, or was kept smaller than that.
        """
        try:
            with self._opened(os.O_RDONLY) as file:
                if frame not in self._places:
                    self._catch_up(file)  # another process may have brought it
                place = self._places.get(frame)
                if place is None:
                    return None
                jpeg = os.pread(file, place.nbytes, place.offset + _HEAD_BYTES)
                if len(jpeg) < place.nbytes or zlib.crc32(jpeg) != place.checksum:
                    del self._places[frame]
                    return None
                self._reader = self._reader or JpegReader()
                return self._reader.read(jpeg, place.native, size)
        except (OSError, av.FFmpegError):
            return None  # no such file, or a bad disk, or no JPEG: it can be decoded instead

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        """Open the file, and keep other threads out."""
        with self._lock:
            file = open_regular(self.path, flags)
            try:
                yield file
            finally:
                os.close(file)

    def _head(self, frame: int, native: tuple[int, int], jpeg: bytes) -> bytes:
        """Return what stands before the JPEG of a frame."""
        head = _HEAD.pack(_MAGIC, frame, *native, len(jpeg), zlib.crc32(jpeg))
        return head + _HEAD_CHECK.pack(zlib.crc32(head, self._whose))

    def _catch_up(self, file: int) -> int:
        """Read the heads of what has been appended; return the bytes of the file."""
        size = os.fstat(file).st_size
        if size < self._end:  # someone has made it anew
            self._places, self._end = {}, 0
        while self._end + _HEAD_BYTES <= size:
            head = os.pread(file, _HEAD_BYTES, self._end)
            if len(head) < _HEAD_BYTES:
                break  # it has become shorter
            magic, frame, height, width, nbytes, checksum = _HEAD.unpack_from(head)
            (of_head,) = _HEAD_CHECK.unpack_from(head, _HEAD.size)
            after = self._end + _HEAD_BYTES + nbytes
            whole = of_head == zlib.crc32(head[: _HEAD.size], self._whose)
            if magic != _MAGIC or not whole or after > size:
                break
            self._places[frame] = _Place(self._end, (height, width), nbytes, checksum)
            self._end = after
        return size

    def _forget_threads(self) -> None:
        """Go on in a forked process, which has none of the threads that held the lock."""
        self._lock, self._reader = Lock(), None

    def _append(self, file: int, record: bytes) -> None:
        """Write a record at the end; all of it, or nothing."""
        written = 0
        try:
            written = os.write(file, record)
        finally:
            if written < len(record):
                with suppress(OSError):
                    os.ftruncate(file, self._end)
        self._catch_up(file)


def _again(folder: Path, content_id: str, max_bytes: int, short_side: int) -> FrameProxy:
    return FrameProxy(folder, content_id, max_bytes=max_bytes, short_side=short_side)


@contextmanager
def _alone(file: int) -> Iterator[None]:
    """Keep other processes from appending; the system lifts the lock when one ends."""
    if fcntl is None:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


_proxies = reset_each_on_fork(FrameProxy._forget_threads)
