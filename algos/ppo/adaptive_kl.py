"""A coefficient of the KL that is steered to a KL: the penalty's weight follows what was measured.

After every update from which the actor learned, with the KL d of the episodes that it played, in
nats per sampled token from the reference, and its target t:

    proportional    c <- c (1 + gain * clip(d / t - 1, -0.2, 0.2))     arXiv 1909.08593, section 2.2
    doubling        c <- c / 2 if d < t / 1.5;  2 c if d > 1.5 t       arXiv 1707.06347, section 4

Both are meant here for the KL from the *reference*. In the PPO paper d is the KL from the policy
before the update, which `target_kl` bounds. Ziegler et al. sum d over a text; here it is a mean
over tokens, which does not grow with the length of episodes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from algos.objectives.losses import kl_estimate
from algos.ppo.config import PPOConfig
from policies.base import TokenBatch

LEAST, MOST = 1e-6, 1e2
"""Bounds of the coefficient; a judgement. Below, a doubling would take long to be felt; above, the
penalty is all that is learned."""
_LIMIT = 0.2
_NAME = "adaptive_kl/coef"


class KLCoefficient:
    """The coefficient of the KL: constant, or steered and kept in checkpoints to the last bit.

    Args:
        config: its start, target, rule and gain.

    Attributes:
        value: the coefficient of the update that is going on.
    """

    def __init__(self, config: PPOConfig) -> None:
        """Start at `kl_coef`."""
        self._config = config
        self.value = config.kl_coef

    def update(self, kl: float | None) -> None:
        """Move it after an update; `kl` is the mean of its rollout, None for not measured."""
        if self._config.adaptive_kl is not None and kl is not None:
            self.value = next_coefficient(self._config, self.value, kl)

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint needs, float64 `()`; nothing where it is constant."""
        if self._config.adaptive_kl is None:
            return {}
        return {_NAME: torch.tensor(self.value, dtype=torch.float64)}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` returned, float64 `()`."""
        if self._config.adaptive_kl is not None:
            self.value = float(tensors[_NAME])


def next_coefficient(config: PPOConfig, coefficient: float, kl: float) -> float:
    """Return the coefficient after an update whose rollout had the given KL, in nats per token."""
    target = config.adaptive_kl
    assert target is not None
    if config.adaptive_kl_rule == "proportional":
        error = min(max(kl / target - 1, -_LIMIT), _LIMIT)
        moved = coefficient * (1 + config.adaptive_kl_gain * error)
    elif kl < target / 1.5:
        moved = coefficient / 2
    else:
        moved = coefficient * 2 if kl > 1.5 * target else coefficient
    return min(max(moved, min(LEAST, coefficient)), max(MOST, coefficient))


def rollout_kl(config: PPOConfig, batch: TokenBatch, reference: Tensor | None) -> float | None:
    """Return the KL of who sampled a batch from the reference, in nats per sampled token.

    Args:
        config: its `kl_estimator`.
        batch: whole episodes.
        reference: float `(B, L)`, log-probs of the reference in nats; None where it was not asked.
    """
    if reference is None:
        return None
    mask = batch.sampled
    terms = kl_estimate(batch.old_logprobs, reference, mask, config.kl_estimator)
    return float(terms.sum()) / float(mask.sum())
