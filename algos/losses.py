"""The losses of token-level PPO: pure functions on tensors.

All arguments are float `(B, L)` except `mask`, bool `(B, L)`, True on sampled tokens. Every loss
is a sum over the mask divided by `denominator`, the number of sampled tokens of the *whole*
optimiser batch: losses (and statistics) of its pieces add up, and their gradient does not depend
on how it was cut. What stands outside the mask, even nan, has no influence.
"""

from __future__ import annotations

import torch
from torch import Tensor

Stats = dict[str, Tensor]
LOG_RATIO_LIMIT = 20.0


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    denominator: float,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.28,
    dual_clip: float = 3.0,
) -> tuple[Tensor, Stats]:
    """Return PPO's clipped surrogate, to be minimised.

    With the ratio r of new to old probability and the advantage A, a token's objective is
    `min(r A, clip(r, 1 - clip_low, 1 + clip_high) A)`, and at least `dual_clip A` where A < 0, so
    that one token that became very likely cannot dominate the step.

    Returns:
        The loss and `policy_loss`, `approx_kl` (k3 of new from old), `clipfrac`.
    """
    log_ratio = _masked(logprobs - old_logprobs, mask).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    ratio = log_ratio.exp()
    advantages = _masked(advantages, mask)
    plain = ratio * advantages
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high) * advantages
    objective = torch.minimum(plain, clipped)
    floored = torch.where(
        advantages < 0, torch.maximum(objective, dual_clip * advantages), objective
    )
    loss = -floored.sum() / denominator
    with torch.no_grad():
        stats = {
            "policy_loss": loss.detach(),
            "approx_kl": (ratio - 1 - log_ratio).sum() / denominator,
            "clipfrac": (floored != plain).sum() / denominator,
        }
    return loss, stats


def value_loss(
    values: Tensor,
    old_values: Tensor,
    returns: Tensor,
    mask: Tensor,
    denominator: float,
    *,
    clip: float = 0.5,
) -> tuple[Tensor, Stats]:
    """Return half the squared error, the larger of plain and clipped to `old_values` ± `clip`."""
    values, old_values, returns = (_masked(x, mask) for x in (values, old_values, returns))
    near = old_values + (values - old_values).clamp(-clip, clip)
    plain, clipped = (values - returns) ** 2, (near - returns) ** 2
    loss = 0.5 * torch.maximum(plain, clipped).sum() / denominator
    with torch.no_grad():
        stats = {
            "value_loss": loss.detach(),
            "value_clipfrac": (clipped > plain).sum() / denominator,
        }
    return loss, stats


def kl_loss(
    logprobs: Tensor, reference: Tensor, mask: Tensor, denominator: float
) -> tuple[Tensor, Stats]:
    """Return the KL of the policy from the reference: the value of k3, the gradient of k2.

    k3, `exp(d) - 1 - d` with `d = reference - logprobs`, is a good *estimate*, but its gradient
    is not the gradient of the KL; that of k2, `d**2 / 2`, is (on samples of the policy itself).
    """
    gap = _masked(reference - logprobs, mask).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    k2 = gap**2 / 2
    k3 = (gap.exp() - 1 - gap).detach()
    loss = (k3 + k2 - k2.detach()).sum() / denominator
    return loss, {"reference_kl": loss.detach()}


def entropy_loss(entropy: Tensor, mask: Tensor, denominator: float) -> tuple[Tensor, Stats]:
    """Return minus the mean entropy of the next-token distribution, in nats."""
    mean = _masked(entropy, mask).sum() / denominator
    return -mean, {"entropy": mean.detach()}


def _masked(values: Tensor, mask: Tensor) -> Tensor:
    """Put 0 outside the mask by selection, so that a nan there reaches neither loss nor gradient.

    It selects *before* any `exp`: what padding holds must not overflow.
    """
    return torch.where(mask, values, torch.zeros_like(values))
