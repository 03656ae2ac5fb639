"""The run proves its own exactness: sampled tokens are scored again with the learner.

Sampling (token by token, cached keys and features) and learning (one forward pass over the whole
episode) must see the same inputs and the same weights. If they do not, training still runs and
curves still look normal; so the two log-probs are compared in every update.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from algos.batch import by_micro_batch
from algos.trajectory import Trajectory
from policies.base import TokenBatch, TrainablePolicy
from sage_env.errors import SageEnvError

CONTEXT = 12


class ExactnessError(SageEnvError):
    """A token's log-prob when sampled and when scored again differ by more than the tolerance."""


def rescore(
    policy: TrainablePolicy,
    batch: TokenBatch,
    trajectories: Sequence[Trajectory],
    rows: Sequence[int],
    *,
    micro_batch: int,
    tolerance: float,
) -> dict[str, float | None]:
    """Score some episodes again, with the weights that sampled them.

    Args:
        policy: who sampled.
        batch: the episodes, in the order of `trajectories`.
        trajectories: for the text of the error.
        rows: which episodes to check.
        micro_batch: episodes per forward pass.
        tolerance: largest |difference| of log-probs allowed on any token, in nats.

    Returns:
        Largest and mean |difference|, and the number of tokens checked.

    Raises:
        ExactnessError: shows the first offending token with its context.
    """
    part = batch.select(rows)
    again = by_micro_batch(lambda piece: policy.evaluate(piece).logprobs, part, micro_batch)
    gaps = (again - part.old_logprobs).abs()
    # "not <=" rather than ">": a nan offends too.
    offending = (part.sampled & ~(gaps <= tolerance)).nonzero()
    if len(offending):
        row, place = offending[0].tolist()
        name = _describe(part, again, row, place, trajectories[rows[row]])
        raise ExactnessError(
            f"{len(offending)} of {int(part.sampled.sum())} re-scored tokens are off by more than "
            f"{tolerance:g}; the first: {name}. Sampling and learning do not see the same thing: "
            "compare their inputs and weights at that token"
        )
    checked = gaps[part.sampled]
    return {
        "proof/max_dlogp": float(checked.max()),
        "proof/mean_dlogp": float(checked.mean()),
        "proof/tokens": len(checked),
    }


def _describe(part: TokenBatch, again: Tensor, row: int, place: int, trajectory: Trajectory) -> str:
    turn = int(part.turn[row, place])
    first = int(torch.nonzero(part.sampled[row] & (part.turn[row] == turn))[0])
    return (
        f"item {trajectory.item_id!r}, turn {turn}, sampled token {place - first} (position "
        f"{place} of the episode), id {int(part.ids[row, place])}, log-prob "
        f"{float(part.old_logprobs[row, place]):.6f} when sampled and "
        f"{float(again[row, place]):.6f} now, after ids "
        f"{part.ids[row, max(0, place - CONTEXT) : place].tolist()}, in the text "
        f"{trajectory.turns[turn].decision.text!r}"
    )
