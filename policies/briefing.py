"""What a policy is told of an episode beside its observations: the item, the video, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from policies.base import BatchPolicy, Decision, Observation, PrivilegedPolicy

if TYPE_CHECKING:
    from sage_env.datasets.item import QAItem


@runtime_checkable
class WholeVideoPolicy(BatchPolicy, Protocol):
    """A policy that is given the video itself, beside what the environment shows of it.

    It is told the file, and neither the answer nor the evidence: a row to compare with, for agents
    that look at parts. Whoever plays it calls `watch_video` after every `reset` of the environment,
    before the episode's first turn; `algos.rollout.collect` does. What such a policy sees is not
    counted in frames: tables say `-`, and never 0.
    """

    def watch_video(self, episode: Hashable, video: Path) -> None:
        """Take the video file of the episode that begins."""


@runtime_checkable
class RecallingPolicy(BatchPolicy, Protocol):
    """A policy that can go on in an episode whose first turns it did not choose."""

    def recall(self, observation: Observation, episode: Hashable, decision: Decision) -> None:
        """Take a turn of an episode as it was played, instead of choosing one.

        What it chooses afterwards depends on it as on a turn of its own, and draws the same random
        numbers.
        """


def briefing_of(policy: object) -> Callable[[Hashable, QAItem], None] | None:
    """Return what tells a policy of the episode that begins; `None` where it may know nothing.

    A `PrivilegedPolicy` is told the whole item, a `WholeVideoPolicy` its video.
    """
    if isinstance(policy, PrivilegedPolicy):
        return policy.inform
    if isinstance(policy, WholeVideoPolicy):
        watch = policy.watch_video
        return lambda episode, item: watch(episode, item.video)
    return None
