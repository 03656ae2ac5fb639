"""A whole run of PPO once more: Schulman et al., arXiv 1707.06347, algorithm 1, in loops.

The episodes are given; what is learned from them is what `slow_update` says, step by step. One
minibatch per pass, so that no order of rows matters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from algos.ppo.config import PPOConfig
from algos.rollout.trajectory import Trajectory
from tests.helpers.wiring.slow_tables import SlowAdam, Table, spoken
from tests.helpers.wiring.slow_update import SlowLoss, slow_actor, slow_critic, slow_targets


@dataclass
class SlowRun:
    """Weights that are trained update by update, and which cases of the losses occurred."""

    config: PPOConfig
    actor: Table
    critic: list[float]
    reference: Table
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        size, norm = len(self.actor) * len(self.actor[0]), self.config.max_grad_norm
        self._actor_steps, self._critic_steps = (
            SlowAdam(size, norm),
            SlowAdam(len(self.critic), norm),
        )

    @property
    def steps(self) -> tuple[int, int, int]:
        """Steps of the critic and of the actor, and how many of them had their gradient clipped."""
        both = self._critic_steps, self._actor_steps
        return both[0].steps, both[1].steps, sum(steps.clipped for steps in both)

    def learn(self, update: int, played: Sequence[Trajectory]) -> None:
        """Do one update (1, 2, ...) with what was played; failed episodes teach nothing."""
        config = self.config
        kept = [t for t in played if t.error is None]
        episodes, names = [spoken(t) for t in kept], [str(t.item_id) for t in kept]
        targets = slow_targets(config, episodes, names, self.critic, self.reference)
        share = (config.updates - update + 1) / config.updates if config.lr_decay else 1.0
        warming_up = config.uses_critic and update == 1 and config.critic_warmup > 0
        every = range(len(episodes))
        if config.uses_critic:
            clip = math.inf if warming_up else config.value_clip
            for _ in range(config.critic_warmup if warming_up else config.critic_epochs):
                loss = slow_critic(config, episodes, every, targets, self.critic, clip=clip)
                flat = [row[0] for row in self._said(loss)]
                self._critic_steps.step(self.critic, flat, config.critic_lr * share)
        rows = [k for k in every if targets.in_loss[k]]
        for _ in range(0 if warming_up or not rows else config.epochs):
            found = slow_actor(config, episodes, rows, targets, self.actor, self.reference)
            weights = [x for row in self.actor for x in row]
            flat = [x for row in self._said(found) for x in row]
            self._actor_steps.step(weights, flat, config.actor_lr * share)
            width = len(self.actor[0])
            self.actor = [weights[at : at + width] for at in range(0, len(weights), width)]

    def _said(self, loss: SlowLoss) -> Table:
        self.seen += loss.seen
        return loss.gradient
