"""A plug-in in a process of its own, which ends with a call that is late, whatever it does."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any
from weakref import WeakSet, finalize

from sage_env.deadlines.call_threads import CallOverdue
from sage_env.errors import SageEnvError, type_and_text
from sage_env.object_reference import is_reference
from sage_env.storage.forking import on_fork

START_TIMEOUT = 60.0
"""Seconds for an interpreter to start and import this package; it takes less than one. A choice."""
MAX_ANSWER = 64 << 20
"""Most bytes that a call may return, pickled. A choice: texts and numbers take thousands."""
_NEEDED = ("name", "description", "parameters")
_OPTIONAL = ("max_calls", "max_text", "timeout")
_SERVER = "from sage_env.deadlines.process_server import serve; serve({}, {!r})"
_FOLDER = "sage-plug-in-"  # what a plug-in's folder of temporary files is called, and a number
_ROUNDS = 10


class OwnProcess:
    """A tool, a judge or a reward that is called in a process of its own.

        env = gym.make(..., tools=[OwnProcess("my_tools:Transcribe")], call_timeout=30.0)

    The process starts with the first call and is kept for later ones. A call that is late ends it,
    with all processes that it has started and their temporary files; so does a crash, and the next
    call starts a new one. What the plug-in keeps from call to call is lost with it. Arguments,
    results and exceptions are pickled; a tool's `context.video` opens the file anew in its process,
    and what it decodes there is not counted. Calls side by side have a process each. The video of
    an `opener` cannot travel.

    Attributes:
        name, description, parameters: of a tool, as the plug-in has them.
        max_calls, max_text, timeout: of a tool that has them.
    """

    def __init__(
        self, plug_in: str | Callable[..., Any], settings: Mapping[str, str] | None = None
    ) -> None:
        """Start nothing yet.

        Args:
            plug_in: `"package.module:name"` of a function, an object or a class that is made
                there, which is imported in the process alone; or one that pickle can send, which
                what is defined in a script or a notebook cannot be.
            settings: arguments of that class, as text; see `written_settings`.

        Raises:
            ValueError: if it is neither, or there are settings for what is not named.
            Exception: what pickle says of an object that it cannot send.
        """
        named = isinstance(plug_in, str) and is_reference(plug_in)
        if not named and (isinstance(plug_in, str) or not callable(plug_in)):
            raise ValueError(
                f"OwnProcess takes a plug-in or its name 'package.module:name', got {plug_in!r}"
            )
        if settings and not named:
            raise ValueError(f"settings are for a class by its name, got them for {plug_in!r}")
        home = plug_in if isinstance(plug_in, str) else _home(plug_in)
        if home == "__main__":
            raise ValueError(
                f"{plug_in!r} is defined in the script or notebook itself, where another process "
                "cannot find it: put it into a module"
            )
        self._plug_in = plug_in
        self._settings = dict(settings or {})
        self._packed = pickle.dumps((plug_in, self._settings))
        self._idle: list[_Process] = []
        self._attributes: dict[str, Any] = {}
        _plug_ins.add(self)

    def __reduce__(self) -> tuple[type[OwnProcess], tuple[Any, ...], dict[str, Any]]:
        """Say how to make a copy: with processes of its own, and what is known of the plug-in."""
        return OwnProcess, (self._plug_in, self._settings), {"_attributes": self._attributes}

    def described(self) -> OwnProcess:
        """Return this, after asking for all attributes of a tool, without any process left."""
        for name in (*_NEEDED, *_OPTIONAL):
            getattr(self, name)
        self.close()
        return self

    @property
    def written(self) -> str | None:
        """Return `package.module:name?key=value`; `None` of a plug-in that is an object."""
        if not isinstance(self._plug_in, str):
            return None
        told = "&".join(f"{key}={value}" for key, value in self._settings.items())
        return f"{self._plug_in}?{told}" if told else self._plug_in

    def __repr__(self) -> str:
        """Show what is called; of its settings the names alone: messages and logs hold this."""
        told = "&".join(f"{key}=…" for key in self._settings)
        name = f"{self._plug_in}?{told}" if told else self._plug_in
        return f"OwnProcess({name!r})"

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the plug-in, such as a tool's name: asked for once."""
        if name not in (*_NEEDED, *_OPTIONAL):
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        if not isinstance(self._plug_in, str):
            return getattr(self._plug_in, name)
        if name not in self._attributes:
            none = (None,) if name in _OPTIONAL else ()
            try:
                self._attributes[name] = self._ask("get", (name, *none), START_TIMEOUT)
            except (AttributeError, SageEnvError):
                raise
            except Exception as error:
                said = type_and_text(error)
                raise ValueError(f"{self!r} cannot be asked for its {name}: {said}") from error
        return self._attributes[name]

    def __call__(self, *arguments: Any) -> Any:
        """Call the plug-in without a limit of time; see `call`."""
        return self._ask("call", arguments, None)

    def call(
        self,
        arguments: tuple[Any, ...],
        seconds: float | None,
        through: Callable[..., Any] | None = None,
    ) -> Any:
        """Return what the plug-in returns, within a time.

        Args:
            arguments: of the plug-in.
            seconds: how long it may take; `None` for no limit.
            through: a function of a module that is called instead, with the plug-in before them.

        Raises:
            CallOverdue: if it took longer; its process is gone then.
            ChildProcessError: if the process ended by itself, or did not start.
            Exception: what the plug-in raises.
        """
        if through is not None:
            return self._ask("apply", (through, *arguments), seconds)
        return self._ask("call", arguments, seconds)

    def close(self) -> None:
        """End the processes that wait for a call; the next call starts one."""
        while self._idle:
            with suppress(IndexError):  # another thread was quicker
                self._idle.pop().end()

    def _ask(self, kind: str, arguments: tuple[Any, ...], seconds: float | None) -> Any:
        """Have an idle process, or a new one, answer a request."""
        try:
            request = pickle.dumps((kind, self._packed, arguments))
        except Exception as error:
            raise TypeError(
                f"{self!r} cannot be given its arguments: pickle says {error}; name it by "
                "'package.module:name', and use openers that can be pickled"
            ) from error
        process = self._idle_process() or _Process()
        try:
            failed, answer = process.ask(request, seconds)
        except BaseException:
            process.end()
            raise
        self._idle.append(process)
        if failed:
            raise answer
        return answer

    def _idle_process(self) -> _Process | None:
        """Return a living process that waits for a call, if there is one."""
        while self._idle:
            with suppress(IndexError):  # another thread was quicker
                process = self._idle.pop()
                if process.alive:
                    return process
                process.end()
        return None


def _home(plug_in: Callable[..., Any]) -> str:
    """Return the module where a function, or the class of an object, is defined."""
    named = hasattr(plug_in, "__qualname__")
    return str(getattr(plug_in if named else type(plug_in), "__module__", ""))


class _Process:
    """One interpreter that answers requests, one at a time."""

    def __init__(self) -> None:
        self._pipe, there = Pipe()
        folder = tempfile.mkdtemp(prefix=_FOLDER)
        path = os.pathsep.join(place or os.getcwd() for place in sys.path)
        with there, _deleted_on_error(folder):
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVER.format(there.fileno(), folder)],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path, "TMPDIR": folder},
                pass_fds=[there.fileno()],
                start_new_session=True,  # so that it ends with the processes that it starts
            )
        # The weak reference ends it with the object, and at the latest with the interpreter.
        self._end = finalize(self, _end_process, self._process, self._pipe, folder)
        try:
            if not self._pipe.poll(START_TIMEOUT):
                raise ChildProcessError(f"a process did not start within {START_TIMEOUT:g} s")
            self._pipe.recv_bytes()
        except (EOFError, OSError) as error:
            self.end()
            raise ChildProcessError("a process did not start: see its message above") from error

    @property
    def alive(self) -> bool:
        """Return whether it still runs."""
        return self._process.poll() is None

    def ask(self, request: bytes, seconds: float | None) -> tuple[bool, Any]:
        """Return whether a request has failed, and its answer or error.

        Raises:
            CallOverdue: if there is no answer within `seconds`.
            ChildProcessError: if the process ends instead.
        """
        until = None if seconds is None else time.monotonic() + seconds
        try:
            self._pipe.send(seconds)
            self._pipe.send_bytes(request)
            if not self._pipe.poll(None if until is None else max(0.0, until - time.monotonic())):
                raise CallOverdue
            failed, answer = pickle.loads(self._pipe.recv_bytes(MAX_ANSWER))
        except (EOFError, ConnectionError) as error:
            self._process.wait()
            code = self._process.returncode
            if code == -signal.SIGALRM:
                raise CallOverdue from None
            raise ChildProcessError(f"its process ended with the exit status {code}") from error
        return bool(failed), answer

    def end(self) -> None:
        """End it, whatever it does."""
        self._end()


@contextmanager
def _deleted_on_error(folder: str) -> Iterator[None]:
    """Delete a folder if the block raises."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _end_process(process: subprocess.Popen[bytes], pipe: Connection, folder: str) -> None:
    """Kill a process and those that it has started, and delete their temporary files."""
    pipe.close()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(_ROUNDS):  # one may start another while it is looked for
        if not (left := _processes_of(folder)):
            break
        for number in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _processes_of(folder: str) -> list[int]:
    """Return the processes with that folder of temporary files; none where there is no `/proc`.

    These are all that a plug-in has started, also those that left its session, or outlived it.
    """
    mark, found = f"TMPDIR={folder}".encode(), []
    with suppress(OSError):
        for name in filter(str.isdecimal, os.listdir("/proc")):
            with suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
                if mark in file.read().split(b"\0"):
                    found.append(int(name))
    return found


_plug_ins: WeakSet[OwnProcess] = WeakSet()


def _forget_processes() -> None:
    """Leave the processes to the parent of a forked process."""
    for plug_in in _plug_ins:
        for process in plug_in._idle:
            process._end.detach()
        plug_in._idle = []


on_fork(_forget_processes)
