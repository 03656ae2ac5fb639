"""Schedules over the updates of a run: learning rates, and the weight of the entropy bonus.

Each is a function of the settings and the update's number, so that a checkpoint need not hold it.
With s the share of a rate, u the update, U the updates of the run, w those of the warm-up, f the
first in which the network learns, and b = f - 1 + w where w > 0, else 0:

    warm-up     s = (u - f + 1) / (w + 1)                               f <= u <= b
    constant    s = 1                                                   u > b, as below
    linear      s = m + (1 - m) (1 - p)               p = (u - 1 - b) / (U - b)
    cosine      s = m + (1 - m) (1 + cos(pi p)) / 2   SGDR, arXiv 1608.03983, eq. 5

p would reach 1, and s the share m (`lr_min_ratio`), one update after the last, so that no update is
spent at a rate of 0. The warm-up is linear, as in arXiv 1706.02677, section 2.2, and has no update
at 0 either.
"""

from __future__ import annotations

import math
from dataclasses import replace

from algos.ppo.config import PPOConfig


def learning_rate_share(config: PPOConfig, update: int, first: int = 1) -> float:
    """Return the share of its learning rate that a network has in an update.

    Args:
        config: the settings.
        update: 1, 2, ...
        first: the update in which the network learns for the first time.

    Returns:
        In (0, 1].
    """
    warmup, least = config.lr_warmup_updates, config.lr_min_ratio
    begins = first - 1 + warmup if warmup else 0
    if update <= begins:
        return max(update - first + 1, 1) / (warmup + 1)
    progress = (update - 1 - begins) / (config.updates - begins)
    if config.rate_schedule == "linear":
        return least + (1 - least) * (1 - progress)
    if config.rate_schedule == "cosine":
        return least + (1 - least) * (1 + math.cos(math.pi * progress)) / 2
    return 1.0


def entropy_coef(config: PPOConfig, update: int) -> float:
    """Return the weight of the entropy bonus in an update: linear between its two ends.

    Args:
        config: the settings.
        update: from 1, where it is `entropy_coef`, to the last, where it is `entropy_coef_end`.
    """
    start, end = config.entropy_coef, config.entropy_coef_end
    if end is None:
        return start
    passed = (update - 1) / (config.updates - 1)
    return (1 - passed) * start + passed * end


def settings_of(config: PPOConfig, update: int, kl_coef: float) -> PPOConfig:
    """Return the settings of one update: those of the run, with its coefficients.

    Args:
        config: of the run.
        update: 1, 2, ...
        kl_coef: what the coefficient of the KL is in it.
    """
    bonus = entropy_coef(config, update)
    if (kl_coef, bonus) == (config.kl_coef, config.entropy_coef):
        return config
    return replace(config, kl_coef=kl_coef, entropy_coef=bonus, entropy_coef_end=None)


def teaches_critic_only(config: PPOConfig, update: int) -> bool:
    """Return whether the actor does not learn in an update because the critic is not ready."""
    return update < config.first_actor_update


def read_the_length(config: PPOConfig) -> bool:
    """Return whether an update depends on how many the run has, so that none can be added."""
    return config.rate_schedule != "constant" or config.entropy_coef_end is not None
