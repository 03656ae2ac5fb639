"""Stopping by a signal: a training at its next safe point, an evaluation at once; all is saved.

A scheduler sends SIGTERM some seconds before it kills; a person presses Ctrl-C. While
`defer_signals` is entered, either signal only sets a request. `requested` is then True, and `check`
raises at places where nothing would be lost. A second Ctrl-C stops at once, as everywhere.

What writes every result as it comes needs no safe point: `ended_by_signals` ends it at once, and
does not wait for a request or a tool that hangs.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(Exception):
    """A signal asked to stop, and what was done is saved: not an error. The message says where."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came where Ctrl-C would have ended the work just so."""


GRACE = 5
"""Seconds between a signal and the end, at most. Schedulers kill 10 s or more after SIGTERM."""


class StopRequest:
    """A flag that a signal sets to ask for a stop, while inside `defer_signals`."""

    def __init__(self) -> None:
        """Start without a request."""
        self.requested = False

    def check(self) -> None:
        """Raise if a signal has asked to stop; call it only where nothing would be lost.

        Raises:
            Stopped: see there.
        """
        if self.requested:
            raise Stopped("stopped by a signal")

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal; from the second SIGINT on, stop at once."""
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
        name = signal.Signals(number).name
        print(f"\n{name}: saving at the next safe point", file=sys.stderr, flush=True)


@contextmanager
def defer_signals() -> Iterator[StopRequest]:
    """Inside the block, let SIGTERM and SIGINT set a stop request instead of stopping.

    Outside of the main thread, where Python sets no handlers, signals do what they did.
    """
    request = StopRequest()
    with _handlers(request.on_signal, signal.SIGTERM, signal.SIGINT):
        yield request


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Inside the block, let SIGTERM raise `Stopped`: for work that resumes from its own files."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped("stopped by a signal; run the same command again to go on from here")

    with _handlers(stop, signal.SIGTERM):
        yield


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside the block, let SIGTERM and SIGINT raise, and end the process if that takes too long.

    The process then ends `GRACE` seconds after the signal with 128 + its number, as a shell has it,
    and nothing is waited for: use it where everything that must stay is on the disk already.

    Raises:
        Terminated: after SIGTERM.
        KeyboardInterrupt: after SIGINT.
    """
    received: signal.Signals | None = None

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal received
        received = signal.Signals(number)
        if hasattr(signal, "alarm"):  # not on Windows
            signal.alarm(GRACE)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    def give_up(number: int, frame: FrameType | None) -> None:
        name, status = (received.name, 128 + received) if received else ("SIGALRM", 1)
        print(f"\n{name}: ended without waiting for what hangs", file=sys.stderr, flush=True)
        os._exit(status)

    with _handlers(end, signal.SIGTERM, signal.SIGINT):
        if not hasattr(signal, "alarm"):
            yield
            return
        with _handlers(give_up, signal.SIGALRM):
            try:
                yield
            finally:
                if received:
                    signal.alarm(0)


@contextmanager
def _handlers(handler: signal._HANDLER, *numbers: signal.Signals) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
