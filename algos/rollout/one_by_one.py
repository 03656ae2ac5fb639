"""A policy that plays one episode at a time, as one that serves batches."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from algos.seeds import subseed
from policies.base import Decision, Observation, Policy


class OneByOne:
    """A policy without `act_batch`, as one that serves batches of one episode.

    Args:
        policy: whose it is.

    Attributes:
        answerer: that policy.
    """

    def __init__(self, policy: Policy) -> None:
        """Take the policy; `reset` has to come first."""
        self.answerer = policy
        self._seed: int | None = None
        self._episode: Hashable = None

    def reset(self, *, seed: int | None = None) -> None:
        """Forget the episode; the policy is reset when the next one begins."""
        self._seed, self._episode = seed, None

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Choose the next action; a new episode's seed is made of the seed and its name."""
        (observation,), (episode,) = observations, episodes
        if episode != self._episode:
            seed = None if self._seed is None else subseed(self._seed, str(episode))
            self.answerer.reset(seed=seed)
            self._episode = episode
        choice = self.answerer.act(observation)
        return [choice if isinstance(choice, Decision) else Decision(choice)]

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Nothing is held: the next episode has another name, and resets the policy."""
