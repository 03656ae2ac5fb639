"""Threads that read one video: one at a time, and closing it waits for none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sage_env.deadlines.call_threads import undisturbed
from sage_env.storage.fork_lock import ForkLock
from sage_env.video.deadline import Deadline

_LONGEST_WAIT = 1e6
"""Seconds: no deadline, for a lock, which refuses infinity. Longer waits begin anew."""


class ReadTurns:
    """The turns of threads at one thing that only one of them can use at a time.

    Closing it ends the turn that is running, and those that are waited for: their deadline says so
    where it is looked at. Whoever is the last to use the thing closes it; turns that are asked for
    later are as before.

    Attributes:
        closed: how often it was to be closed.
        taken: whether a thread is at its turn.
    """

    def __init__(self, close: Callable[[], object]) -> None:
        """Let nobody read yet.

        Args:
            close: closes what is read, also if it is closed already. Never called during a turn.
        """
        self.closed = 0
        self.taken = False
        self._close = close
        self._due = False
        self._lock = ForkLock()

    @contextmanager
    def reading(self, timeout: float | None, doing: str) -> Iterator[Deadline]:
        """Keep other threads out of the block, whose deadline is given.

        Args:
            timeout: seconds for the block and the wait for it; `None` for no limit.
            doing: names the thing and what is done with it, for the message.

        Raises:
            DecodeTimeout: if other threads take too long.
            VideoError: if it is closed meanwhile.
        """
        closed = self.closed
        deadline = Deadline.after(timeout, lambda: self.closed != closed)
        while not self._lock.acquire(min(deadline.left, _LONGEST_WAIT)):
            deadline.check(f"{doing}, or waiting for another thread's read,")
        try:
            deadline.check_open(doing)
            self.taken = True
            with undisturbed():
                yield deadline
        finally:
            self.taken = False
            self._lock.release()
            self._close_if_due()

    def close(self) -> None:
        """Close it, now or at the end of the turn that is running."""
        self.closed += 1
        self._due = True
        self._close_if_due()

    def _close_if_due(self) -> None:
        while self._due and self._lock.acquire(0):
            try:
                self._due = False
                self._close()
            finally:
                self._lock.release()
