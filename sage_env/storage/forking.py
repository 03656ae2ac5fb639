"""Resets after a fork: `os.fork` copies locks, and none of their holders.

A child has one thread, the one that forked. A lock that another thread held at that moment stays
locked in the child for ever, and what that thread was changing stays half changed. Every module
that keeps a lock or threads for the whole process registers a reset here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakSet

T = TypeVar("T")


def on_fork(reset: Callable[[], object]) -> None:
    """Call `reset` in every child that is forked from now on, before it runs anything else.

    A registration lasts as long as the process (`os.register_at_fork`): register functions of
    modules, not of objects. Systems without `fork` never call it.

    Args:
        reset: makes new locks, and drops or recounts what may be half changed. It must not acquire
            a lock that another thread may hold. An error in it is printed and ignored.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)


def reset_each_on_fork(reset: Callable[[T], object]) -> WeakSet[T]:
    """Return a set for objects that hold locks: `reset` is called for each in every child.

    Objects that nobody else refers to leave the set by themselves.

    Args:
        reset: gets one object, and may do what that of `on_fork` may.
    """
    objects: WeakSet[T] = WeakSet()

    def reset_all() -> None:
        for each in objects:
            reset(each)

    on_fork(reset_all)
    return objects
