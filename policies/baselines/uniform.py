"""The DIRECT baseline: evenly spaced frames of the whole video, then one answer."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np

from policies.base import BatchPolicy, Decision, Observation, Policy
from policies.prompt import told_to_answer


@runtime_checkable
class AnswersOnly(Protocol):
    """A policy that can be made to answer.

    While `answers_only` is True, it tells its model so and lets it choose no other action.
    """

    answers_only: bool


@contextmanager
def answering(policy: object) -> Iterator[None]:
    """Make a policy answer inside the block, if it can be made to."""
    if not isinstance(policy, AnswersOnly):
        yield
        return
    before, policy.answers_only = policy.answers_only, True
    try:
        yield
    finally:
        policy.answers_only = before


def direct_env_options(num_frames: int) -> dict[str, int]:
    """Return the arguments of `gym.make` that leave one even look, or none, and one answer."""
    if num_frames < 0:
        raise ValueError(f"num_frames must be at least 0, got {num_frames}")
    return {
        "overview_frames": num_frames,
        "frames_per_turn": max(1, num_frames),
        "max_frames": num_frames,
        "max_turns": 1,
    }


class UniformPolicy:
    """Another policy that has to answer at once, from `num_frames` even frames.

    The environment leaves it one turn: make it with this policy's `env_options`. A policy that
    can be made to answer is (`AnswersOnly`); any other is told so in the `message` of its
    observation. Whatever is no answer all the same ends the episode out of turns: it counts as
    missing, and as wrong.

    Args:
        answerer: who answers; of another `UniformPolicy`, the one that answers there.
        num_frames: how many frames it sees; 0 for none: it answers blind.

    Attributes:
        env_options: what the environment must be made with.
    """

    def __init__(self, answerer: Policy | BatchPolicy, num_frames: int) -> None:
        """Start with no episode running."""
        inside = answerer.answerer if isinstance(answerer, UniformPolicy) else answerer
        self.answerer: Policy | BatchPolicy = inside
        inner: Mapping[str, Any] = getattr(inside, "env_options", {})
        self.env_options: Mapping[str, Any] = {**inner, **direct_env_options(num_frames)}
        self._seed: int | None = None

    @property
    def temperature(self) -> float:
        """Return the answerer's sampling temperature; `AttributeError` where it has none."""
        temperature: float = self.answerer.temperature  # type: ignore[union-attr]
        return temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        self.answerer.temperature = value  # type: ignore[union-attr]

    def reset(self, *, seed: int | None = None) -> None:
        """Reset the answerer."""
        self._seed = seed
        self.answerer.reset(seed=seed)

    def act(self, observation: Observation) -> Decision:
        """Let the answerer answer."""
        return self.act_batch([observation], [0])[0]

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Let the answerer answer each question.

        Raises:
            ValueError: if an episode allows more than one turn.
        """
        for observation in observations:
            if observation["turns_left"] != 1:
                raise ValueError(
                    f"the uniform policy answers at once, and {observation['turns_left']} turns "
                    "are left: make the environment with its env_options"
                )
        if not isinstance(self.answerer, AnswersOnly):
            observations = [told_to_answer(observation) for observation in observations]
        with answering(self.answerer):
            if isinstance(self.answerer, BatchPolicy):
                return self.answerer.act_batch(observations, episodes)
            pairs = zip(observations, episodes, strict=True)
            return [self._answer(self.answerer, *pair) for pair in pairs]

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Let the answerer free what it holds."""
        if isinstance(self.answerer, BatchPolicy):
            self.answerer.end(episodes)

    def _answer(self, answerer: Policy, observation: Observation, episode: Hashable) -> Decision:
        """Play one whole episode: a seed of its own keeps it apart from the rest of the batch."""
        seed = self._seed
        if seed is not None:
            words = [seed, zlib.crc32(repr(episode).encode())]
            seed = int(np.random.SeedSequence(words).generate_state(1)[0])
        answerer.reset(seed=seed)
        choice = answerer.act(observation)
        return choice if isinstance(choice, Decision) else Decision(choice)
