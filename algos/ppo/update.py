"""Gradient steps on one batch: what actor and critic minimise, and the passes that minimise it.

An `Objective` is one network's side of a batch: its loss, the rows that it learns from, and the
rows worth scoring. `fit` takes the steps of one objective; `backward` computes one minibatch's
gradient, piece by piece.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from algos.batching.gradients import add_gradients
from algos.batching.token_batches import micro_batches, minibatches
from algos.objectives.losses import Stats, entropy_loss, kl_loss, policy_loss, value_loss
from algos.ppo.config import PPOConfig
from algos.ppo.optimisers import parameters_of
from algos.ppo.targets import Targets, rows_with_gradient, with_loss_weights
from policies.base import TokenBatch, TrainablePolicy
from policies.passes import Fits, evaluate, fitting

TOKEN_MEANS = {"approx_kl", "clipfrac", "entropy"}
"""Statistics that are means over the tokens that were scored, not sums of a loss."""
Loss = Callable[[TokenBatch, Targets, float], tuple[Tensor, Stats]]
"""Loss and statistics of a piece of a minibatch, given the whole minibatch's sampled tokens."""


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss that one network minimises on one batch, and the episodes that it is taken over.

    Attributes:
        name: the network, as in `losses/NAME_grad_norm`.
        batch: all episodes.
        targets: of the batch.
        loss: of a piece of it.
        rows: the episodes that the network learns from.
        scored: which of a minibatch's rows have a gradient and are scored; at least one.
        workers: pieces that are differentiated side by side.
        fits: whether some rows are few enough tokens for one piece; `None`: any are.
    """

    name: Literal["actor", "critic"]
    batch: TokenBatch
    targets: Targets
    loss: Loss
    rows: Sequence[int]
    scored: Callable[[Sequence[int]], Sequence[int]] = list
    workers: int = 1
    fits: Fits | None = None


def actor_objective(
    config: PPOConfig, policy: TrainablePolicy, batch: TokenBatch, targets: Targets
) -> Objective:
    """Return what the actor minimises: over the episodes in its loss, scoring only what moves it.

    Args:
        config: the settings.
        policy: whose actor learns.
        batch: all episodes.
        targets: of the batch.
    """
    rows = range(len(batch))
    chosen = rows if targets.in_loss is None else [k for k in rows if targets.in_loss[k]]
    if targets.within_cap is not None:
        chosen = [k for k in chosen if targets.within_cap[k]]
    scored = partial(rows_with_gradient, config, batch, targets)
    loss = actor_loss(config, policy)
    fits = fitting(policy, batch, config.micro_batch_tokens)
    return Objective("actor", batch, targets, loss, chosen, scored, config.workers, fits)


def critic_objective(
    config: PPOConfig,
    policy: TrainablePolicy,
    batch: TokenBatch,
    targets: Targets,
    *,
    warming_up: bool = False,
) -> Objective:
    """Return what the critic minimises: over all episodes.

    Args:
        config: the settings.
        policy: whose critic learns.
        batch: all episodes.
        targets: of the batch.
        warming_up: whether its values may move freely, see `critic_loss`.
    """
    loss = critic_loss(config, policy, warming_up=warming_up)
    fits = fitting(policy, batch, config.micro_batch_tokens)
    return Objective("critic", batch, targets, loss, range(len(batch)), fits=fits)


def actor_loss(config: PPOConfig, policy: TrainablePolicy) -> Loss:
    """Return the actor's loss: the clipped surrogate, entropy and KL where asked for."""

    def loss(part: TokenBatch, targets: Targets, denominator: float) -> tuple[Tensor, Stats]:
        now = evaluate(policy, part, entropy_gradient=config.entropy_coef > 0)
        total, stats = policy_loss(
            now.logprobs,
            part.old_logprobs if targets.old_logprobs is None else targets.old_logprobs,
            targets.advantages,
            part.sampled,
            denominator,
            clip_low=config.clip_low,
            clip_high=config.clip_high,
            dual_clip=config.dual_clip,
            ratio_level=config.ratio_level,
            weights=targets.actor_weights,
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
    """Return the critic's loss; unclipped while warming up, because its values start at 0.

    A zero-initialised head may be a whole reward away from its targets, and value clipping would
    hold it within `config.value_clip` of 0 through all passes over the first batch.
    """
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
    objective: Objective,
    optimizer: Optimizer,
    *,
    epochs: int,
    rng: np.random.Generator,
    taken: set[int] | None = None,
) -> dict[str, float | None]:
    """Take gradient steps: `epochs` passes over the rows, `config.minibatches` steps in each.

    Where the objective has no rows, there is no step and no statistic. With `config.target_kl`, the
    first minibatch whose KL is above it ends the passes, and no weight moves by it.

    Args:
        config: minibatches, micro-batches, the largest gradient norm, and the target of the KL.
        objective: what is minimised.
        optimizer: of the network's parameters.
        epochs: passes.
        rng: shuffles the rows.
        taken: gets the rows of every step that was taken.

    Returns:
        `losses/...`: statistics and the gradient's norm before clipping, averaged over the steps;
        with a target of the KL also `actor_steps`, and `stopping_kl`, None where nothing stopped.

    Raises:
        RuntimeError: if a gradient is not finite; no weight has moved by it.
    """
    parameters = parameters_of(optimizer)
    sums: dict[str, float] = defaultdict(float)
    steps, stopping_kl = 0, None
    for rows in _passes(config, objective, epochs, rng):
        optimizer.zero_grad(set_to_none=True)
        stats = backward(config, objective, rows, parameters)
        if (stopping_kl := _beyond(config.target_kl, stats)) is not None:
            optimizer.zero_grad(set_to_none=True)
            break
        norm = clip_grad_norm_(parameters, config.max_grad_norm, error_if_nonfinite=True)
        optimizer.step()
        steps += 1
        if taken is not None:
            taken.update(rows)
        stats[f"{objective.name}_grad_norm"] = norm
        for key, value in stats.items():
            sums[key] += float(value)
    row: dict[str, float | None] = {f"losses/{k}": value / steps for k, value in sums.items()}
    if config.target_kl is not None and objective.name == "actor" and epochs > 0:
        row |= {"losses/actor_steps": steps, "losses/stopping_kl": stopping_kl}
    return row


def _passes(
    config: PPOConfig, objective: Objective, epochs: int, rng: np.random.Generator
) -> Iterator[list[int]]:
    """Yield the rows of one minibatch after the other, shuffled anew for each pass."""
    for _ in range(epochs):
        yield from minibatches(objective.batch, objective.rows, config.minibatches, rng)


def _beyond(target: float | None, stats: Stats) -> float | None:
    """Return the KL of a minibatch where it is above its target; the critic's has none."""
    if target is None or "approx_kl" not in stats:
        return None
    kl = float(stats["approx_kl"])
    return kl if kl > target else None


def backward(
    config: PPOConfig,
    objective: Objective,
    rows: Sequence[int],
    parameters: Sequence[Parameter],
) -> Stats:
    """Add the gradient of one minibatch to the parameters, `config.micro_batch` episodes at a time.

    Every piece is divided by the sampled tokens of the *whole* minibatch, so that the sum does not
    depend on how it was cut. Rows without a gradient are not scored, but count in the denominator.

    Args:
        config: the settings.
        objective: what is minimised.
        rows: the episodes of the minibatch.
        parameters: of the network.

    Returns:
        Statistics, float `()` each. Those that are means over tokens are means over the tokens that
        were scored.
    """
    batch, scored = objective.batch, objective.scored(rows)
    targets = with_loss_weights(config, batch, objective.targets, rows)
    denominator = float(batch.sampled[list(rows)].sum())

    def piece_loss(piece: list[int]) -> tuple[Tensor, Stats]:
        part = batch.select(piece)
        return objective.loss(part, targets.select(piece, part.ids.shape[1]), denominator)

    pieces = micro_batches(batch, scored, config.micro_batch, objective.fits)
    total: Stats = {}
    for stats in add_gradients(pieces, piece_loss, parameters, workers=objective.workers):
        total = {name: total.get(name, 0.0) + stat for name, stat in stats.items()}
    share = float(batch.sampled[list(scored)].sum()) / denominator
    return {name: stat / share if name in TOKEN_MEANS else stat for name, stat in total.items()}
