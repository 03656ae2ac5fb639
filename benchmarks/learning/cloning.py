"""Cloning with the questions, episodes and steps of a PPO run: a control of what PPO adds.

Each update plays the questions that PPO would have played, keeps the episodes that are right, and
takes as many steps down the cross-entropy of their tokens as PPO takes. Who plays is either the
policy itself (filtered behaviour cloning, as in expert iteration), or the scripted demonstrator
without bad habits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from algos.batching.gradients import add_gradients
from algos.batching.token_batches import collate, micro_batches, minibatches
from algos.ppo.config import PPOConfig
from algos.ppo.training import draw_specs
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.runs.append_log import AppendLog
from algos.seeds import subseed
from policies.base import BatchPolicy, TokenBatch, TrainablePolicy

if TYPE_CHECKING:
    from policies.sage_mm import SageMM


def clone(
    config: PPOConfig,
    policy: SageMM,
    envs: Sequence[Any],
    items: Sequence[str],
    folder: Path,
    *,
    validate: Callable[[TrainablePolicy], float],
    clean: bool,
) -> int:
    """Train a policy in place, and leave it at the best validated update.

    Args:
        config: of the PPO run that this is compared with.
        policy: to train.
        envs: alike.
        items: ids of the questions to train on.
        folder: gets `metrics.jsonl`; a training that was interrupted begins again.
        validate: returns a score, higher is better.
        clean: whether the demonstrator without bad habits plays, instead of the policy.

    Returns:
        The best validated update; 0 is before any.
    """
    (folder / "metrics.jsonl").unlink(missing_ok=True)
    log = AppendLog(folder / "metrics.jsonl")
    player: BatchPolicy = _demonstrator(policy) if clean else policy
    optimizer = torch.optim.Adam(policy.actor_parameters(), lr=config.actor_lr)
    best, score, state = 0, validate(policy), policy.state()
    log.append({"update": 0, "eval/score": score})
    for update in range(1, config.updates + 1):
        specs = draw_specs(config, items, update)
        right = _right(config, policy, player, envs, specs, update)
        row: dict[str, Any] = {"update": update, "rollout/right": len(right) / len(specs)}
        if right:
            rng = np.random.default_rng(subseed(config.seed, "update", update))
            row["losses/cross_entropy"] = _fit(config, policy, right, optimizer, rng)
        if update % config.eval_every == 0 or update == config.updates:
            row["eval/score"] = now = validate(policy)
            if now > score:
                best, score, state = update, now, policy.state()
        log.append(row)
    log.close()
    policy.load_state(state)
    return best


def _demonstrator(policy: SageMM) -> BatchPolicy:
    """Return the demonstrator without bad habits, which writes the policy's tokens."""
    from algos.sft import TeacherTokens
    from policies.baselines.reading_head import ReadingHead
    from policies.baselines.scripted import Habits, Scripted
    from policies.sage_mm.model.pretrained import SHIPPED

    encoder = policy.model.encoder
    teacher = Scripted(encoder, ReadingHead.load(SHIPPED), Habits())
    return TeacherTokens(teacher, policy.model.tokens, encoder)


def _right(
    config: PPOConfig,
    policy: SageMM,
    player: BatchPolicy,
    envs: Sequence[Any],
    specs: Sequence[EpisodeSpec],
    update: int,
) -> list[Trajectory]:
    """Play the episodes of an update, and return those that are right."""
    policy.temperature = config.temperature
    played = collect(envs, player, specs, seed=subseed(config.seed, "policy", update))
    return [t for t in played if t.error is None and t.turns[-1].info.get("correct") is True]


def _fit(
    config: PPOConfig,
    policy: SageMM,
    episodes: Sequence[Trajectory],
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> float:
    """Take `config.minibatches` steps, and return the mean loss of them in nats per token."""
    # At temperature 1, whatever the episodes were sampled at: that is what cloning means.
    batch = collate(episodes, 1.0, policy.actor_parameters()[0].device)
    losses = []
    for rows in minibatches(batch, range(len(batch)), config.minibatches, rng):
        optimizer.zero_grad(set_to_none=True)
        losses.append(_backward(config, policy, batch, rows))
        clip_grad_norm_(policy.actor_parameters(), config.max_grad_norm, error_if_nonfinite=True)
        optimizer.step()
    return sum(losses) / len(losses)


def _backward(config: PPOConfig, policy: SageMM, batch: TokenBatch, rows: Sequence[int]) -> float:
    """Add the gradient of a minibatch's mean cross-entropy, and return that in nats per token."""
    count = float(batch.sampled[list(rows)].sum())

    def loss(piece: list[int]) -> tuple[Tensor, float]:
        total = -policy.evaluate(batch.select(piece)).logprobs.sum() / count
        return total, float(total.detach())

    pieces = micro_batches(batch, rows, config.micro_batch)
    return sum(add_gradients(pieces, loss, policy.actor_parameters()))
