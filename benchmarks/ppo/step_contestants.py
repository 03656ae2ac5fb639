"""Contestants of the update benchmark: who learns from the recorded episodes, and how."""

from __future__ import annotations

import math
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
from benchmarks.timing import Seconds, clocks, since
from policies.base import TokenBatch
from policies.sage_mm import LoraSettings, SageMM

OURS, CRITIC, ROWS = "ours", "ours, with critic", "row per turn"
TRL, TRL_GIVEN = step_trl.NAME, f"{step_trl.NAME}, old log-probs given"
LORA = LoraSettings()


class Contestants:
    """The recorded episodes, and all who take the same optimiser steps on them.

    Args:
        config: settings of all contestants.
        questions: number of questions; `config.episodes_per_question` episodes are recorded of
            each.
        root: folder of the videos.

    Attributes:
        trained: number of sampled tokens of an update.
        updates: for each contestant that is installed, a function that runs one update from the
            same weights and returns its cost.
    """

    def __init__(self, config: PPOConfig, questions: int, root: Path | None = None) -> None:
        """Record the episodes, and draw adapter weights: a fresh LoRA adapter does nothing."""
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
        # Random advantages: none is zero, so no contestant saves time by leaving an episode out.
        self.scores = torch.randn(len(self.batch), generator=generator)
        advantages = self.scores[:, None] * self.batch.sampled
        self.targets = Targets(advantages, advantages, torch.zeros_like(advantages))
        self.trained = int(self.batch.sampled.sum())
        self.updates: dict[str, Callable[[], Seconds]] = {
            OURS: self.ours,
            CRITIC: self.with_critic,
            ROWS: self.rows,
        }
        if step_trl.absent() is None:
            self.updates[TRL] = lambda: self.trl(rescore=True)
            self.updates[TRL_GIVEN] = lambda: self.trl(rescore=False)

    def ours(self) -> Seconds:
        """Run the actor's optimiser steps of one update."""
        return self._timed(lambda: self._fit_actor([(self.batch, self.targets)], self.config))

    def with_critic(self) -> Seconds:
        """Run a whole update of PPO: values, advantages, the critic's steps, the actor's."""
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

    def rows(self) -> Seconds:
        """Run the actor's steps on a row for each turn, with our code: as many steps as `ours`."""
        order = np.random.default_rng(0).permutation(len(self.batch))
        parts = np.array_split(order, self.config.minibatches)
        cut = [self._cut(part.tolist()) for part in parts]
        return self._timed(lambda: self._fit_actor(cut, replace(self.config, minibatches=1)))

    def trl(self, *, rescore: bool) -> Seconds:
        """Let TRL run the same steps."""
        given = step_trl.inputs(self.recorded, self.scores)
        learned = step_trl.update(given, LORA, self.start, self.config, rescore=rescore)
        return learned.cost

    def gradients(self) -> dict[str, dict[str, Tensor]]:
        """Return each contestant's gradient of all episodes in one minibatch, by adapter weight."""
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

    def _timed(self, learn: Callable[[], None]) -> Seconds:
        self.policy.load_state(self.start)
        began = clocks()
        learn()
        return since(began)

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
    """Return the norm of the difference of two gradients over the norm of the first.

    Raises:
        ValueError: if they are of different weights.
    """
    if gradient.keys() != other.keys():
        only_one = sorted(gradient.keys() ^ other.keys())
        raise ValueError(f"expected gradients of the same weights, only one has {only_one}")
    gap = sum(float(((g - other[name]) ** 2).sum()) for name, g in gradient.items())
    return math.sqrt(gap / sum(float((g**2).sum()) for g in gradient.values()))
