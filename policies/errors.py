"""Errors of policies and of the models and services behind them; each is a `SageEnvError`.

They live apart from `sage_env.errors` because nothing in the environment raises or names them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from sage_env.errors import MissingExtra, SageEnvError


class PolicyError(SageEnvError):
    """A policy cannot act any more, and it is not its choice: no input, or a context that is full.

    No reward can be given for it, so the play ends.
    """


class InputEnded(PolicyError):
    """There is nobody to ask any more: the input of a policy that reads it has ended."""


class MissingKey(SageEnvError):
    """A served model needs an API key, and the environment has none; the message names it."""


class ServiceError(SageEnvError):
    """A served model gave no reply: it is dead, too slow or out of order; not the agent's fault."""


class ServiceRefused(ServiceError):
    """The server will not serve us at all: the key, the model's name, the address, a spent quota.

    The only error of a service that ends the run, and not its episode alone: whoever plays keeps
    what was played, and asks no more.
    """


class ReplyBlocked(ServiceError):
    """The provider withheld a prompt or a reply, e.g. for safety: no action, and no reward."""


class ReplyUnusable(ServiceError):
    """A response holds no reply of a model: it is empty, or in another form than the service's.

    Attributes:
        again: whether another attempt may bring one; not where the reply was cut at its length.
    """

    def __init__(self, message: str, again: bool = True) -> None:
        """Say what came."""
        super().__init__(message)
        self.again = again


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


ENDS_RUN = (ServiceRefused, MissingKey, InputEnded, MissingExtra)
"""Errors after which every other episode would fail too: a run ends there, with what it has saved.

Every other error is that of the episode that raised it.
"""
