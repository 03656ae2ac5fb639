"""Policies that answer at once, by the position or the length of the choices alone."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from policies.base import Decision, Observation
from policies.baselines.uniform import direct_env_options
from sage_env.actions.action import Answer

REFUSAL = "no answer"
"""The answer to a question that a floor has none for: always wrong, and never missing."""
Choose: TypeAlias = Callable[[Sequence[str]], str | None]
"""Returns the answer to a question with these choices, `()` for an open one; `None` for none."""


@dataclass(frozen=True)
class ChoiceFloor:
    """Answers at once by the choices alone, without a frame.

    Attributes:
        choose: which one.
        env_options: what the environment must be made with: nothing is shown or decoded.
    """

    choose: Choose
    env_options: Mapping[str, Any] = field(default_factory=lambda: direct_env_options(0))

    def reset(self, *, seed: int | None = None) -> None:
        """Nothing is random, and nothing is held."""

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Answer each question."""
        return [self.act(observation) for observation in observations]

    def act(self, observation: Observation) -> Decision:
        """Answer."""
        written = str(observation["choices"])
        answer = self.choose(written.split("\n") if written else ())
        return Decision(Answer(REFUSAL if answer is None else answer))

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class _Position:
    number: int

    def __call__(self, choices: Sequence[str]) -> str | None:
        return choices[self.number - 1] if self.number <= len(choices) else None


def constant(number: int) -> ChoiceFloor:
    """Return a policy that always gives the choice at a position, from 1.

    A question with fewer choices gets a refusal, so that the floors of all positions add up to 1.

    Raises:
        ValueError: if the number is below 1.
    """
    if number < 1:
        raise ValueError(f"choices are numbered from 1, got {number}")
    return ChoiceFloor(_Position(number))


def longest() -> ChoiceFloor:
    """Return a policy that gives the choice of the most characters, the first of several."""
    return ChoiceFloor(_longest)


def _longest(choices: Sequence[str]) -> str | None:
    return max(choices, key=lambda choice: len(choice.strip()), default=None)
