"""Our estimators and losses against verl's functions (`verl.trainer.ppo.core_algos`)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from algos.objectives.advantages import gae, group_baseline, group_deviation, whiten
from algos.objectives.aggregation import Aggregation
from algos.objectives.losses import KLEstimator, kl_estimate, value_loss
from benchmarks.ppo.parity_case import LENGTH, Comparison, Pair, ParityCase, gradients, our_loss

GROUPS = np.array([0] * 4 + [1] * 4)
# verl's name of an aggregation, and ours.
MODES: dict[str, Aggregation] = {
    "token-mean": "token-mean",
    "seq-mean-token-mean": "sequence-mean",
    "seq-mean-token-sum-norm": "constant-length",
}
# Our name of a KL estimator, and verl's.
ESTIMATORS: dict[KLEstimator, str] = {"k1": "kl", "k2": "mse", "k3": "low_var_kl"}


def verl_rows() -> Iterator[Comparison]:
    """Yield the comparisons with verl.

    Raises:
        ImportError: when a comparison is run, if verl is not installed.
    """
    note = "no gradient; up to n against n-1"
    yield Comparison("verl", "GAE over sampled tokens, whitened", _gae, note)
    yield Comparison("verl", "advantages of GRPO and RLOO", _group_advantages, "no gradient")
    for mode, aggregation in MODES.items():
        compare = partial(_policy_loss, mode, aggregation)
        yield Comparison("verl", f"PPO with dual clip, {mode}", compare, "")
    yield Comparison("verl", "clipped value loss", _value_loss, "")
    yield Comparison("verl", "k1, k2 and k3", _kl_estimates, "no gradient")


def _gae(case: ParityCase) -> Iterator[Pair]:
    import verl.trainer.ppo.core_algos as verl

    mask = case.mask.double()
    theirs = verl.compute_gae_advantage_return(case.rewards, case.values, mask, 0.99, 0.9)
    advantages, returns = gae(case.rewards, case.values, case.mask, gamma=0.99, lam=0.9)
    yield returns[case.mask], theirs[1][case.mask]
    # verl whitens with the unbiased deviation (n - 1), we with the biased one (n).
    count = case.mask.sum()
    ours = whiten(advantages, case.mask) * ((count - 1) / count).sqrt()
    yield ours[case.mask], theirs[0][case.mask]


def _group_advantages(case: ParityCase) -> Iterator[Pair]:
    """Compare GRPO's and RLOO's advantages; verl takes a reward per token, here on the first."""
    import verl.trainer.ppo.core_algos as verl

    rewards = torch.zeros_like(case.new)
    rewards[:, 0] = case.scores
    mask, names = case.mask.double(), GROUPS.tolist()
    theirs = verl.compute_grpo_outcome_advantage(rewards, mask, GROUPS, epsilon=0.0)[0]
    gap = case.scores - group_baseline(case.scores, names, leave_one_out=False)
    yield (gap / group_deviation(case.scores, names))[:, None] * mask, theirs.double()
    theirs = verl.compute_rloo_outcome_advantage(rewards, mask, GROUPS)[0]
    yield (case.scores - group_baseline(case.scores, names))[:, None] * mask, theirs.double()


def _policy_loss(mode: str, aggregation: Aggregation, case: ParityCase) -> Iterator[Pair]:
    import verl.trainer.ppo.core_algos as verl
    from verl.workers.config import ActorConfig

    config = ActorConfig(
        strategy="fsdp",
        rollout_n=1,
        ppo_micro_batch_size_per_gpu=1,
        clip_ratio_low=0.2,
        clip_ratio_high=0.28,
        clip_ratio_c=3.0,
        global_batch_info={"loss_scale_factor": LENGTH} if "norm" in mode else {},
    )
    vanilla: Any = verl.get_policy_loss_fn("vanilla")
    mask = case.mask.double()

    def theirs(x: Tensor) -> Tensor:
        value: Tensor = vanilla(case.old, x, case.advantages, mask, mode, config=config)[0]
        return value

    yield from gradients(our_loss(case, aggregation), theirs, case.new)


def _value_loss(case: ParityCase) -> Iterator[Pair]:
    import verl.trainer.ppo.core_algos as verl

    mask, count = case.mask.double(), int(case.mask.sum())
    yield from gradients(
        lambda x: value_loss(x, case.values, case.rewards, case.mask, count, clip=0.5)[0],
        lambda x: verl.compute_value_loss(x, case.rewards, case.values, mask, 0.5)[0],
        case.values + case.new,
    )


def _kl_estimates(case: ParityCase) -> Iterator[Pair]:
    import verl.trainer.ppo.core_algos as verl

    for ours, theirs in ESTIMATORS.items():
        found = kl_estimate(case.new, case.reference, case.mask, ours)
        other = verl.kl_penalty_forward(case.new, case.reference, theirs)
        yield found[case.mask], other[case.mask]
