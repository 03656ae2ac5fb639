"""Every error that the environment raises on purpose; a failure of ours is never a reward.

    SageEnvError              catches them all; those of policies are in `policies.errors`
    ├── VideoError            a file is missing, broken, or no video
    │   ├── DecodeTimeout     reading it took longer than allowed
    │   └── CorruptFrame      a frame is there, and damage keeps it from being decoded
    ├── DatasetError          a dataset, or a row of it, cannot be used
    ├── ToolError             a tool failed
    │   └── ToolTimeout       it took longer than allowed; the environment tells the agent so
    ├── ToolInputError        the agent called a tool wrongly; never leaves the environment
    ├── JudgeError            the judge failed: the answer stays not judged
    │   └── JudgeTimeout      it took longer than allowed
    ├── RewardError           a reward failed, or gave no terms
    │   └── RewardTimeout     it took longer than allowed
    ├── StateError            a saved state is damaged, or of another environment
    ├── ResetNeeded           `step` without an episode (Gymnasium's error too)
    ├── MissingExtra          names the command that installs it (an `ImportError` too)
    └── PackageShadowed       a folder of the user's hides our package (an `ImportError` too)

What the user plugs in (an opener, a dataset, a reward, a judge, a tool) is called inside a
`boundary`, so that whatever it raises reaches the caller as one of these.
"""

from __future__ import annotations

from types import TracebackType

import gymnasium.error


class SageEnvError(Exception):
    """Base of the errors below, so that a caller can catch them all at once."""


class VideoError(SageEnvError):
    """A video file is missing, is not a video, or cannot be decoded."""


class DecodeTimeout(VideoError):
    """Reading a video took longer than the caller allowed."""


class CorruptFrame(VideoError):
    """A frame is in the file, but damage keeps it from being decoded.

    Attributes:
        seconds: when the first such frame of the request is shown.
        packet: number of the damaged packet in the order of decoding, `None` if not known.
        frames: numbers of the frames of the request that are lost with it.
    """

    def __init__(
        self,
        message: str,
        seconds: float = 0.0,
        packet: int | None = None,
        frames: tuple[int, ...] = (),
    ) -> None:
        """Say what is damaged and where.

        Args:
            message: what is damaged, and in which file.
            seconds: when the first such frame is shown.
            packet: number of the damaged packet.
            frames: numbers of the frames that are lost.
        """
        super().__init__(message)
        self.seconds, self.packet, self.frames = seconds, packet, frames


class DatasetError(SageEnvError):
    """A dataset or one of its rows is not usable; the message names the file and the row."""


class ToolError(SageEnvError):
    """A tool that the agent called failed, or did not return text: not the agent's fault."""


class ToolTimeout(ToolError):
    """A tool took longer than allowed: our fault, which the environment tells the agent of.

    It never leaves the environment: the turn is over, and the episode goes on.
    """


class ToolInputError(SageEnvError):
    """Arguments that do not suit a tool: the agent is told, and has spent a turn on them.

    Tools raise it for what their `parameters` cannot say; the environment never lets it out.
    """


class JudgeError(SageEnvError):
    """The judge failed: the answer stays *not judged* (`None`), which is not the same as wrong."""


class JudgeTimeout(JudgeError):
    """The judge took longer than allowed."""


class RewardError(SageEnvError):
    """A reward function failed, or gave something else than a mapping of names to numbers."""


class RewardTimeout(RewardError):
    """A reward took longer than allowed."""


class StateError(SageEnvError):
    """A saved state is damaged, or of another environment; the message names what differs."""


class ResetNeeded(SageEnvError, gymnasium.error.ResetNeeded):
    """`step` was called before `reset`, or after the episode had ended."""


class MissingExtra(SageEnvError, ImportError):
    """An optional package is not installed; the message names the command that installs it."""


class PackageShadowed(SageEnvError, ImportError):
    """A folder of the user's hides one of our packages; the message names both."""


def error_text(error: BaseException) -> str:
    """Return the text of an exception, or that it has none that can be read."""
    try:
        return str(error)
    except Exception as unreadable:
        return f"its text cannot be made ({type(unreadable).__name__})"


def type_and_text(error: BaseException) -> str:
    """Return an exception in a line, with its notes.

    >>> type_and_text(ValueError("no such answer"))
    'ValueError: no such answer'
    """
    notes = getattr(error, "__notes__", ())
    told = "; ".join(map(str, [error_text(error), *notes]))
    return f"{type(error).__name__}: {told}"


class boundary:
    """Turns what a plug-in raises in the block into one of our errors, with the plug-in's as cause.

        with boundary(RewardError, f"the reward failed on item {item.id!r}"):
            terms = reward(item, action, history)

    Keyboard interrupts and others that are no `Exception` pass. A class rather than a generator,
    because it stands in every step: it takes a third of the time.

    Raises:
        SageEnvError: on leaving, an `error` that says `what`, and type and text of what was raised.
    """

    __slots__ = ("_error", "_passes", "_what")

    def __init__(
        self,
        error: type[SageEnvError],
        what: str,
        *,
        passes: tuple[type[Exception], ...] = (SageEnvError,),
    ) -> None:
        """Take what is needed to tell a failure.

        Args:
            error: what to raise.
            what: what was done and on what, the beginning of the message.
            passes: exceptions that already say what happened, and pass as they are.
        """
        self._error, self._what, self._passes = error, what, passes

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise our error in place of the plug-in's."""
        if isinstance(raised, Exception) and not isinstance(raised, self._passes):
            raise self._error(f"{self._what}: {type_and_text(raised)}") from raised
