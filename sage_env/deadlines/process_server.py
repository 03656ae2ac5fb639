"""The process of an `OwnProcess`: it answers requests until the pipe is closed."""

from __future__ import annotations

import pickle
import shutil
import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from sage_env.deadlines.plug_in_settings import written_settings
from sage_env.errors import type_and_text
from sage_env.object_reference import load_object

GRACE = 2.0
"""Seconds after the deadline until the system ends the process by itself: its caller does so before
that, unless it was killed. A choice."""


def serve(descriptor: int, folder: str) -> None:
    """Answer requests on a pipe until its other end is closed.

    Args:
        descriptor: of the pipe.
        folder: of temporary files, which is deleted then: its caller may have been killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller decides
    pipe = Connection(descriptor)
    pipe.send_bytes(b"ready")
    plug_ins: dict[bytes, Any] = {}  # kept from call to call
    while True:
        try:
            seconds, request = pipe.recv(), pipe.recv_bytes()
        except EOFError:
            shutil.rmtree(folder, ignore_errors=True)
            return
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 0 if seconds is None else seconds + GRACE)
        answer = _answer(request, plug_ins)
        signal.setitimer(signal.ITIMER_REAL, 0)
        pipe.send_bytes(answer)


def _answer(request: bytes, plug_ins: dict[bytes, Any]) -> bytes:
    """Return whether a request has failed and its answer or error, pickled."""
    try:
        kind, packed, arguments = pickle.loads(request)
        if packed not in plug_ins:
            plug_ins[packed] = _loaded(*pickle.loads(packed))
        plug_in = plug_ins[packed]
        match kind:
            case "get":
                answer = getattr(plug_in, *arguments)
            case "apply":
                answer = arguments[0](plug_in, *arguments[1:])
            case _:
                answer = plug_in(*arguments)
        return pickle.dumps((False, answer))
    except BaseException as error:
        return _told(error)


def _loaded(plug_in: Any, settings: Mapping[str, str]) -> Any:
    """Return the plug-in, or what has that name; of a class, an instance with these settings."""
    if not isinstance(plug_in, str):
        return plug_in
    found = load_object(plug_in, "the plug-in", LookupError)
    if isinstance(found, type):
        return found(**written_settings(found, settings))
    if settings:
        raise ValueError(f"{plug_in} is no class, and takes no settings: leave out what follows ?")
    return found


def _told(error: BaseException) -> bytes:
    """Return an error as the caller can read it: itself if it travels, else its type and text.

    What is no `Exception`, such as `SystemExit`, ends this process at most, and not the caller.
    """
    try:
        if not isinstance(error, Exception):
            raise TypeError
        told = pickle.dumps((True, error))
        pickle.loads(told)
    except Exception:
        return pickle.dumps((True, RuntimeError(type_and_text(error))))
    return told
