"""Samplers with a planted bug: they write down log-probs of something else than the learner sees.

Each bug is one that training frameworks have had. It is planted while turns are sampled and taken
out before anything is scored again, so that the learner is the right one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor

from policies.base import Decision, Observation
from policies.sage_mm import SageMM

Bug = Literal[
    "none",
    "temperature",
    "top-p",
    "stale adapter",
    "another frame",
    "swapped frames",
    "shifted position",
]
BUGS: tuple[Bug, ...] = get_args(Bug)
TEMPERATURE, TOP_P = 1.05, 0.95
ANOTHER = 6
"""One frame in so many is another: two of an overview of twelve."""


class PlantedSampler(SageMM):
    """SAGE-MM, sampling with a bug.

    | bug | while a turn is sampled |
    |---|---|
    | `temperature` | logits are divided by 1.05 times the temperature |
    | `top-p` | the least likely tokens, 5 % of the probability together, are cut |
    | `stale adapter` | the actor's weights are those of the rollout before |
    | `another frame` | every sixth frame has the features of the next one |
    | `swapped frames` | frames change places in pairs |
    | `shifted position` | the tokens of a reply stand one position further on |

    Attributes:
        bug: which one; may be changed between rollouts.
    """

    bug: Bug = "none"

    def reset(self, *, seed: int | None = None) -> None:
        """Begin a rollout: what was the actor in the last one is stale from here on."""
        now = [p.detach().clone() for p in self.actor_parameters()]
        known = getattr(self, "_now", now)
        if any(not torch.equal(old, new) for old, new in zip(known, now, strict=True)):
            self._stale = known
        self._now = now
        super().reset(seed=seed)

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Choose one action per observation, with the bug."""
        with self._planted():
            return super().act_batch(observations, episodes)

    @contextmanager
    def _planted(self) -> Iterator[None]:
        temperature, top_p = self.temperature, self.top_p
        if self.bug == "temperature":
            self.temperature *= TEMPERATURE
        elif self.bug == "top-p":
            self.top_p = TOP_P
        elif self.bug == "stale adapter":
            self._write(getattr(self, "_stale", self._now))
        elif self.bug != "none":
            hidden = self.model.hidden
            cast(Any, self.model).hidden = _misread(self.bug, hidden)
        try:
            yield
        finally:
            self.temperature, self.top_p = temperature, top_p
            self._write(self._now)
            vars(self.model).pop("hidden", None)

    def _write(self, weights: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for parameter, weight in zip(self.actor_parameters(), weights, strict=True):
                if not torch.equal(parameter, weight):
                    parameter.copy_(weight)


def _misread(bug: Bug, hidden: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return `SageModel.hidden` as it reads with a bug."""

    def misread(ids: Tensor, positions: Tensor, frames: Sequence[bytes], *more: Any) -> Tensor:
        shown = list(frames)
        if bug == "shifted position" and not shown:
            positions = positions + 1
        elif bug == "another frame" and shown:
            shown = [
                frames[(k + 1) % len(frames)] if k % ANOTHER == 0 else key
                for k, key in enumerate(frames)
            ]
        elif bug == "swapped frames":
            for k in range(0, len(shown) - 1, 2):
                shown[k : k + 2] = shown[k + 1], shown[k]
        return hidden(ids, positions, shown, *more)

    return misread
