"""From the settings of a run to the advantages of a batch: which clock, baseline and penalty."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from algos.objectives.advantages import (
    at_end,
    gae,
    group_baseline,
    group_deviation,
    length_adaptive_lam,
    subtract_at_end,
)
from algos.objectives.losses import kl_estimate
from algos.objectives.turn_advantages import bi_level_gae, turn_gae
from algos.ppo.config import PPOConfig
from policies.base import TokenBatch


def shaped_rewards(
    config: PPOConfig,
    batch: TokenBatch,
    groups: Sequence[Hashable],
    has_signal: Tensor,
    reference: Tensor | None,
) -> Tensor:
    """Return what advantages are made of: rewards, less the KL and the group's baseline.

    With a group alone, an episode has one advantage: its whole return above the baseline, also for
    tokens behind a reward. What is left to earn, less the baseline of everything, would punish the
    later turns of an episode for rewards it has already got, though all of its group got the same.

    Args:
        config: the settings.
        batch: whole episodes, none of them failed.
        groups: the question of each episode.
        has_signal: bool `(B,)`, whether the returns of an episode's group differ
            (`algos.objectives.advantages.has_signal`).
        reference: float `(B, L)`, log-probs of the reference in nats, where the settings ask for a
            KL.

    Returns:
        Float `(B, L)`, non-zero on sampled tokens only.
    """
    rewards = batch.rewards
    if reference is not None and config.kl_in == "reward":
        # k1, not k2 or k3: as a reward, its policy gradient is the gradient of the episode's KL.
        penalty = kl_estimate(batch.old_logprobs, reference, batch.sampled, "k1")
        rewards = rewards - config.kl_coef * penalty
    if config.advantage == "critic":
        return rewards
    scores = rewards.sum(1)
    baseline = group_baseline(scores, groups, leave_one_out=config.leave_one_out)
    if config.advantage == "both":
        return subtract_at_end(rewards, batch.sampled, baseline)
    rewards = at_end(scores - baseline, batch.sampled)
    if config.divide_by_std:
        # Where all agree, the deviation is rounding error.
        deviation = torch.where(
            has_signal, group_deviation(scores, groups), torch.ones_like(scores)
        )
        rewards = rewards / deviation[:, None]
    return rewards


def estimate(
    config: PPOConfig, rewards: Tensor, values: Tensor, batch: TokenBatch
) -> tuple[Tensor, Tensor]:
    """Return advantages and the critic's targets, on the clock of the settings.

    | clock | estimator | lambda of the advantages |
    |---|---|---|
    | token | `gae` | `lam`, or by length with `lam_alpha` |
    | turn | `turn_gae` | `turn_lam` |
    | bi-level | `bi_level_gae` | `turn_lam` outside, `lam` inside |

    Without a critic nothing can be bootstrapped, and every lambda is 1. With `critic_lam` the
    targets are estimated a second time with that lambda (VAPO's decoupled GAE, arXiv 2504.05118).

    Args:
        config: the settings.
        rewards: float `(B, L)`, non-zero on sampled tokens only.
        values: float `(B, L)`, of the state before each token; 0 without a critic.
        batch: which tokens are sampled, in which turn.

    Returns:
        Advantages and returns, float `(B, L)` each, 0 where not sampled.
    """
    lam: float | Tensor = config.lam if config.uses_critic else 1.0
    turn_lam = config.turn_lam if config.uses_critic else 1.0
    if config.uses_critic and config.lam_alpha is not None:
        lam = length_adaptive_lam(batch.sampled, config.lam_alpha)
    advantages, returns = _on_clock(config, rewards, values, batch, lam, turn_lam)
    if config.uses_critic and config.critic_lam is not None:
        critic = config.critic_lam
        returns = _on_clock(config, rewards, values, batch, critic, critic)[1]
    return advantages, returns


def monte_carlo_returns(config: PPOConfig, rewards: Tensor, batch: TokenBatch) -> Tensor:
    """Return what was earned from each sampled token on, discounted as the settings say.

    Unlike the critic's targets with a lambda below 1, this holds nothing that the critic said.

    Args:
        config: the settings.
        rewards: float `(B, L)`, non-zero on sampled tokens only.
        batch: which tokens are sampled, in which turn.

    Returns:
        Float `(B, L)`, 0 where not sampled.
    """
    return _on_clock(config, rewards, torch.zeros_like(rewards), batch, 1.0, 1.0)[1]


def _on_clock(
    config: PPOConfig,
    rewards: Tensor,
    values: Tensor,
    batch: TokenBatch,
    lam: float | Tensor,
    turn_lam: float,
) -> tuple[Tensor, Tensor]:
    sampled, turn = batch.sampled, batch.turn
    if config.clock == "token":
        return gae(rewards, values, sampled, gamma=config.gamma, lam=lam)
    if config.clock == "turn":
        return turn_gae(rewards, values, sampled, turn, gamma=config.turn_gamma, lam=turn_lam)
    return bi_level_gae(
        rewards,
        values,
        sampled,
        turn,
        turn_gamma=config.turn_gamma,
        turn_lam=turn_lam,
        lam=lam,
    )
