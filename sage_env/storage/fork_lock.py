"""A lock of one object that a forked child finds free, whoever held it in the parent."""

from __future__ import annotations

from threading import Lock
from weakref import WeakSet

from sage_env.storage.forking import on_fork


class ForkLock:
    """A `threading.Lock` that is new in a forked child: what the parent's threads hold stays there.

    What the lock guards may be half changed then; its owner has to know.
    """

    def __init__(self) -> None:
        """Make a lock that nobody holds."""
        self._lock = Lock()
        _locks.add(self)

    def acquire(self, timeout: float = -1.0) -> bool:
        """Wait for the lock, and return whether it is now held by the caller.

        Args:
            timeout: most seconds to wait; 0 for not at all, below 0 for no limit.
        """
        return self._lock.acquire(timeout=timeout) if timeout else self._lock.acquire(False)

    def release(self) -> None:
        """Let others have the lock."""
        self._lock.release()


_locks: WeakSet[ForkLock] = WeakSet()


def _renew_locks() -> None:
    for lock in _locks:
        lock._lock = Lock()


on_fork(_renew_locks)
