"""The correction of a mismatch between sampler and learner, as the settings ask for it.

The learner scores the batch once more before its first step. Its ratio is then clipped around what
it was itself, and what the sampler did differently is in a weight (`algos.objectives.mismatch`).
The critic's loss is not weighted: its targets are what was earned.
"""

from __future__ import annotations

from torch import Tensor

from algos.batching.token_batches import by_micro_batch
from algos.objectives.mismatch import mismatch_stats, sequence_weights, token_weights
from algos.ppo.config import PPOConfig
from algos.runs.metrics import MetricsRow
from policies.base import TokenBatch, TrainablePolicy


def correction(config: PPOConfig, policy: TrainablePolicy, batch: TokenBatch) -> dict[str, Tensor]:
    """Return what the correction adds to the targets of a batch; nothing where it is off.

    Args:
        config: its `mismatch`, `mismatch_cap` and `micro_batch`.
        policy: the learner, before its first step on the batch.
        batch: all episodes.

    Returns:
        `old_logprobs` float `(B, L)`, of the learner; `mismatch_weights` float `(B, L)`, or of
        whole episodes `(B, 1)`; `within_cap` bool `(B,)`, where episodes can be left out.
    """
    if config.mismatch == "none":
        return {}
    old = by_micro_batch(lambda part: policy.evaluate(part).logprobs, batch, config.micro_batch)
    scores = old, batch.old_logprobs, batch.sampled, config.mismatch_cap
    if config.mismatch == "token-tis":
        return {"old_logprobs": old, "mismatch_weights": token_weights(*scores)}
    weights, within = sequence_weights(*scores)
    return {"old_logprobs": old, "mismatch_weights": weights, "within_cap": within}


def mismatch_row(
    config: PPOConfig, batch: TokenBatch, old: Tensor | None, within: Tensor | None
) -> MetricsRow:
    """Return the numbers of the correction, `mismatch/...`; none where it is off.

    Args:
        config: its `mismatch_cap`.
        batch: all episodes.
        old: float `(B, L)`, log-probs of the learner before its first step; None: off.
        within: bool `(B,)`, the episodes that are not left out; None: none can be.
    """
    if old is None:
        return {}
    stats = mismatch_stats(old, batch.old_logprobs, batch.sampled, config.mismatch_cap)
    row: MetricsRow = {f"mismatch/{name}": float(value) for name, value in stats.items()}
    if within is not None:
        row["mismatch/left_out"] = len(batch) - int(within.sum())
    return row
