"""Re-scoring: the train/inference mismatch check. Sampled tokens are scored again by the learner.

Sampling (token by token, cached keys and features) and learning (one forward pass over the whole
episode) must see the same inputs and the same weights. If they do not, training still runs and
curves still look normal; so some episodes are re-scored in every update, before any weight moves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from algos.batching.token_batches import by_micro_batch
from algos.exactness.check_result import CheckResult, ExactnessError
from algos.rollout.trajectory import Trajectory
from policies.base import TokenBatch, TrainablePolicy
from policies.introspection import DetokenizingPolicy

__all__ = ["ExactnessError", "rescore"]

CONTEXT = 12
"""Tokens before the first offending one that a problem quotes: about one action in JSON."""


def rescore(
    policy: TrainablePolicy,
    batch: TokenBatch,
    trajectories: Sequence[Trajectory],
    *,
    micro_batch: int,
    tolerance: float,
    clip: tuple[float, float] = (0.2, 0.28),
) -> CheckResult:
    """Score episodes again, with the weights that sampled them.

    The ratio of a token is `exp(logprob now - logprob when sampled)`, 1 if sampling and learning
    agree. PPO would clip a ratio outside the clip range before any weight moved.

    Args:
        policy: who sampled.
        batch: the episodes.
        trajectories: the same ones, in the order of the batch, for the text of a problem.
        micro_batch: episodes per forward pass.
        tolerance: largest |difference| of log-probs allowed on any token, in nats.
        clip: how far below and above 1 a ratio may be before PPO clips it.

    Returns:
        Largest and mean |difference|; quantiles of the ratio (now / when sampled) and its share
        outside the clip range; the number of tokens. The problem shows the first offending token.
    """
    again = by_micro_batch(lambda piece: policy.evaluate(piece).logprobs, batch, micro_batch)
    gaps = (again - batch.old_logprobs).abs()
    checked = gaps[batch.sampled]
    ratio = (again - batch.old_logprobs)[batch.sampled].double().exp().cpu().numpy()
    low, q01, q99, high = np.quantile(ratio, [0.0, 0.01, 0.99, 1.0]).tolist()
    outside = float(np.mean(~((1 - clip[0] <= ratio) & (ratio <= 1 + clip[1]))))
    row: dict[str, float | None] = {
        "proof/max_dlogp": float(checked.max()),
        "proof/mean_dlogp": float(checked.mean()),
        "proof/tokens": len(checked),
        "proof/ratio_min": low,
        "proof/ratio_q01": q01,
        "proof/ratio_q99": q99,
        "proof/ratio_max": high,
        "proof/ratio_outside": outside,
    }
    measured = (
        f"max {float(checked.max()):.1e}, mean {float(checked.mean()):.1e}, ratio {low:.5f} to "
        f"{high:.5f}, {outside:.1%} outside the clip range, {len(checked)} tokens"
    )
    problem = ""
    # "not <=" rather than ">": a nan is an offence too.
    offending = (batch.sampled & ~(gaps <= tolerance)).nonzero()
    if len(offending):
        row_number, place = offending[0].tolist()
        trajectory = trajectories[row_number]
        name = _describe(policy, batch, again, row_number, place, trajectory)
        problem = (
            f"{len(offending)} of {len(checked)} re-scored tokens are off by more than "
            f"{tolerance:g}; the first: {name}. Sampling and learning do not see the same thing: "
            "compare their inputs and weights at that token"
        )
    return CheckResult("log-probs scored again", measured, problem, row)


def _describe(
    policy: TrainablePolicy,
    batch: TokenBatch,
    again: Tensor,
    row: int,
    place: int,
    trajectory: Trajectory,
) -> str:
    turn = int(batch.turn[row, place])
    first = int(torch.nonzero(batch.sampled[row] & (batch.turn[row] == turn))[0])
    token = int(batch.ids[row, place])
    before = batch.ids[row, max(0, place - CONTEXT) : place].cpu().numpy()
    spelled, lead = "", ""
    if isinstance(policy, DetokenizingPolicy):
        spelled = f" {policy.read_text(np.array([token]))!r}"
        lead = f" {policy.read_text(before)!r}"
    return (
        f"item {trajectory.item_id!r}, turn {turn}, sampled token {place - first} (position "
        f"{place} of the episode), id {token}{spelled}, log-prob "
        f"{float(batch.old_logprobs[row, place]):.6f} when sampled and "
        f"{float(again[row, place]):.6f} now, after ids {before.tolist()}{lead}, in the text "
        f"{trajectory.turns[turn].decision.text!r}"
    )
