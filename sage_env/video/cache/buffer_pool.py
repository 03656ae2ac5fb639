"""Memory for pixels that is used again once nobody refers to it any more.

Fresh memory comes page by page, zeroed, on first touch: for pictures that are merely copied from a
cache that takes longer than the copying.
"""

from __future__ import annotations

import math
import os
import sys
from collections import deque
from threading import Lock

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 64 * 2**20
"""Most bytes that are held for later; larger requests get fresh memory."""
_LEAST = 2**17  # bytes; below that, memory is not fresh anyway
_LOOKS = 8  # arrays of one size that are looked at; the first to be handed out are free first


def _references(held: deque[NDArray[np.uint8]]) -> int:
    return sys.getrefcount(held[0])


_UNUSED = _references(deque([np.empty(0, np.uint8)]))  # references to what only a deque holds


class BufferPool:
    """Hands out arrays, and their memory again when every array and view on it is gone.

    Views of an array refer to the memory's owner, which is held here: an owner with no other
    reference is free. Thread-safe.

    Attributes:
        max_bytes: most bytes that are held.
        nbytes: bytes held now.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Hold nothing yet."""
        self.max_bytes = max_bytes
        self.nbytes = 0
        # By bytes, the sizes that were asked for last at the end; so are arrays of one size.
        self._held: dict[int, deque[NDArray[np.uint8]]] = {}
        self._lock = Lock()

    def empty(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return an array of this shape, uint8, with any content, for the caller alone."""
        nbytes = math.prod(shape)
        size = _rounded(nbytes)
        if not _LEAST <= size <= self.max_bytes:
            return np.empty(shape, dtype=np.uint8)
        with self._lock:
            held = self._held.pop(size, deque())
            owner = _unused(held)
            if owner is None:
                owner = np.empty(size, dtype=np.uint8)
                self.nbytes += size
            held.append(owner)
            self._held[size] = held
            while self.nbytes > self.max_bytes:
                self._let_go()
            return owner[:nbytes].reshape(shape)

    def _let_go(self) -> None:
        """Hold an array less, which lives on as long as it is used."""
        size, held = next(iter(self._held.items()))
        held.popleft()
        self.nbytes -= size
        if not held:
            del self._held[size]


def _rounded(nbytes: int) -> int:
    """Return a size that a quarter more or less often shares; what is beyond is never touched."""
    step = 1 << max(nbytes.bit_length() - 3, 0)
    return -(-nbytes // step) * step


def _unused(held: deque[NDArray[np.uint8]]) -> NDArray[np.uint8] | None:
    """Take out an array that nobody refers to, `None` if there is none among the first."""
    for _ in range(min(len(held), _LOOKS)):
        if _references(held) == _UNUSED:
            return held.popleft()
        held.rotate(-1)
    return None


pixel_buffers = BufferPool()
"""Of the process, for the pictures that videos return."""


def _forget_threads() -> None:
    pixel_buffers._lock = Lock()


if hasattr(os, "register_at_fork"):  # the child has none of the threads that may hold the lock
    os.register_at_fork(after_in_child=_forget_threads)
