"""Every error that this project raises on purpose; a failure of ours is never a reward."""

import gymnasium.error


class SageEnvError(Exception):
    """Base of the errors below, so that a caller can catch them all at once."""


class VideoError(SageEnvError):
    """A video file is missing, is not a video, or cannot be decoded."""


class DatasetError(SageEnvError):
    """A dataset or one of its rows is not usable; the message names the file and the row."""


class ToolError(SageEnvError):
    """A tool that the agent called failed; mistakes of the agent's own are `Invalid` actions."""


class JudgeError(SageEnvError):
    """The judge failed: the answer stays *not judged* (`None`), which is not the same as wrong."""


class RewardError(SageEnvError):
    """A reward function broke its contract: a non-empty mapping of names to finite numbers."""


class ResetNeeded(SageEnvError, gymnasium.error.ResetNeeded):
    """`step` was called before `reset`, or after the episode had ended."""


class MissingExtra(SageEnvError, ImportError):
    """An optional package is not installed; the message names the command that installs it."""
