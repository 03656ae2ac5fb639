"""Supervised training on episodes: the tokens that a policy would have written, and their loss."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from algos.trajectory import Trajectory
from policies.base import BatchPolicy, Decision, Observation, TurnTokens
from policies.sage_mm.model import language_states
from policies.sage_mm.positions import mrope_positions
from policies.sage_mm.prompt import ChatTokens, render_user
from policies.sage_mm.vision import FrameEncoder


@dataclass(frozen=True, eq=False)
class Example:
    """One conversation to learn from.

    Attributes:
        ids: int64 `(L,)`.
        taught: bool `(L,)`, True on the tokens that the assistant writes, stop token included.
        frames: keys of its frames, in order.
    """

    ids: NDArray[np.int64]
    taught: NDArray[np.bool_]
    frames: tuple[bytes, ...]

    @classmethod
    def of(cls, trajectory: Trajectory) -> Example:
        """Take a whole episode whose policy wrote down its tokens, see `Dictation`."""
        return cls(trajectory.token_ids, trajectory.sampled, trajectory.frames)


class Dictation:
    """A policy that plays like another and writes down the tokens SAGE-MM would have had to write.

    Args:
        teacher: its decisions must carry their text.
        tokens: the chat layout of the student.
        encoder: the student's vision tower.
    """

    def __init__(self, teacher: BatchPolicy, tokens: ChatTokens, encoder: FrameEncoder) -> None:
        """Start with no episode."""
        self._teacher, self._tokens, self._encoder = teacher, tokens, encoder
        self._started: set[Hashable] = set()

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes."""
        self._started.clear()
        self._teacher.reset(seed=seed)

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Forget these episodes."""
        over = list(episodes)
        self._started.difference_update(over)
        self._teacher.end(over)

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Let the teacher choose; add the tokens of each decision."""
        decisions = self._teacher.act_batch(observations, episodes)
        keys = self._encoder.encode([o["frames"][: int(o["num_frames"])] for o in observations])
        written = []
        rows = zip(observations, episodes, decisions, keys, strict=True)
        for observation, name, decision, frames in rows:
            turn = self._turn(observation, name not in self._started, decision.text, frames)
            self._started.add(name)
            written.append(Decision(decision.action, decision.text, turn))
        return written

    def _turn(
        self, observation: Observation, first: bool, text: str, frames: tuple[bytes, ...]
    ) -> TurnTokens:
        rows, columns = self._encoder.grid_of(observation["frames"])
        segments = render_user(observation, first=first, style=self._tokens.style)
        prompt = self._tokens.prompt(segments, rows * columns, first=first)
        completion = self._tokens.completion(text)
        return TurnTokens(prompt, completion, np.zeros(len(completion), np.float32), frames)


def supervised_loss(
    base: Any, encoder: FrameEncoder, frame_pad: int, examples: Sequence[Example]
) -> Tensor:
    """Return the mean cross-entropy of the taught tokens of a batch."""
    length = max(len(example.ids) for example in examples)
    ids = torch.zeros(len(examples), length, dtype=torch.long)
    taught = torch.zeros(len(examples), length, dtype=torch.bool)
    positions = torch.zeros(3, len(examples), length, dtype=torch.long)
    for i, example in enumerate(examples):
        size = len(example.ids)
        ids[i, :size] = torch.from_numpy(example.ids)
        taught[i, :size] = torch.from_numpy(example.taught)
        row, _ = mrope_positions(example.ids, frame_pad, encoder.grids(example.frames))
        positions[:, i, :size] = torch.from_numpy(row)
    keys = [key for example in examples for key in example.frames]
    features = encoder.features(keys) if keys else None
    hidden = language_states(base, ids, positions, ids == frame_pad, features)
    states = hidden[:, :-1][taught[:, 1:]]
    loss: Tensor = F.cross_entropy(base.lm_head(states), ids[:, 1:][taught[:, 1:]])
    return loss


def batches(
    examples: Sequence[Example], size: int, rng: np.random.Generator
) -> Iterator[list[Example]]:
    """Go through the examples in random order for ever, those of similar length together."""
    while True:
        order = rng.permutation(len(examples))
        for at in range(0, len(order), 16 * size):
            pool = sorted(order[at : at + 16 * size], key=lambda i: len(examples[i].ids))
            chunks = [pool[i : i + size] for i in range(0, len(pool), size)]
            for number in rng.permutation(len(chunks)):
                yield [examples[i] for i in chunks[number]]


class Schedule:
    """AdamW with a linear warm-up and a linear decay to a tenth.

    Args:
        parameters: to train.
        lr: at its peak.
        steps: in total.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, steps: int) -> None:
        """Make the optimiser."""
        self.parameters = list(parameters)
        self.optimizer = torch.optim.AdamW(self.parameters, lr, betas=(0.9, 0.98), weight_decay=0.01)
        self._lr, self._steps, self._step = lr, steps, 0

    def step(self, loss: Tensor) -> None:
        """Take one step down the loss."""
        self._step += 1
        scale = min(self._step / 50, 1.0) * max(0.1, 1 - self._step / self._steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self._lr * scale
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
