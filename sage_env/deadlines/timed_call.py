"""One call of a plug-in with a deadline, whose end is one of our errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sage_env.argument_checks import is_number
from sage_env.deadlines.call_threads import CallOverdue, call_in_thread, end_idle_threads
from sage_env.deadlines.own_process import OwnProcess
from sage_env.errors import DecodeTimeout, JudgeTimeout, SageEnvError, error_text

CALL_TIMEOUT = 120.0
"""Seconds for one call of a plug-in unless told otherwise, as for one read of a video. A choice:
models that judge or transcribe take some seconds, and repeat what failed."""

_LONGEST = 1e6
"""Seconds, eleven days, in place of longer ones, which timers and locks of the system refuse."""

_OTHER_THREAD = (
    "it was called in a thread of its own, to end in time: have it make there what belongs to one "
    "thread, or pass call_timeout=None"
)
"""What SQLite's connections, event loops and handlers of signals do not say by themselves."""


def call_seconds(seconds: float | None) -> float | None:
    """Return the seconds that a call may take, or `None` for no limit, after checking them.

    Raises:
        ValueError: if they are not above 0.
    """
    if seconds is None:
        return None
    if is_number(seconds) and seconds > 0:
        return min(float(seconds), _LONGEST)
    raise ValueError(f"call_timeout must be seconds above 0 or None, got {seconds!r}")


def timed_call(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    seconds: float | None,
    late: type[SageEnvError],
    what: str,
    through: Callable[..., Any] | None = None,
) -> Any:
    """Return what a plug-in returns, called in its own process if it is an `OwnProcess`.

    Args:
        function: the plug-in.
        arguments: its arguments.
        seconds: how long it may take; `None` for no limit, in the calling thread.
        late: what to raise if it takes longer.
        what: names the plug-in and what it was to do, for the message.
        through: a function of a module that is given the plug-in and the arguments and calls it,
            there where the plug-in is; `None` to call it as it is.

    Raises:
        SageEnvError: a `late` if it takes longer. It has ended then, or is left behind as
            `call_threads` says.
        Exception: what the plug-in raises.
    """
    own = isinstance(function, OwnProcess)
    if through is not None and not own:
        function = partial(through, function)
    try:
        if isinstance(function, OwnProcess):
            return function.call(arguments, seconds, through)
        if seconds is None:
            return function(*arguments)
        return _called_in_thread(function, arguments, seconds)
    except CallOverdue:
        killed = late is DecodeTimeout or own
        hint = "" if killed else "; what hangs outside Python needs an OwnProcess"
        raise late(
            f"{what} took longer than the {seconds:g} s allowed and is given up: mend it, or give "
            f"more time with call_timeout{hint}"
        ) from None


def _called_in_thread(
    function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float
) -> Any:
    """Return what a plug-in returns; errors about threads are told which one it was called in."""
    try:
        return call_in_thread(partial(function, *arguments), seconds)
    except Exception as error:
        if "thread" in error_text(error) and not isinstance(error, SageEnvError):
            error.add_note(_OTHER_THREAD)
        raise


@dataclass(frozen=True)
class TimedPlugIn:
    """A judge or a reward whose calls have a deadline. Its first argument is the item.

    Attributes:
        function: the plug-in.
        seconds: how long a call may take; `None` for no limit.
        late: what is raised if it takes longer.
        what: names the plug-in, for the message.
    """

    function: Callable[..., Any]
    seconds: float | None
    late: type[SageEnvError]
    what: str

    def __call__(self, *arguments: Any) -> Any:
        """Return what the plug-in returns.

        Raises:
            SageEnvError: a `late` if it takes too long.
            Exception: what the plug-in raises.
        """
        item = getattr(arguments[0], "id", None)
        what = f"{self.what} on item {item!r}"
        return timed_call(self.function, arguments, self.seconds, self.late, what)


def timed_judge(judge: Callable[..., Any] | None, seconds: float | None) -> TimedPlugIn | None:
    """Return a judge whose calls have a deadline; `None` for none.

    Args:
        judge: function `(item, text) -> bool`.
        seconds: how long a call may take; `None` for no limit.
    """
    return None if judge is None else TimedPlugIn(judge, seconds, JudgeTimeout, "the judge")


def end_idle(plug_ins: Iterable[object]) -> None:
    """End the threads that wait for a call, and the processes of those plug-ins that have some."""
    end_idle_threads()
    for plug_in in plug_ins:
        if isinstance(plug_in, TimedPlugIn):
            plug_in = plug_in.function
        if isinstance(plug_in, OwnProcess):
            plug_in.close()
