"""What one batch teaches: targets for every sampled token, and gradient steps towards them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from algos.batching.gradients import add_gradients
from algos.batching.token_batches import by_micro_batch, micro_batches, minibatches
from algos.objectives.advantages import has_signal, whiten
from algos.objectives.aggregation import mask_weights, row_weights
from algos.objectives.losses import Stats, entropy_loss, kl_loss, policy_loss, value_loss
from algos.objectives.turn_advantages import first_of_turn
from algos.ppo.advantage_estimate import estimate, shaped_rewards
from algos.ppo.config import PPOConfig
from policies.base import TokenBatch, TrainablePolicy


@dataclass(frozen=True, eq=False)
class Targets:
    """What stays fixed while a batch is learned from: float `(B, L)` each, 0 where not sampled.

    Attributes:
        advantages: how much better each sampled token was than expected.
        returns: what the critic should have said.
        old_values: what it said before this batch.
        reference: log-probs of the reference; None when no KL is asked for.
        value_mask: bool `(B, L)`, where the critic is read and learns; None: every sampled token.
        kept: bool `(B,)`, the episodes that the actor learns from; None: all.
        weights: `(B, 1)`, what the actor's tokens count for in one minibatch; None: all alike.
        value_weights: `(B, L)`, the same for the critic's.
    """

    advantages: Tensor
    returns: Tensor
    old_values: Tensor
    reference: Tensor | None = None
    value_mask: Tensor | None = None
    in_loss: Tensor | None = None
    weights: Tensor | None = None
    value_weights: Tensor | None = None

    def select(self, rows: Sequence[int], length: int) -> Targets:
        """Return the given rows, cut to `length` tokens."""
        index = list(rows)
        found = {name: x for name, x in vars(self).items() if x is not None}
        return Targets(
            **{name: x[index][:, :length] if x.ndim > 1 else x[index] for name, x in found.items()}
        )


TOKEN_MEANS = {"approx_kl", "clipfrac", "entropy"}
Loss = Callable[[TokenBatch, Targets, float], tuple[Tensor, Stats]]


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
    if config.uses_critic:
        values = by_micro_batch(policy.values, batch, config.micro_batch)
    if config.kl_coef > 0:
        reference = by_micro_batch(policy.reference_logprobs, batch, config.micro_batch)
    differing = has_signal(scores, groups)
    rewards = shaped_rewards(config, batch, groups, differing, reference)
    advantages, returns = estimate(config, rewards, values, batch)
    in_loss = differing if config.drop_ties else None
    learned = sampled if in_loss is None else sampled & in_loss[:, None]
    # Equal returns carry no signal: unit variance would only make noise of the critic loud.
    if config.whiten and float(scores.std(correction=0)) > 1e-6:
        # A baseline per question has centred already; a second shift would push the episodes of
        # questions on which all agree.
        advantages = whiten(advantages, learned, center=config.advantage == "critic")
    value_mask = first_of_turn(sampled, batch.turn) if config.clock == "turn" else None
    return Targets(advantages, returns, values, reference, value_mask, in_loss)


def with_loss_weights(
    config: PPOConfig, batch: TokenBatch, targets: Targets, rows: Sequence[int]
) -> Targets:
    """Set the weights of the tokens for one minibatch: the given rows of the batch, whole."""
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


def actor_loss(config: PPOConfig, policy: TrainablePolicy) -> Loss:
    """Return the loss that the actor minimises."""

    def loss(part: TokenBatch, targets: Targets, denominator: float) -> tuple[Tensor, Stats]:
        now = policy.evaluate(part)
        total, stats = policy_loss(
            now.logprobs,
            part.old_logprobs,
            targets.advantages,
            part.sampled,
            denominator,
            clip_low=config.clip_low,
            clip_high=config.clip_high,
            dual_clip=config.dual_clip,
            ratio_level=config.ratio_level,
            weights=targets.weights,
        )
        entropy, entropy_stats = entropy_loss(
            now.entropy, part.sampled, denominator, weights=targets.weights
        )
        stats |= entropy_stats
        if config.entropy_coef > 0:
            total = total + config.entropy_coef * entropy
        if targets.reference is not None:
            kl, kl_stats = kl_loss(
                now.logprobs,
                targets.reference,
                part.sampled,
                denominator,
                estimator=config.kl_estimator,
                weights=targets.weights,
            )
            stats |= kl_stats
            if config.kl_in == "loss":
                total = total + config.kl_coef * kl
        return total, stats

    return loss


def critic_loss(config: PPOConfig, policy: TrainablePolicy, *, warming_up: bool = False) -> Loss:
    """Return the loss that the critic minimises; unclipped while warming up, to move freely."""
    clip = math.inf if warming_up else config.value_clip

    def loss(part: TokenBatch, targets: Targets, denominator: float) -> tuple[Tensor, Stats]:
        return value_loss(
            policy.values(part),
            targets.old_values,
            targets.returns,
            part.sampled,
            denominator,
            clip=clip,
            weights=targets.value_weights,
        )

    return loss


def fit(
    config: PPOConfig,
    name: str,
    optimizer: Optimizer,
    batch: TokenBatch,
    targets: Targets,
    loss: Loss,
    *,
    epochs: int,
    rng: np.random.Generator,
) -> dict[str, float | None]:
    """Take gradient steps: `epochs` passes over the batch, `config.minibatches` steps in each.

    The actor passes over the kept episodes only; where none is, there is no step and no statistic.

    Returns:
        `losses/...`: statistics and the gradient's norm before clipping, averaged over the steps.
    """
    parameters = optimizer.param_groups[0]["params"]
    sums: dict[str, float] = defaultdict(float)
    steps = 0
    chosen = np.arange(len(batch))
    if name == "actor" and targets.in_loss is not None:
        chosen = chosen[targets.in_loss.cpu().numpy()]
    for _ in range(epochs):
        for rows in minibatches(batch, chosen.tolist(), config.minibatches, rng):
            optimizer.zero_grad(set_to_none=True)
            actor = name == "actor"
            workers = config.workers if actor else 1
            weighed = with_loss_weights(config, batch, targets, rows)
            scored = rows_with_gradient(config, batch, targets, rows) if actor else None
            stats = backward(
                batch, weighed, rows, loss, parameters, config.micro_batch, workers, scored
            )
            norm = clip_grad_norm_(parameters, config.max_grad_norm, error_if_nonfinite=True)
            optimizer.step()
            steps += 1
            stats[f"{name}_grad_norm"] = norm
            for key, value in stats.items():
                sums[key] += float(value)
    return {f"losses/{key}": value / steps for key, value in sums.items()}


def rows_with_gradient(
    config: PPOConfig, batch: TokenBatch, targets: Targets, rows: Sequence[int]
) -> list[int]:
    """Return the episodes of a minibatch that move the actor; at least one of them.

    Without KL and entropy in the loss, an episode without any advantage (its question's episodes
    all earned the same) has no gradient: there is no need to score it. One is kept even if none
    has, because a gradient of 0 is not the same to Adam as no gradient.
    """
    if config.kl_coef > 0 or config.entropy_coef > 0:
        return list(rows)
    moves = ((targets.advantages != 0) & batch.sampled).any(1).tolist()
    return [row for row in rows if moves[row]] or list(rows)[:1]


def backward(
    batch: TokenBatch,
    targets: Targets,
    rows: Sequence[int],
    loss: Loss,
    parameters: Sequence[Parameter],
    size: int,
    workers: int = 1,
    scored: Sequence[int] | None = None,
) -> Stats:
    """Add the gradient of one minibatch to the parameters, `size` episodes at a time.

    Every piece is divided by the sampled tokens of the *whole* minibatch, so that the sum does
    not depend on how it was cut. Only the `scored` rows are looked at (all by default): the others
    have no gradient. Statistics that are means over tokens are then means over theirs.
    """
    denominator = float(batch.sampled[list(rows)].sum())

    def piece_loss(piece: list[int]) -> tuple[Tensor, Stats]:
        part = batch.select(piece)
        return loss(part, targets.select(piece, part.ids.shape[1]), denominator)

    scored = rows if scored is None else scored
    pieces = micro_batches(batch, scored, size)
    total: Stats = {}
    for stats in add_gradients(pieces, piece_loss, parameters, workers=workers):
        total = {name: total.get(name, 0.0) + stat for name, stat in stats.items()}
    share = float(batch.sampled[list(scored)].sum()) / denominator
    return {name: stat / share if name in TOKEN_MEANS else stat for name, stat in total.items()}
