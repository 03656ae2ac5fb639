"""Our estimators and losses beside verl's functions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from algos.objectives.advantages import gae, group_baseline, group_deviation, whiten
from algos.objectives.aggregation import Aggregation
from algos.objectives.losses import kl_estimate, value_loss
from benchmarks.ppo.parity_case import LENGTH, Comparison, Pair, ParityCase, gradients, our_loss


def verl_rows() -> Iterator[Comparison]:
    """Yield the comparisons with verl."""
    import verl.trainer.ppo.core_algos as verl

    groups = np.array([0] * 4 + [1] * 4)

    def masked_gae(case: ParityCase) -> Iterator[Pair]:
        mask = case.mask.double()
        theirs = verl.compute_gae_advantage_return(case.rewards, case.values, mask, 0.99, 0.9)
        advantages, returns = gae(case.rewards, case.values, case.mask, gamma=0.99, lam=0.9)
        yield returns[case.mask], theirs[1][case.mask]
        # They divide by the deviation with n - 1 below.
        count = case.mask.sum()
        ours = whiten(advantages, case.mask) * ((count - 1) / count).sqrt()
        yield ours[case.mask], theirs[0][case.mask]

    yield (
        "verl",
        "GAE over sampled tokens, whitened",
        masked_gae,
        "no gradient; up to n against n-1",
    )

    def outcome(case: ParityCase) -> Iterator[Pair]:
        last = torch.zeros_like(case.new)
        last[:, 0] = case.scores
        mask, names = case.mask.double(), groups.tolist()
        theirs = verl.compute_grpo_outcome_advantage(last, mask, groups, epsilon=0.0)[0]
        gap = case.scores - group_baseline(case.scores, names, leave_one_out=False)
        ours = (gap / group_deviation(case.scores, names))[:, None] * mask
        yield ours, theirs.double()
        theirs = verl.compute_rloo_outcome_advantage(last, mask, groups)[0]
        ours = (case.scores - group_baseline(case.scores, names))[:, None] * mask
        yield ours, theirs.double()

    yield "verl", "advantages of GRPO and RLOO", outcome, "no gradient"

    yield from _policy_losses()

    def value(case: ParityCase) -> Iterator[Pair]:
        mask, count = case.mask.double(), int(case.mask.sum())
        yield from gradients(
            lambda x: value_loss(x, case.values, case.rewards, case.mask, count, clip=0.5)[0],
            lambda x: verl.compute_value_loss(x, case.rewards, case.values, mask, 0.5)[0],
            case.values + case.new,
        )

    yield "verl", "clipped value loss", value, ""

    def estimates(case: ParityCase) -> Iterator[Pair]:
        for ours, theirs in (("k1", "kl"), ("k2", "mse"), ("k3", "low_var_kl")):
            found = kl_estimate(case.new, case.reference, case.mask, ours)
            other = verl.kl_penalty_forward(case.new, case.reference, theirs)
            yield found[case.mask], other[case.mask]

    yield "verl", "k1, k2 and k3", estimates, "no gradient"


def _policy_losses() -> Iterator[Comparison]:
    """Yield the comparisons of the policy loss, one per aggregation."""
    import verl.trainer.ppo.core_algos as verl
    from verl.workers.config import ActorConfig

    modes: dict[str, Aggregation] = {
        "token-mean": "token-mean",
        "seq-mean-token-mean": "sequence-mean",
        "seq-mean-token-sum-norm": "constant-length",
    }
    for mode, aggregation in modes.items():

        def compare(case: ParityCase, m=mode, a=aggregation) -> Iterator[Pair]:
            config = ActorConfig(
                strategy="fsdp", rollout_n=1, ppo_micro_batch_size_per_gpu=1,
                clip_ratio_low=0.2, clip_ratio_high=0.28, clip_ratio_c=3.0,
                global_batch_info={"loss_scale_factor": LENGTH} if "norm" in m else {},
            )  # fmt: skip
            vanilla = verl.get_policy_loss_fn("vanilla")
            yield from gradients(
                our_loss(case, a),
                lambda x: vanilla(
                    case.old, x, case.advantages, case.mask.double(), m, config=config
                )[0],
                case.new,
            )

        yield "verl", f"PPO with dual clip, {mode}", compare, ""
