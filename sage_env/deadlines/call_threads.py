"""Calls in threads that are waited for until a deadline, and then left behind.

A thread waits for its next call for a while after the last, so that calls one after the other have
the same thread. One that is late gets an exception, again and again, until it ends: that stops all
Python code. It does not stop what Python waits for (a lock, a socket without a timeout, C code);
such a thread stays behind, asleep, until the process ends, which it does not keep from ending.
"""

from __future__ import annotations

import contextvars
import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Lock, Thread, get_ident
from typing import Any

from sage_env.storage.forking import on_fork

_IDLE = 5.0
"""Seconds that a thread waits for its next call; then it ends. A choice."""
_WAITS = (1, 2, 4, 8, 16, 32, 64)
"""Seconds until a thread that is left behind gets the next exception: time to clean up, and to end
a read of the video. One that waits in C code gets the last one when it comes back. A choice."""
_SOON = 1.0
"""Most seconds to wait until a thread that has nothing to do has ended; it takes microseconds."""
_LONGEST_WAIT = 1e6
"""Seconds: no deadline, for a lock, which refuses infinity."""


class CallOver(BaseException):
    """Raised in a call that is late. No `Exception`, so that a tool's own handlers let it pass."""


class CallOverdue(Exception):
    """The call did not end in time, and goes on without anyone who waits for it."""


class _Call:
    """One call, and what came of it."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.context = contextvars.copy_context()  # of the caller: NumPy's error state, decimals
        self.ended = Lock()
        self.ended.acquire()
        self.result: Any = None
        self.error: BaseException | None = None


class _CallThread:
    """A thread that does one call after the other."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[_Call | None] = SimpleQueue()
        self.left_behind = False
        self.thread = Thread(target=self._serve, name="sage-call", daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        try:
            while not self.left_behind and (call := self._next()) is not None:
                try:
                    call.result = call.context.run(call.function)
                except BaseException as error:
                    call.error = error
                call.ended.release()
                del call  # what it returned is the caller's alone
        except CallOver:  # came after the call had ended
            pass
        finally:
            _undisturbed.discard(get_ident())

    def _next(self) -> _Call | None:
        while True:
            try:
                return self.calls.get(timeout=_IDLE)
            except Empty:
                with _guard:
                    if self in _idle:  # else somebody is about to give it a call
                        _idle.remove(self)
                        return None


_guard = Lock()
_idle: list[_CallThread] = []
_undisturbed: set[int] = set()  # threads that must not get an exception now


def call_in_thread(function: Callable[[], Any], seconds: float) -> Any:
    """Return what a function returns, or raise what it raises, within a time.

    It is called in another thread, with the caller's context variables. An exception in the waiting
    thread, such as a keyboard interrupt, leaves it behind as well.

    Args:
        function: what to call.
        seconds: how long to wait.

    Raises:
        CallOverdue: if it has not ended by then.
    """
    with _guard:
        thread = _idle.pop() if _idle else None
    thread = thread or _CallThread()
    call = _Call(function)
    thread.calls.put(call)
    ended = False
    try:
        ended = call.ended.acquire(timeout=min(seconds, _LONGEST_WAIT))
    finally:
        if ended:
            with _guard:
                _idle.append(thread)
        else:
            _leave_behind(thread)
    if not ended:
        raise CallOverdue
    if call.error is not None:
        try:
            raise call.error
        finally:
            del call  # the error refers to this frame, which would keep the error
    return call.result


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let the block end before the thread gets the exception of a late call, if it is one.

    For blocks that hold what other threads wait for.
    """
    me = get_ident()
    with _guard:
        outermost = me not in _undisturbed
        _undisturbed.add(me)
    try:
        yield
    finally:
        if outermost:
            with _guard:
                _undisturbed.discard(me)


def end_idle_threads() -> None:
    """End the threads that wait for a call; the next call starts one."""
    with _guard:
        idle = list(_idle)
        _idle.clear()
    for thread in idle:
        thread.left_behind = True
        thread.calls.put(None)
    for thread in idle:
        thread.thread.join(_SOON)


def _leave_behind(thread: _CallThread) -> None:
    """Have a thread end as soon as it can."""
    thread.left_behind = True
    thread.calls.put(None)  # it may have come back meanwhile, and wait for the next call
    _interrupt(thread.thread)
    Thread(target=_end, args=(thread.thread,), name="sage-call-end", daemon=True).start()


def _end(thread: Thread) -> None:
    """Interrupt a thread until it has ended; it may be in a handler that catches everything."""
    for wait in _WAITS:
        thread.join(wait)
        if not thread.is_alive():
            return
        _interrupt(thread)


def _interrupt(thread: Thread) -> None:
    """Have `CallOver` raised in a thread at its next bytecode, unless it is `undisturbed`."""
    ident = thread.ident
    with _guard:
        if ident is not None and ident not in _undisturbed and thread.is_alive():
            raised = ctypes.py_object(CallOver)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), raised)


def _forget_threads() -> None:
    """Go on in a forked process, which has none of the threads."""
    global _guard
    _guard = Lock()
    _idle.clear()
    _undisturbed.clear()


on_fork(_forget_threads)
