"""An upper bound: it is told where the evidence is, looks there, and answers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.base import BatchPolicy, Decision, Observation, Policy, PrivilegedPolicy
from policies.baselines.uniform import UniformPolicy
from sage_env.actions.action import Answer, Zoom
from sage_env.datasets.item import QAItem
from sage_env.errors import DatasetError
from sage_env.framing.picture_region import shown_regions
from sage_env.timeline import Span

LOOK_FRAMES = 8
"""Frames of one look at a span, where the budget allows it."""


@dataclass(eq=False)
class _Episode:
    item: QAItem
    waiting: list[Span] | None = None  # spans to look at; None before the first turn
    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    regions: list[NDArray[np.int32]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def collect(self, observation: Observation) -> None:
        """Keep the frames that show evidence; those of the overview too."""
        regions = shown_regions(observation)
        for k, second in enumerate(observation["seconds"][: len(regions)].tolist()):
            on = any(start <= second < end for start, end in self.item.evidence)
            if on and second not in self.seconds:
                self.frames.append(observation["frames"][k].copy())
                self.regions.append(regions[k].copy())
                self.seconds.append(second)

    def view(self, observation: Observation) -> Observation:
        """Return an observation of all frames that show evidence; as it is where there are none."""
        order = np.argsort(self.seconds)
        seen = dict(observation) | {"turns_left": 1, "message": "", "text": ""}
        if len(order):
            seen["frames"] = np.stack([self.frames[k] for k in order])
            seen["picture"] = np.stack([self.regions[k] for k in order])
            seen["seconds"] = np.array([self.seconds[k] for k in order], np.float32)
            seen["num_frames"] = len(order)
        return seen


class Oracle:
    """Looks at each evidence span of the item, and gives the gold answer or lets another answer.

    With the gold answer it bounds what searching can reach: all evidence seen, nothing else paid
    for. With an answerer it bounds what finding the evidence is worth: the answerer gets one
    observation with every frame that shows evidence, as if it had one turn left.

    Args:
        answerer: who answers; `None` for the gold answer.
        look_frames: how many frames it asks for at each span.

    Attributes:
        env_options: what the answerer wants the environment to be made with.
    """

    def __init__(
        self, answerer: Policy | BatchPolicy | None = None, look_frames: int = LOOK_FRAMES
    ) -> None:
        """Start with no episode."""
        if look_frames < 1:
            raise ValueError(f"look_frames must be at least 1, got {look_frames}")
        if isinstance(answerer, UniformPolicy):  # its one look would leave no turn for ours
            answerer = answerer.answerer
        if isinstance(answerer, PrivilegedPolicy):
            raise ValueError("the answerer of an oracle must not know the answer itself")
        self.look_frames = look_frames
        self.env_options: Mapping[str, Any] = dict(getattr(answerer, "env_options", {}))
        self._answerer = None if answerer is None else UniformPolicy(answerer, look_frames)
        self._episodes: dict[Hashable, _Episode] = {}

    @property
    def temperature(self) -> float:
        """Return the answerer's sampling temperature; `AttributeError` where it has none."""
        return self._answerer.temperature  # type: ignore[union-attr]

    @temperature.setter
    def temperature(self, value: float) -> None:
        self._answerer.temperature = value  # type: ignore[union-attr]

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes, and reset the answerer."""
        self._episodes.clear()
        if self._answerer is not None:
            self._answerer.reset(seed=seed)

    def inform(self, episode: Hashable, item: QAItem) -> None:
        """Take the item of the episode that begins.

        Raises:
            DatasetError: if its evidence is not known.
        """
        if not item.evidence:
            raise DatasetError(
                f"item {item.id!r} has no evidence spans, so the oracle has nowhere to look: play "
                "it on a dataset that has them"
            )
        self._episodes[episode] = _Episode(item)

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Forget these episodes."""
        names = list(episodes)
        for name in names:
            self._episodes.pop(name, None)
        if self._answerer is not None:
            self._answerer.end(names)

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Look at the next span of each episode, or answer.

        Raises:
            ValueError: if `inform` was not called for an episode.
        """
        decisions = [self._act(o, name) for o, name in zip(observations, episodes, strict=True)]
        asked = [k for k, decision in enumerate(decisions) if decision is None]
        if asked and self._answerer is not None:
            views = [self._episodes[episodes[k]].view(observations[k]) for k in asked]
            answers = self._answerer.act_batch(views, [episodes[k] for k in asked])
            for k, answer in zip(asked, answers, strict=True):
                decisions[k] = answer
        return [decision for decision in decisions if decision is not None]

    def _act(self, observation: Observation, name: Hashable) -> Decision | None:
        """Return the next look, or the gold answer, or `None` where the answerer is to answer."""
        episode = self._episodes.get(name)
        if episode is None:
            raise ValueError(
                f"the oracle was not told the item of episode {name!r}: call inform(episode, item) "
                "after each reset, as algos.rollout.collect does"
            )
        episode.collect(observation)
        looks = int(observation["turns_left"]) - 1
        if episode.waiting is None:
            episode.waiting = merged(episode.item.evidence, looks)
        frames_left = int(observation["frames_left"])
        if episode.waiting and looks > 0 and frames_left > 0:
            start, end = episode.waiting.pop(0)
            share = max(1, frames_left // (1 + len(episode.waiting)))
            return Decision(Zoom(start, end, min(self.look_frames, share)))
        return Decision(Answer(episode.item.answer)) if self._answerer is None else None


def merged(spans: Sequence[Span], most: int) -> list[Span]:
    """Join spans that overlap, then those nearest to each other until there are at most `most`."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    while len(joined) > max(most, 1):
        gaps = [after[0] - before[1] for before, after in pairwise(joined)]
        k = gaps.index(min(gaps))
        joined[k : k + 2] = [(joined[k][0], joined[k + 1][1])]
    return joined
