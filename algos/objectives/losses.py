"""The losses of token-level PPO: pure functions on tensors.

All arguments are float `(B, L)` except `mask`, bool `(B, L)`, True on sampled tokens. Every loss
is a sum over the mask divided by `denominator`, the number of sampled tokens of the *whole*
optimiser batch: losses (and statistics) of its pieces add up, and their gradient does not depend
on how it was cut. `weights`, float `(B, 1)` or `(B, L)`, say what each token counts for in that sum
(`algos.objectives.aggregation`); without them all count alike, and statistics always do. What
stands outside the mask, even nan, has no influence.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Stats = dict[str, Tensor]
RatioLevel = Literal["token", "sequence"]
KLEstimator = Literal["k1", "k2", "k3"]
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
    dual_clip: float | None = 3.0,
    ratio_level: RatioLevel = "token",
    weights: Tensor | None = None,
) -> tuple[Tensor, Stats]:
    """Return PPO's clipped surrogate, to be minimised.

    With the ratio r of new to old probability and the advantage A, a token's objective is
    `min(r A, clip(r, 1 - clip_low, 1 + clip_high) A)`, and at least `dual_clip A` where A < 0, so
    that one token that became very likely cannot dominate the step (None: no such bound).

    With `ratio_level="sequence"` (GSPO, in its token form) every token of a row has the ratio of
    the row: the geometric mean of its tokens' ratios. Its gradient reaches each token through that
    token's own log-prob, times that token's own advantage.

    Returns:
        The loss and `policy_loss`, `approx_kl` (k3 of new from old), `clipfrac`.
    """
    log_ratio = _masked(logprobs - old_logprobs, mask).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    token_ratio = ratio = log_ratio.exp()
    if ratio_level == "sequence":
        count = mask.sum(1, keepdim=True).clamp(min=1)
        mean = log_ratio.detach().sum(1, keepdim=True) / count
        # exp(0) = 1 with the gradient of the token's own log-prob.
        ratio = _masked(mean.exp() * (log_ratio - log_ratio.detach()).exp(), mask)
    advantages = _masked(advantages, mask)
    plain = ratio * advantages
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high) * advantages
    floored = objective = torch.minimum(plain, clipped)
    if dual_clip is not None:
        floored = torch.where(
            advantages < 0, torch.maximum(objective, dual_clip * advantages), objective
        )
    loss = -_weighted_sum(floored, weights) / denominator
    with torch.no_grad():
        stats = {
            "policy_loss": loss.detach(),
            "approx_kl": (token_ratio - 1 - log_ratio).sum() / denominator,
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
    weights: Tensor | None = None,
) -> tuple[Tensor, Stats]:
    """Return half the squared error, the larger of plain and clipped to `old_values` ± `clip`."""
    values, old_values, returns = (_masked(x, mask) for x in (values, old_values, returns))
    near = old_values + (values - old_values).clamp(-clip, clip)
    plain, clipped = (values - returns) ** 2, (near - returns) ** 2
    loss = 0.5 * _weighted_sum(torch.maximum(plain, clipped), weights) / denominator
    with torch.no_grad():
        stats = {
            "value_loss": loss.detach(),
            "value_clipfrac": _weighted_sum((clipped > plain).to(loss.dtype), weights)
            / denominator,
        }
    return loss, stats


def kl_estimate(
    logprobs: Tensor, reference: Tensor, mask: Tensor, estimator: KLEstimator
) -> Tensor:
    """Estimate the KL of the policy from the reference at every sampled token, `(B, L)`.

    With `d = reference - logprobs`: k1 is `-d` (unbiased, noisy, of either sign), k2 `d**2 / 2`
    (biased, small noise, never negative), k3 `exp(d) - 1 - d` (unbiased, never negative).
    """
    gap = _masked(reference - logprobs, mask).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    if estimator == "k1":
        return -gap
    return gap**2 / 2 if estimator == "k2" else gap.exp() - 1 - gap


def kl_loss(
    logprobs: Tensor,
    reference: Tensor,
    mask: Tensor,
    denominator: float,
    *,
    estimator: KLEstimator = "k3",
    weights: Tensor | None = None,
) -> tuple[Tensor, Stats]:
    """Return the KL of the policy from the reference: the value of `estimator`, the gradient of k2.

    On samples of the policy itself the expected gradient of k1 is 0, and that of k3 belongs to
    another divergence; that of k2 is the gradient of the KL. So the estimator chooses what is
    reported, never where the policy is pulled.
    """
    value = kl_estimate(logprobs, reference, mask, estimator).detach()
    k2 = kl_estimate(logprobs, reference, mask, "k2")
    terms = value + k2 - k2.detach()
    loss = _weighted_sum(terms, weights) / denominator
    return loss, {"reference_kl": terms.detach().sum() / denominator}


def entropy_loss(
    entropy: Tensor, mask: Tensor, denominator: float, *, weights: Tensor | None = None
) -> tuple[Tensor, Stats]:
    """Return minus the mean entropy of the next-token distribution, in nats."""
    entropy = _masked(entropy, mask)
    loss = -(_weighted_sum(entropy, weights) / denominator)
    return loss, {"entropy": entropy.detach().sum() / denominator}


def _weighted_sum(terms: Tensor, weights: Tensor | None) -> Tensor:
    return terms.sum() if weights is None else (terms * weights).sum()


def _masked(values: Tensor, mask: Tensor) -> Tensor:
    """Put 0 outside the mask by selection, so that a nan there reaches neither loss nor gradient.

    It selects *before* any `exp`: what padding holds must not overflow.
    """
    return torch.where(mask, values, torch.zeros_like(values))
