"""Who learns from the recorded episodes of `ppo_step.py`, and what each of them computes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam

from algos.ppo.config import PPOConfig
from algos.ppo.targets import Targets, make_targets
from algos.ppo.update import actor_objective, backward, critic_objective, fit
from benchmarks.ppo import step_trl
from benchmarks.ppo.step_episodes import as_rows, record
from policies.base import TokenBatch
from policies.sage_mm import LoraSettings, SageMM

Cost = tuple[float, float]
"""CPU and wall seconds of one update."""

OURS, CRITIC, ROWS = "ours", "ours, with critic", "row per turn"
TRL, TRL_GIVEN = step_trl.NAME, f"{step_trl.NAME}, old log-probs given"
LORA = LoraSettings()


class Contestants:
    """The episodes, and everyone who takes the same optimiser steps on them.

    Args:
        config: the settings of all.
        questions: `config.episodes_per_question` episodes are recorded of each.
        root: folder of the videos.

    Attributes:
        trained: sampled tokens of an update.
        updates: a function for each contestant who can take part; it takes one update.
    """

    def __init__(self, config: PPOConfig, questions: int, root: Path | None = None) -> None:
        """Record the episodes, and give adapters weights that make a difference."""
        self.config, self.policy = config, SageMM.load(lora=LORA)
        generator = torch.Generator().manual_seed(0)
        state = self.policy.state()
        self.start = {
            name: tensor + 0.02 * torch.randn(tensor.shape, generator=generator)
            for name, tensor in state.items()
        }
        self.policy.load_state(self.start)
        self.recorded = record(self.policy, questions, config.episodes_per_question, root)
        self.batch = self.recorded.batch
        # Advantages as if all had earned something else: nobody gains by leaving episodes out.
        self.scores = torch.randn(len(self.batch), generator=generator)
        advantages = self.scores[:, None] * self.batch.sampled
        self.targets = Targets(advantages, advantages, torch.zeros_like(advantages))
        self.trained = int(self.batch.sampled.sum())
        self.updates: dict[str, Callable[[], Cost]] = {
            OURS: self.ours,
            CRITIC: self.with_critic,
            ROWS: self.rows,
        }
        if step_trl.absent() is None:
            self.updates[TRL] = lambda: self.trl(rescore=True)
            self.updates[TRL_GIVEN] = lambda: self.trl(rescore=False)

    def ours(self) -> Cost:
        """Take the actor's steps of one update."""
        return self._timed(lambda: self._fit_actor([(self.batch, self.targets)], self.config))

    def with_critic(self) -> Cost:
        """Take a whole update of PPO: values, advantages, the critic's passes, the actor's."""
        config = replace(self.config, advantage="critic", whiten=True)

        def learn() -> None:
            batch = replace(self.batch, cache={})
            targets = make_targets(config, self.policy, batch, self.recorded.groups)
            optimizer = Adam(self.policy.critic_parameters(), lr=config.critic_lr)
            critic = critic_objective(config, self.policy, batch, targets)
            rng = np.random.default_rng(0)
            fit(config, critic, optimizer, epochs=config.critic_epochs, rng=rng)
            self._fit_actor([(batch, targets)], config)

        return self._timed(learn)

    def rows(self) -> Cost:
        """Take the actor's steps with a row for each turn: our code, as many steps."""
        order = np.random.default_rng(0).permutation(len(self.batch))
        parts = np.array_split(order, self.config.minibatches)
        cut = [self._cut(part.tolist()) for part in parts]
        return self._timed(lambda: self._fit_actor(cut, replace(self.config, minibatches=1)))

    def trl(self, *, rescore: bool) -> Cost:
        """Let TRL take the same steps."""
        given = step_trl.inputs(self.recorded, self.scores)
        learned = step_trl.update(given, LORA, self.start, self.config, rescore=rescore)
        return learned.cpu, learned.wall

    def gradients(self) -> dict[str, dict[str, Tensor]]:
        """Return everyone's gradient of all episodes as one minibatch, by adapter weight."""
        found = {
            OURS: self._gradient(self.batch, self.targets),
            ROWS: self._gradient(*self._cut(list(range(len(self.batch))))),
        }
        if step_trl.absent() is None:
            given = step_trl.inputs(self.recorded, self.scores)
            config = replace(self.config, minibatches=1, max_grad_norm=1e9)
            found[TRL] = step_trl.update(given, LORA, self.start, config, rescore=True).gradient
        return found

    def _cut(self, episodes: list[int]) -> tuple[TokenBatch, Targets]:
        return as_rows(self.batch, self.targets, episodes, self.policy.model.tokens.frame_pad)

    def _fit_actor(self, parts: list[tuple[TokenBatch, Targets]], config: PPOConfig) -> None:
        optimizer = Adam(self.policy.actor_parameters(), lr=config.actor_lr)
        rng = np.random.default_rng(0)
        for batch, targets in parts:
            actor = actor_objective(config, self.policy, batch, targets)
            fit(config, actor, optimizer, epochs=1, rng=rng)

    def _timed(self, learn: Callable[[], None]) -> Cost:
        self.policy.load_state(self.start)
        cpu, wall = time.process_time(), time.perf_counter()
        learn()
        return time.process_time() - cpu, time.perf_counter() - wall

    def _gradient(self, batch: TokenBatch, targets: Targets) -> dict[str, Tensor]:
        self.policy.load_state(self.start)
        named = self.policy.model.named_parameters()
        actor = {name: p for name, p in named.items() if name.startswith("actor.")}
        for parameter in actor.values():
            parameter.grad = None
        objective = actor_objective(self.config, self.policy, batch, targets)
        every_row = replace(objective, scored=list, workers=1)
        backward(self.config, every_row, range(len(batch)), list(actor.values()))
        return {name: p.grad.clone() for name, p in actor.items() if p.grad is not None}


def apart(gradient: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Return the norm of the difference of two gradients, as a share of the first one's."""
    if gradient.keys() != other.keys():
        raise ValueError(f"gradients of different weights: {gradient.keys() ^ other.keys()}")
    gap = sum(float(((g - other[name]) ** 2).sum()) for name, g in gradient.items())
    return (gap / sum(float((g**2).sum()) for g in gradient.values())) ** 0.5
