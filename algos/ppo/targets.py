"""The targets of one batch: advantages, returns, old values, and what each token counts for."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from algos.batching.token_batches import by_micro_batch
from algos.objectives.advantages import has_signal, whiten
from algos.objectives.aggregation import mask_weights, row_weights
from algos.objectives.turn_advantages import first_of_turn
from algos.ppo.advantage_estimate import estimate, monte_carlo_returns, shaped_rewards
from algos.ppo.config import PPOConfig
from algos.ppo.sampler_mismatch import correction
from policies.base import TokenBatch, TrainablePolicy
from policies.passes import fitting


@dataclass(frozen=True, eq=False)
class Targets:
    """The constants of a batch's losses, fixed while it is learned from. B episodes, L tokens.

    Attributes:
        advantages: float `(B, L)`, how much better each sampled token was than expected; 0 where
            not sampled, as in the next two.
        returns: float `(B, L)`, what the critic should have said.
        old_values: float `(B, L)`, what it said before this batch.
        reference: float `(B, L)`, log-probs of the reference; None when no KL is asked for.
        earned: float `(B, L)`, Monte-Carlo returns, with which the critic is compared; None without
            a critic.
        value_mask: bool `(B, L)`, where the critic is read and learns; None: every sampled token.
        in_loss: bool `(B,)`, the episodes that the actor learns from; None: all.
        weights: float `(B, 1)`, what the actor's tokens count for in a minibatch; None: all alike.
        value_weights: float `(B, L)`, the same for the critic's.
        old_logprobs: float `(B, L)`, of the learner before its first step; None: those sampled.
        mismatch_weights: float `(B, L)` or `(B, 1)`, learner over sampler; None: no correction.
        within_cap: bool `(B,)`, the episodes that the correction leaves in; None: all.
        unscaled: float `(B, L)`, the advantages before they were whitened; None: they were not.
    """

    advantages: Tensor
    returns: Tensor
    old_values: Tensor
    reference: Tensor | None = None
    earned: Tensor | None = None
    value_mask: Tensor | None = None
    in_loss: Tensor | None = None
    weights: Tensor | None = None
    value_weights: Tensor | None = None
    unscaled: Tensor | None = None
    old_logprobs: Tensor | None = None
    mismatch_weights: Tensor | None = None
    within_cap: Tensor | None = None

    @property
    def actor_weights(self) -> Tensor | None:
        """Return what tokens of the clipped surrogate count for, float `(B, L)` or `(B, 1)`.

        None: all alike.
        """
        if self.weights is None or self.mismatch_weights is None:
            return self.weights if self.mismatch_weights is None else self.mismatch_weights
        return self.weights * self.mismatch_weights

    def select(self, rows: Sequence[int], length: int) -> Targets:
        """Return the given rows, cut to `length` tokens."""
        index = list(rows)
        found = {name: x for name, x in vars(self).items() if x is not None}
        return Targets(
            **{name: x[index][:, :length] if x.ndim > 1 else x[index] for name, x in found.items()}
        )


def make_targets(
    config: PPOConfig, policy: TrainablePolicy, batch: TokenBatch, groups: Sequence[Hashable]
) -> Targets:
    """Compute values, reference log-probs, advantages and returns, without gradient.

    Args:
        config: the settings.
        policy: whose critic and reference are asked.
        batch: whole episodes, none of them failed.
        groups: the question of each episode.
    """
    sampled, scores = batch.sampled, batch.rewards.sum(1)
    values, reference = torch.zeros_like(batch.rewards), None
    fits = fitting(policy, batch, config.micro_batch_tokens)
    if config.uses_critic:
        values = by_micro_batch(policy.values, batch, config.micro_batch, fits)
    if config.kl_coef > 0:
        reference = by_micro_batch(policy.reference_logprobs, batch, config.micro_batch, fits)
    differing = has_signal(scores, groups)
    rewards = shaped_rewards(config, batch, groups, differing, reference)
    advantages, returns = estimate(config, rewards, values, batch)
    in_loss = differing if config.drop_ties else None
    learned = sampled if in_loss is None else sampled & in_loss[:, None]
    # Equal returns carry no signal: unit variance would only amplify the critic's noise.
    unscaled = None
    if config.whiten and float(scores.std(correction=0)) > 1e-6:
        # A baseline per question has centred already; a second shift would give an advantage to the
        # episodes of zero-variance groups.
        unscaled = advantages
        advantages = whiten(advantages, learned, center=config.advantage == "critic")
    value_mask = first_of_turn(sampled, batch.turn) if config.clock == "turn" else None
    earned = monte_carlo_returns(config, rewards, batch) if config.uses_critic else None
    corrected = correction(config, policy, batch)
    return Targets(
        advantages,
        returns,
        values,
        reference,
        earned,
        value_mask,
        in_loss,
        unscaled=unscaled,
        **corrected,
    )


def with_loss_weights(
    config: PPOConfig, batch: TokenBatch, targets: Targets, rows: Sequence[int]
) -> Targets:
    """Return the targets with what each token of one minibatch counts for.

    The weights depend on the lengths of the whole minibatch, so they are computed before it is cut
    into pieces. They stand at the minibatch's rows; other rows have 0.

    Args:
        config: its `aggregation` and `constant_length`.
        batch: all episodes.
        targets: of the batch.
        rows: the episodes of the minibatch.
    """
    index = list(rows)
    sampled = batch.sampled[index]

    def placed(weights: Tensor) -> Tensor:
        return weights.new_zeros(len(batch), weights.shape[1]).index_copy(
            0, torch.tensor(index, device=weights.device), weights
        )

    weights = row_weights(sampled, config.aggregation, length=config.constant_length)
    if weights is not None:
        targets = replace(targets, weights=placed(weights))
    if targets.value_mask is not None:
        value_weights = mask_weights(targets.value_mask[index], sampled)
        targets = replace(targets, value_weights=placed(value_weights))
    return targets


def rows_with_gradient(
    config: PPOConfig, batch: TokenBatch, targets: Targets, rows: Sequence[int]
) -> list[int]:
    """Return the episodes of a minibatch whose actor loss has a gradient; at least one of them.

    Without KL and entropy in the loss, an episode whose advantages are all 0 (its question's
    episodes earned the same) has a gradient of 0 and need not be scored: on a hard or an easy
    question that is the whole group. If no episode has one, the first is returned: Adam moves the
    weights on by its momentum where the gradient is 0, and not where there is none.

    Args:
        config: whether KL or entropy is in the loss.
        batch: all episodes.
        targets: of the batch.
        rows: the episodes of the minibatch.
    """
    if config.kl_coef > 0 or config.entropy_coef > 0:
        return list(rows)
    moves = ((targets.advantages != 0) & batch.sampled).any(1).tolist()
    return [row for row in rows if moves[row]] or list(rows)[:1]
