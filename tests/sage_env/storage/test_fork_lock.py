"""Laws of `sage_env.storage.fork_lock`: a forked child finds the lock free, whoever held it."""

from __future__ import annotations

import os

import pytest

from sage_env.storage.fork_lock import ForkLock


def test_it_is_held_by_one() -> None:
    lock = ForkLock()
    assert lock.acquire() and not lock.acquire(0) and not lock.acquire(0.01)
    lock.release()
    assert lock.acquire(0.01)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_finds_it_free_and_the_parent_as_it_was() -> None:
    held, free = ForkLock(), ForkLock()
    held.acquire()
    child = os.fork()
    if not child:
        os._exit(0 if held.acquire(0) and free.acquire(0) and not held.acquire(0) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not held.acquire(0) and free.acquire(0)
