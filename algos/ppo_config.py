"""The settings of a PPO run, one explanation under each."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

from algos.recipe.settings import Recipe


@dataclass(frozen=True)
class PPOConfig:
    """Settings of a run. Group-baseline methods are settings too, not other trainers."""

    seed: int = 0
    """Seeds the order of questions, the environments, sampling, and minibatches."""
    updates: int = 30
    """Updates in the whole run."""
    questions_per_update: int = 24
    """Questions drawn per update; all are drawn once before any is drawn again."""
    episodes_per_question: int = 8
    """Episodes played per drawn question, all from the same start."""
    temperature: float = 1.0
    """Sampling temperature, > 0; re-scoring uses the same."""
    advantage: Literal["critic", "group", "both"] = "critic"
    """critic: GAE. group: return above the mean of the question's other episodes, no critic.
    both: GAE with a critic of what that group mean leaves over."""
    gamma: float = 1.0
    """Discount per sampled token."""
    lam: float = 1.0
    """GAE's lambda; not used by "group"."""
    whiten: bool = True
    """Scale advantages to unit variance over the batch (and centre them, with a critic); left out
    when all returns are equal."""
    epochs: int = 1
    """Passes of the actor over each batch."""
    minibatches: int = 4
    """Optimiser steps per pass."""
    micro_batch: int = 16
    """Episodes per forward pass; changes memory and speed, not the gradient."""
    workers: int = 1
    """Forward passes of the actor's update that run side by side, each on one core (CPU only)."""
    clip_low: float = 0.2
    """The probability ratio is clipped below 1 - clip_low."""
    clip_high: float = 0.28
    """The probability ratio is clipped above 1 + clip_high."""
    dual_clip: float = 3.0
    """Bound of the ratio on tokens with a negative advantage, > 1."""
    value_clip: float = 0.5
    """How far the value may move from the rollout's before its loss is clipped."""
    kl_coef: float = 0.0
    """Weight of the KL from the reference (adapters off); 0 leaves its forward pass out."""
    entropy_coef: float = 0.0
    """Weight of the entropy bonus."""
    actor_lr: float = 1e-5
    """Adam's learning rate for the actor."""
    critic_lr: float = 5e-5
    """Adam's learning rate for the critic."""
    lr_decay: bool = False
    """Let both learning rates fall linearly to 0 over the run."""
    critic_epochs: int = 2
    """Passes of the critic over each batch."""
    critic_warmup: int = 10
    """Passes of the critic over the first batch, from which the actor does not learn; 0: no such
    batch."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm, actor and critic apart."""
    rescore_sample: int = 8
    """Episodes per update whose log-probs are re-scored and compared; 0 for none."""
    rescore_tolerance: float = 1e-3
    """Largest |difference| allowed on any token, in nats; beyond it the run stops."""
    eval_every: int = 5
    """Updates between validations; the start and the end are validated too."""
    checkpoint_every: int = 1
    """Updates between checkpoints; an interrupt loses what came after the last one."""
    keep_last: int = 2
    """Newest checkpoints kept, besides the best."""
    recipe: Recipe = field(default_factory=Recipe)
    """Schedules, budgets and further rewards of training; all off by default."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        at_least = {f.name: 1 for f in fields(self) if f.type == "int"}
        at_least |= {"seed": 0, "critic_warmup": 0, "rescore_sample": 0}
        if self.advantage != "critic":
            at_least["episodes_per_question"] = 2
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0 to learn, got {self.temperature}")
        if not self.dual_clip > 1:
            raise ValueError(f"dual_clip must be above 1, got {self.dual_clip}")
        for name in ("gamma", "lam"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")

    @property
    def uses_critic(self) -> bool:
        """Return whether the advantage needs a critic."""
        return self.advantage != "group"
