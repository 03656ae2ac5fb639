"""A whole run of PPO once more: Schulman et al., arXiv 1707.06347, algorithm 1, in loops.

The episodes are given; what is learned from them is what `slow_update` says, step by step. One
minibatch per pass, so that no order of rows matters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from algos.ppo.config import PPOConfig
from algos.rollout.trajectory import Trajectory
from tests.helpers.wiring.slow_tables import Episode, SlowAdam, Table, logprob, spoken
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
            SlowAdam(size, norm, decay=self.config.actor_weight_decay),
            SlowAdam(len(self.critic), norm, decay=self.config.critic_weight_decay),
        )
        self._kl_coef = self.config.kl_coef

    @property
    def steps(self) -> tuple[int, int, int]:
        """Steps of the critic and of the actor, and how many of them had their gradient clipped."""
        both = self._critic_steps, self._actor_steps
        return both[0].steps, both[1].steps, sum(steps.clipped for steps in both)

    def learn(self, update: int, played: Sequence[Trajectory]) -> None:
        """Do one update (1, 2, ...) with what was played; failed episodes teach nothing."""
        config = self._of_update(update)
        kept = [t for t in played if t.error is None]
        episodes, names = [spoken(t) for t in kept], [str(t.item_id) for t in kept]
        targets = slow_targets(config, episodes, names, self.critic, self.reference)
        pretrained = config.critic_pretrain_updates if config.critic_warmup > 0 else 0
        warming_up = config.uses_critic and update <= pretrained
        actor_from = 1 + pretrained if config.uses_critic else 1
        every = range(len(episodes))
        if config.uses_critic:
            clip = math.inf if warming_up else config.value_clip
            for _ in range(config.critic_warmup if warming_up else config.critic_epochs):
                loss = slow_critic(config, episodes, every, targets, self.critic, clip=clip)
                flat = [row[0] for row in self._said(loss)]
                rate = config.critic_lr * slow_share(config, update, 1)
                self._critic_steps.step(self.critic, flat, rate)
        rows = [k for k in every if targets.in_loss[k]]
        for _ in range(0 if warming_up or not rows else config.epochs):
            found = slow_actor(config, episodes, rows, targets, self.actor, self.reference)
            if found.stats.get("approx_kl", 0.0) > (config.target_kl or math.inf):
                self.seen["stopped"] += 1
                break
            weights = [x for row in self.actor for x in row]
            flat = [x for row in self._said(found) for x in row]
            rate = config.actor_lr * slow_share(config, update, actor_from)
            self._actor_steps.step(weights, flat, rate)
            width = len(self.actor[0])
            self.actor = [weights[at : at + width] for at in range(0, len(weights), width)]
        if not warming_up:
            self._steer(episodes)

    def _of_update(self, update: int) -> PPOConfig:
        """The settings with the coefficients of an update."""
        config, start, end = self.config, self.config.entropy_coef, self.config.entropy_coef_end
        if end is not None:
            left = (config.updates - update) / (config.updates - 1)
            start = left * start + (1 - left) * end
        return replace(config, kl_coef=self._kl_coef, entropy_coef=start, entropy_coef_end=None)

    def _steer(self, episodes: Sequence[Episode]) -> None:
        """Move the coefficient of the KL by what the episodes say, in k3."""
        config, temperature = self.config, self.config.temperature
        if config.adaptive_kl is None:
            return
        gaps = [logprob(self.reference, t, temperature) - t.old for e in episodes for t in e]
        off = sum(math.exp(gap) - 1 - gap for gap in gaps) / len(gaps) / config.adaptive_kl
        if config.adaptive_kl_rule == "proportional":
            self._kl_coef *= 1 + config.adaptive_kl_gain * min(max(off - 1, -0.2), 0.2)
        elif not 1 / 1.5 <= off <= 1.5:
            self._kl_coef *= 2.0 if off > 1 else 0.5
            self.seen["doubled" if off > 1 else "halved"] += 1

    def _said(self, loss: SlowLoss) -> Table:
        self.seen += loss.seen
        return loss.gradient


def slow_share(config: PPOConfig, update: int, first: int) -> float:
    """What is left of a rate in an update, of a network that learns from `first` on."""
    rising = config.lr_warmup_updates
    top = first + rising if rising else 1  # the first update at the full rate
    if update < top:
        return max(update - first + 1, 1) / (rising + 1)
    left = (config.updates - update + 1) / (config.updates - top + 1)
    kind = "linear" if config.lr_decay else config.lr_schedule
    fall = {"constant": 1.0, "linear": left, "cosine": math.sin(math.pi * left / 2) ** 2}[kind]
    return config.lr_min_ratio + (1 - config.lr_min_ratio) * fall
