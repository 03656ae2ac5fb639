"""A policy that looks at random stretches and answers with a random choice."""

from __future__ import annotations

import numpy as np

from policies.base import Observation
from sage_env.actions.action import Action, Answer, Sample, Skip, Zoom


class RandomPolicy:
    """Chance level: it looks around at random, and answers at the latest on the last turn.

    Args:
        answer_rate: probability of answering on an earlier turn, in [0, 1].
    """

    def __init__(self, answer_rate: float = 0.25) -> None:
        """Start with no episode running."""
        if not 0 <= answer_rate <= 1:
            raise ValueError(f"answer_rate must be in [0, 1], got {answer_rate}")
        self.answer_rate = answer_rate
        self._random = np.random.default_rng()

    def reset(self, *, seed: int | None = None) -> None:
        """Seed the choices."""
        self._random = np.random.default_rng(seed)

    def act(self, observation: Observation) -> Action:
        """Choose any action of the four, each of its values at random."""
        random, duration = self._random, float(observation["duration"])
        if observation["turns_left"] <= 1 or random.random() < self.answer_rate:
            choices = str(observation["choices"]).splitlines() or ["unknown"]
            return Answer(choices[random.integers(len(choices))])
        kind = random.integers(3)
        if kind == 0:
            return Skip(random.uniform(float(observation["cursor"]), duration))
        start, end = np.sort(random.uniform(0, duration, size=2)).tolist()
        num_frames = int(random.integers(1, 1 + len(observation["seconds"])))
        if not start < end:  # equal draws, or a video of no length
            start, end = 0.0, duration
        if kind == 1:
            return Sample(start, end, num_frames)
        x0, y0 = random.uniform(0, 0.5, size=2).tolist()
        return Zoom(start, end, num_frames, (x0, y0, x0 + 0.5, y0 + 0.5))
