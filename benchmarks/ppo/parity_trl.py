"""Our losses against TRL's: `_compute_loss` of its trainers, with our log-probs for a model's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from algos.objectives.advantages import group_deviation
from algos.objectives.aggregation import Aggregation
from algos.objectives.losses import kl_estimate
from benchmarks.ppo.parity_case import LENGTH, Comparison, Pair, ParityCase, gradients, our_loss


def trl_loss(
    case: ParityCase, trainer: str = "grpo", **settings: Any
) -> Callable[[Tensor], Tensor]:
    """Return TRL's loss as a function of the log-probs `(B, T)`.

    Args:
        case: old log-probs, scores and mask.
        trainer: "grpo" or "rloo".
        settings: attributes of the trainer that differ from the defaults below.
    """
    from trl.trainer.grpo_trainer import GRPOTrainer
    from trl.trainer.rloo_trainer import RLOOTrainer

    function = {"grpo": GRPOTrainer, "rloo": RLOOTrainer}[trainer]._compute_loss
    accelerator = SimpleNamespace(
        num_processes=1,
        gather=lambda x: x,
        gather_for_metrics=lambda x: x,
        reduce=lambda x, reduction: x,
    )
    mask = case.mask.long()
    inputs = {
        "prompt_ids": mask[:, :1],
        "prompt_mask": mask[:, :1],
        "completion_ids": mask,
        "completion_mask": mask,
        "advantages": case.scores - case.scores.mean(),
        "old_per_token_logps": case.old,
        "ref_per_token_logps": case.reference,
        "old_logps": (case.old * mask).sum(1),
        "num_items_in_batch": case.mask.sum(),
    }
    defaults = dict(
        loss_type="grpo", importance_sampling_level="token", beta=0.0, top_entropy_quantile=1.0,
        epsilon_low=0.2, epsilon_high=0.28, off_policy_mask_threshold=None, use_vllm=False,
        vllm_importance_sampling_correction=False, max_completion_length=LENGTH,
        current_gradient_accumulation_steps=1, aux_loss_enabled=False, accelerator=accelerator,
        model=SimpleNamespace(training=True), _entropy_bonus_enabled=False,
        _metrics={"train": defaultdict(list)},
    )  # fmt: skip
    arguments = SimpleNamespace(
        delta=settings.pop("delta", None), use_bias_correction_kl=False, steps_per_generation=1
    )

    def loss(x: Tensor) -> Tensor:
        stand_in = SimpleNamespace(**{**defaults, **settings}, args=arguments)
        stand_in._get_per_token_logps_and_entropies = lambda *_, **__: (x, x.detach(), None)
        value: Tensor = function(stand_in, None, dict(inputs))
        return value

    return loss


def trl_rows() -> Iterator[Comparison]:
    """Yield the comparisons with TRL.

    Raises:
        ImportError: when a comparison is run, if TRL is not installed.
    """
    yield from _policy_losses()
    yield Comparison(
        "TRL", "gradient of RLOO, first step", _rloo, "gradient only; times the constant length"
    )
    yield Comparison("TRL", "KL in the loss (k3)", _k3, "value; our gradient is k2's on purpose")
    yield Comparison("TRL", "deviation of a group, one failed", _deviation, "no gradient")


def _policy_losses() -> Iterator[Comparison]:
    """Yield the comparisons of the policy loss: ours and TRL's settings of one method."""
    losses: dict[str, tuple[Aggregation, dict[str, Any], dict[str, Any]]] = {
        "GRPO": ("sequence-mean", {"dual_clip": None}, {}),
        "GRPO, two-sided clip": ("sequence-mean", {"dual_clip": 1.5}, {"delta": 1.5}),
        "DAPO": ("token-mean", {"dual_clip": None}, {"loss_type": "dapo"}),
        "Dr-GRPO": ("constant-length", {"dual_clip": None}, {"loss_type": "dr_grpo"}),
        "GSPO": (
            "sequence-mean",
            {"dual_clip": None, "ratio_level": "sequence"},
            {"importance_sampling_level": "sequence"},
        ),
    }
    for name, (aggregation, ours, theirs) in losses.items():
        yield Comparison("TRL", f"loss of {name}", partial(_loss, aggregation, ours, theirs), "")


def _loss(
    aggregation: Aggregation, ours: dict[str, Any], theirs: dict[str, Any], case: ParityCase
) -> Iterator[Pair]:
    our_function, their_function = our_loss(case, aggregation, **ours), trl_loss(case, **theirs)
    yield from gradients(our_function, their_function, case.new)


def _rloo(case: ParityCase) -> Iterator[Pair]:
    """Compare gradients at the old policy: TRL's RLOO sums a row's tokens, ours divides the sum."""
    ours = our_loss(case, "constant-length", dual_clip=None)
    _, (gradient, other) = gradients(ours, trl_loss(case, "rloo"), case.old)
    yield gradient * LENGTH, other


def _k3(case: ParityCase) -> Iterator[Pair]:
    """Compare the KL term: TRL's loss with it minus the loss without it."""
    with_kl, without = (trl_loss(case, loss_type="dapo", beta=b)(case.new) for b in (1.0, 0.0))
    ours = kl_estimate(case.new, case.reference, case.mask, "k3").sum() / case.mask.sum()
    yield ours, with_kl - without


def _deviation(case: ParityCase) -> Iterator[Pair]:
    """Compare the deviation of scores in a group of which one episode failed (NaN)."""
    from trl.trainer.utils import nanstd

    scores = case.scores.clone()
    scores[1] = torch.nan
    theirs = nanstd(scores.view(2, 4), dim=1).repeat_interleave(4)
    ours = group_deviation(scores, [0] * 4 + [1] * 4)
    yield ours.nan_to_num(0), theirs.where(~scores.isnan(), torch.zeros_like(theirs))
