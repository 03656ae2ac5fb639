"""A policy that is led through the first turns of an episode, and chooses from there on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from algos.replaying.recorded import ReplayError
from algos.rollout.one_by_one import OneByOne
from policies.base import BatchPolicy, Decision, Observation
from policies.briefing import RecallingPolicy

_SEEN_FROM_OUTSIDE = (
    *("inform", "watch_video"),  # what it is told of an episode
    *("temperature", "top_k", "top_p", "max_new_tokens"),  # its conditions
    *("fingerprint", "version", "actor_parameters"),
)


class OtherTurn(Exception):
    """A policy chose something else in a turn that was given."""


class GivenTurns:
    """Another policy in one episode whose first turns are given.

    The policy chooses in these turns as well, and has to choose what is given: it then stands where
    it would stand had it played them itself, tokens and random numbers included. With `recalls` it
    is told of them instead.

    Args:
        policy: who chooses from there on.
        given: what was decided in the turns before.
        recalls: whether the policy is told of them; it must be a `RecallingPolicy` then.
    """

    def __init__(self, policy: Any, given: Sequence[Decision], *, recalls: bool) -> None:
        """Start with no episode running."""
        self._inner = policy if isinstance(policy, BatchPolicy) else OneByOne(policy)
        self._given, self._recalls, self._turn = given, recalls, 0
        for name in _SEEN_FROM_OUTSIDE:
            if hasattr(policy, name):
                setattr(self, name, getattr(policy, name))

    def reset(self, *, seed: int | None = None) -> None:
        """Begin the episode anew."""
        self._turn = 0
        self._inner.reset(seed=seed)

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Return what is given, and after that what the policy chooses.

        Raises:
            OtherTurn: if the policy chooses something else than what is given.
        """
        turn, self._turn = self._turn, self._turn + 1
        if turn >= len(self._given):
            return self._inner.act_batch(observations, episodes)
        given = self._given[turn]
        if self._recalls:
            if not isinstance(self._inner, RecallingPolicy):
                raise ReplayError("only a policy with the method `recall` can be told of turns")
            self._inner.recall(observations[0], episodes[0], given)
            return [given]
        (own,) = self._inner.act_batch(observations, episodes)
        if own.action != given.action or own.text != given.text:
            raise OtherTurn(turn)
        return [own]

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Let the policy free what it holds."""
        self._inner.end(episodes)
