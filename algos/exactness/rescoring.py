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
from algos.exactness.gap_statistics import context_names, gap_statistics, imbalance
from algos.exactness.tolerance import STATISTICS, Tolerance, tolerance_of
from algos.rollout.trajectory import Trajectory
from policies.base import TokenBatch, TrainablePolicy
from policies.errors import ModelError
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
    tolerance: float | None,
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
        tolerance: largest |difference| of log-probs allowed on any token, in nats; None for the
            bounds of the dtype that the policy computes in, see `algos.exactness.tolerance`.
        clip: how far below and above 1 a ratio may be before PPO clips it.

    Returns:
        The statistics of the differences (`algos.exactness.gap_statistics`), and those of the
        learner's own rounding where bounds depend on it; quantiles of the ratio (now / when
        sampled) and its share outside the clip range; the number of tokens. The problem says which
        statistic is beyond its bound, and shows the first offending token or the worst.
    """
    allowed = tolerance_of(policy, tolerance)
    again = by_micro_batch(lambda piece: policy.evaluate(piece).logprobs, batch, micro_batch)
    now, then = again[batch.sampled], batch.old_logprobs[batch.sampled]
    row: dict[str, float | None] = {
        STATISTICS[name][0]: value for name, value in gap_statistics(now, then).items()
    }
    share, score = imbalance(now - then, context_names(batch))
    row |= {"proof/tokens": len(now), "proof/imbalance": share, "proof/imbalance_score": score}
    row |= _ratios(now - then, clip)
    if allowed.needs_noise:
        row |= _own_noise(policy, batch, again)
    measured = (
        f"max {row['proof/max_dlogp']:.1e}, mean {row['proof/mean_dlogp']:.1e}, ratio "
        f"{row['proof/ratio_min']:.5f} to {row['proof/ratio_max']:.5f}, "
        f"{row['proof/ratio_outside']:.1%} outside the clip range, {len(now)} tokens"
    )
    problem = _problem(policy, batch, again, trajectories, allowed, row)
    return CheckResult("log-probs scored again", measured, problem, row)


def _ratios(gaps: Tensor, clip: tuple[float, float]) -> dict[str, float]:
    """Return quantiles of the probability ratio, and the share of tokens outside the clip range."""
    ratio = gaps.double().exp().cpu().numpy()
    low, q01, q99, high = np.quantile(ratio, [0.0, 0.01, 0.99, 1.0]).tolist()
    outside = float(np.mean(~((1 - clip[0] <= ratio) & (ratio <= 1 + clip[1]))))
    return {
        "proof/ratio_min": low,
        "proof/ratio_q01": q01,
        "proof/ratio_q99": q99,
        "proof/ratio_max": high,
        "proof/ratio_outside": outside,
    }


def _own_noise(policy: TrainablePolicy, batch: TokenBatch, again: Tensor) -> dict[str, float]:
    """Return what the learner differs by from itself: episodes alone, and each beside a twin.

    A twin begins alike and differs from the first sampled token on, as rollouts of a question do:
    a policy that computes a shared beginning once does so here. Both scores are the same numbers in
    exact arithmetic, rounded in other places. Where a grammar allows no such twin, the scores of
    the check itself stand in, in which the rollouts of a question are side by side.

    Args:
        policy: the learner.
        batch: of the check.
        again: float32 `(B, L)`, its log-probs as the check has scored them.
    """

    def scores(part: TokenBatch) -> Tensor:
        return policy.evaluate(part).logprobs

    alone = by_micro_batch(scores, batch, 1)
    pairs = batch.select([row for row in range(len(batch)) for _ in range(2)])
    for twin in range(1, len(pairs), 2):
        spoken = pairs.sampled[twin].nonzero()[:, 0]
        said = pairs.ids[twin, spoken]
        other = said[said != said[0]]  # an id that can be sampled; without one it is no twin
        pairs.ids[twin, spoken[0]] = other[0] if len(other) else said[0]
    try:
        beside = by_micro_batch(scores, pairs, 2)[::2]
    except ModelError:  # the twin's token is none that constrained decoding allows there
        beside = again
    found = gap_statistics(alone[batch.sampled], beside[batch.sampled])
    return {f"proof/noise_{name}": value for name, value in found.items()}


def _problem(
    policy: TrainablePolicy,
    batch: TokenBatch,
    again: Tensor,
    trajectories: Sequence[Trajectory],
    allowed: Tolerance,
    row: dict[str, float | None],
) -> str:
    """Say what is beyond its bound; "" if nothing is."""
    gaps = (again - batch.old_logprobs).abs()
    largest, tokens = allowed.bound("max", row), row["proof/tokens"]
    # "not <=" rather than ">": a nan is an offence too.
    offending = (batch.sampled & ~(gaps <= largest)).nonzero()
    if len(offending):
        said = f"{len(offending)} of {tokens} re-scored tokens are off by more than {largest:g}"
        worst, which = offending[0], "the first"
    elif exceeded := allowed.exceeded(row):
        said = f"{tokens} re-scored tokens: {exceeded}"
        flat = torch.where(batch.sampled, gaps, -1.0).argmax()
        worst, which = torch.stack(torch.unravel_index(flat, gaps.shape)), "the worst"
    else:
        return ""
    row_number, place = worst.tolist()
    name = _describe(policy, batch, again, row_number, place, trajectories[row_number])
    return (
        f"{said}; {which}: {name}. Sampling and learning do not see the same thing: compare their "
        "inputs and weights at that token"
    )


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
