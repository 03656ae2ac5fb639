"""A buffer pool for pixels: memory is handed out again once nothing refers to it any more.

Fresh memory from the system is zeroed page by page on first touch. For pictures that are merely
copied from a cache, that takes longer than the copying.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from sage_env.storage.forking import on_fork

MAX_BYTES = 64 * 2**20
"""Most bytes that are held for later; larger requests get fresh memory.

That is a batch of 151 frames of 384 by 384 pixels. A larger pool keeps memory that the process may
never need again. Not measured: revisit when usual batches are larger than this."""
_SMALLEST = 2**17
"""Bytes; smaller requests get memory from numpy, which is as good.

The default `mmap` threshold of glibc's malloc (`M_MMAP_THRESHOLD`, mallopt(3)): below it freed
memory is used again by malloc itself, so that there are no page faults to spare."""
_TRIED = 8
"""Buffers of one size that are looked at for a free one, those handed out longest ago first.

A bound on the time of a request; if more buffers of a size are in use at once, a new one is made.
Not measured: revisit when callers keep more than that many batches alive."""


def _references(held: deque[NDArray[np.uint8]]) -> int:
    return sys.getrefcount(held[0])


_UNUSED = _references(deque([np.empty(0, np.uint8)]))
"""References to an array that only a deque holds, as `_references` counts them.

Counted once, because the number differs between versions of Python."""


class BufferPool:
    """Hands out arrays, and their memory again when every array and view on it is gone.

    Every view refers to the array that owns the memory, which is held here. An owner with no
    reference but that of its deque is free. Thread-safe.

    Attributes:
        max_bytes: most bytes that are held.
        nbytes: bytes held now.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Hold nothing yet."""
        self.max_bytes = max_bytes
        self.nbytes = 0
        # Buffers by size. The size asked for last is at the end of the dict, and the buffer handed
        # out last is at the end of its deque: both are used least recently first.
        self._held: dict[int, deque[NDArray[np.uint8]]] = {}
        self._lock = Lock()

    def empty(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return an array of this shape, uint8, with any content, for the caller alone."""
        nbytes = math.prod(shape)
        size = _size_class(nbytes)
        if not _SMALLEST <= size <= self.max_bytes:
            return np.empty(shape, dtype=np.uint8)
        with self._lock:
            held = self._held.pop(size, deque())
            owner = _take_unused(held)
            if owner is None:
                owner = np.empty(size, dtype=np.uint8)
                self.nbytes += size
            held.append(owner)
            self._held[size] = held
            while self.nbytes > self.max_bytes:
                self._let_go()
            return owner[:nbytes].reshape(shape)

    def forget(self) -> None:
        """Hold nothing, with a new lock: for a forked process. Arrays in use live on."""
        self._held, self.nbytes, self._lock = {}, 0, Lock()

    def _let_go(self) -> None:
        """Hold one buffer less, of the size asked for longest ago; if in use, it lives on."""
        size, held = next(iter(self._held.items()))
        held.popleft()
        self.nbytes -= size
        if not held:
            del self._held[size]


def _size_class(nbytes: int) -> int:
    """Round up to one of four sizes per power of two, so that similar requests share buffers.

    Between 1024 and 2048 bytes the sizes are 1024, 1280, 1536, 1792 and 2048: at most a quarter is
    added. What is added is never written, so that the system never pages it in.
    """
    step = 1 << max(nbytes.bit_length() - 3, 0)
    return -(-nbytes // step) * step


def _take_unused(held: deque[NDArray[np.uint8]]) -> NDArray[np.uint8] | None:
    """Take a free buffer out of a deque, `None` if there is none among the first few."""
    for _ in range(min(len(held), _TRIED)):
        if _references(held) == _UNUSED:
            return held.popleft()
        held.rotate(-1)
    return None


pixel_buffers = BufferPool()
"""The pool of the process, for the pictures that videos return."""

# A thread that the child does not have may hold the lock, or have changed half of what is held.
on_fork(pixel_buffers.forget)
