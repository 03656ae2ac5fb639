"""Memory for pixels that is used again once nobody refers to it any more.

Fresh memory comes page by page, zeroed, on first touch: for pictures that are merely copied from a
cache that takes longer than the copying.
"""

from __future__ import annotations

import math
import os
import sys
from threading import Lock

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 64 * 2**20
"""Most bytes that are held for later; larger requests get fresh memory."""
_LEAST = 2**17  # bytes; below that, memory is not fresh anyway


def _references(number: int, held: list[NDArray[np.uint8]]) -> int:
    return sys.getrefcount(held[number])


_UNUSED = _references(0, [np.empty(0, np.uint8)])  # references to what only a list holds


class Recycler:
    """Hands out arrays, and their memory again when every array and view on it is gone.

    Views of an array refer to the memory's owner, which is held here: an owner with no other
    reference is free. Thread-safe.

    Attributes:
        max_bytes: most bytes that are held.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Hold nothing yet."""
        self.max_bytes = max_bytes
        self._held: list[NDArray[np.uint8]] = []
        self._lock = Lock()

    def empty(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return an array of this shape, uint8, with any content, for the caller alone."""
        nbytes = math.prod(shape)
        if not _LEAST <= nbytes <= self.max_bytes:
            return np.empty(shape, dtype=np.uint8)
        with self._lock:
            for number in range(len(self._held)):
                fits = nbytes <= self._held[number].nbytes <= 2 * nbytes
                if fits and _references(number, self._held) == _UNUSED:
                    owner = self._held.pop(number)
                    break
            else:
                owner = np.empty(nbytes, dtype=np.uint8)
            self._held.append(owner)  # the latest last
            while sum(held.nbytes for held in self._held) > self.max_bytes:
                self._held.pop(0)  # lives on as long as it is used
            return owner[:nbytes].reshape(shape)


pixels = Recycler()
"""Of the process, for the pictures that videos return."""


def _forget_threads() -> None:
    pixels._lock = Lock()


if hasattr(os, "register_at_fork"):  # the child has none of the threads that may hold the lock
    os.register_at_fork(after_in_child=_forget_threads)
