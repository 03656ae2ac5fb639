"""Every error that this project raises on purpose; a failure of ours is never a reward."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

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
        """Say what is damaged and where."""
        super().__init__(message)
        self.seconds, self.packet, self.frames = seconds, packet, frames


class DatasetError(SageEnvError):
    """A dataset or one of its rows is not usable; the message names the file and the row."""


class ToolError(SageEnvError):
    """A tool that the agent called failed, or did not return text: not the agent's fault."""


class ToolInputError(SageEnvError):
    """Arguments that do not suit a tool: the agent is told, and has spent a turn on them.

    Tools raise it for what their `parameters` cannot say; the environment never lets it out.
    """


class JudgeError(SageEnvError):
    """The judge failed: the answer stays *not judged* (`None`), which is not the same as wrong."""


class RewardError(SageEnvError):
    """A reward function failed, or gave something else than a mapping of names to numbers."""


class PolicyError(SageEnvError):
    """A policy cannot act any more, and it is not its choice: no input, or a context that is full.

    No reward can be given for it, so the play ends.
    """


class ResetNeeded(SageEnvError, gymnasium.error.ResetNeeded):
    """`step` was called before `reset`, or after the episode had ended."""


class MissingExtra(SageEnvError, ImportError):
    """An optional package is not installed; the message names the command that installs it."""


class PackageShadowed(SageEnvError, ImportError):
    """A folder of the user's hides one of our packages; the message names both."""


class MissingKey(SageEnvError):
    """A served model needs an API key, and the environment has none; the message names it."""


class ServiceError(SageEnvError):
    """A served model gave no reply: it is dead, too slow or out of order; not the agent's fault."""


class ServiceRefused(ServiceError):
    """The server will not serve us at all, for the key or the model's name: do not ask again."""


class ReplyBlocked(ServiceError):
    """The provider withheld a prompt or a reply, e.g. for safety: no action, and no reward."""


class ReplyUnusable(ServiceError):
    """What came back is no reply of a model: empty, or not in the form that the service speaks."""


class EpisodesFailed(SageEnvError):
    """Some episodes of a batch got no action; the others have theirs.

    Attributes:
        errors: by episode, why it has none: it is over, without a reward.
        decisions: by episode, what was chosen for the others; none is asked for again.
    """

    def __init__(
        self, errors: Mapping[Hashable, SageEnvError], decisions: Mapping[Hashable, Any]
    ) -> None:
        """Say how many failed, and why the first one did."""
        first = next(iter(errors.values()))
        super().__init__(f"{len(errors)} of {len(errors) + len(decisions)} episodes: {first}")
        self.errors, self.decisions = dict(errors), dict(decisions)

    def __reduce__(self) -> tuple[type[EpisodesFailed], tuple[Any, ...]]:
        """Pickle with both mappings."""
        return EpisodesFailed, (self.errors, self.decisions)


class ModelError(SageEnvError, ValueError):
    """A checkpoint, an adapter or an episode does not suit the model; the message says what to do.

    A `ValueError` as well, because what does not suit is an argument.
    """


class ContextFull(ModelError):
    """An episode needs more tokens than the model's context has."""
