"""Pictures in a temporary file without a name: what dropped features are made from again."""

from __future__ import annotations

import logging
import os
import tempfile
from threading import Lock
from typing import IO

import numpy as np
from numpy.typing import NDArray

_log = logging.getLogger(__name__)
Picture = NDArray[np.uint8]


class PictureFile:
    """Pictures by key, bounded in bytes; the last `max_bytes / 2` that were put are there.

    Two files take turns: pictures go to the younger one, and when that is half of `max_bytes` long,
    the older one is dropped. A picture is written once a turn, so that one which is asked for again
    and again does not grow old. Files are made when needed, in the system's folder for temporary
    ones, and go with the process, in whatever way it ends. One that cannot be written costs a
    warning, and its pictures. Thread-safe; a copy, a pickle and the child of a fork begin empty.

    Args:
        max_bytes: of both files; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        """Make no file yet."""
        self._max_bytes = max_bytes
        self._lock, self._process = Lock(), os.getpid()
        self._younger, self._older = _Turn(), _Turn()

    def __reduce__(self) -> tuple[type[PictureFile], tuple[int]]:
        """Copy and pickle as one that is empty."""
        return PictureFile, (self._max_bytes,)

    def put(self, key: bytes, picture: Picture) -> None:
        """Keep a picture, uint8 `(H, W, 3)`; one of more than half of `max_bytes` is not kept."""
        with self._lock:
            self._begin_anew_after_a_fork()
            if key in self._younger.places or picture.nbytes > self._max_bytes // 2:
                return
            if self._younger.nbytes + picture.nbytes > self._max_bytes // 2:
                self._younger, self._older = _Turn(), self._younger
            try:
                self._younger.write(key, picture)
            except OSError as error:
                self._max_bytes = 0
                _log.warning(
                    "pictures cannot be kept in %s (%s): features that the cache drops cannot be "
                    "made again",
                    tempfile.gettempdir(),
                    error,
                )

    def get(self, key: bytes) -> Picture | None:
        """Return a picture, uint8 `(H, W, 3)`; `None` if it is not there."""
        with self._lock:
            self._begin_anew_after_a_fork()
            for turn in (self._younger, self._older):
                if key in turn.places:
                    return turn.read(key)
        return None

    def _begin_anew_after_a_fork(self) -> None:
        """Leave the files to the process that made them: both would write to the same place."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._younger, self._older = _Turn(), _Turn()


class _Turn:
    """One file, and where in it each picture is."""

    def __init__(self) -> None:
        self.places: dict[bytes, tuple[int, tuple[int, ...]]] = {}
        self.nbytes = 0
        self._file: IO[bytes] | None = None

    def write(self, key: bytes, picture: Picture) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="sage-pictures-", buffering=0)
        self._file.seek(self.nbytes)
        left = np.ascontiguousarray(picture).data.cast("B")
        while left:  # a write may be cut short, by a full disk or a signal
            left = left[self._file.write(left) :]
        self.places[key] = self.nbytes, picture.shape
        self.nbytes += picture.nbytes

    def read(self, key: bytes) -> Picture | None:
        at, shape = self.places[key]
        assert self._file is not None
        try:
            self._file.seek(at)
            return np.frombuffer(self._file.read(int(np.prod(shape))), np.uint8).reshape(shape)
        except (OSError, ValueError):  # ValueError: it was cut short
            return None
