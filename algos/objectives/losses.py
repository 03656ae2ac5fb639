"""The losses of token-level PPO: pure functions on tensors.

Letters: B episodes, L tokens. Every loss is a sum over `mask` divided by `denominator`, the number
of sampled tokens of the *whole* optimiser batch: losses (and statistics) of its pieces add up, and
their gradient does not depend on how it was cut. What stands outside the mask, even nan, has no
influence. Statistics count all tokens alike, whatever the `weights`.

| function | what it is called | source |
|---|---|---|
| `policy_loss` | clipped surrogate | PPO, arXiv 1707.06347, eq. 7 |
| - `clip_high` | clip-higher | DAPO, arXiv 2503.14476, section 3.1 |
| - `dual_clip` | dual clip | arXiv 1912.09729 |
| - `ratio_level="sequence"` | GSPO-token | GSPO, arXiv 2507.18071, section 4.3 |
| `value_loss` | clipped value loss | code of PPO, described in arXiv 2005.12729, section 3 |
| `kl_estimate` | k1, k2, k3 | Schulman 2020, joschu.net/blog/kl-approx.html |
| `kl_loss` | KL with its own gradient | arXiv 2506.09477 |
| `entropy_loss` | entropy bonus | PPO, arXiv 1707.06347, eq. 9 |
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Stats = dict[str, Tensor]
"""Statistics by name, float `()` each."""
RatioLevel = Literal["token", "sequence"]
"""A probability ratio for every token (PPO), or one for each episode (GSPO, arXiv 2507.18071)."""
KLEstimator = Literal["k1", "k2", "k3"]
"""Schulman 2020, joschu.net/blog/kl-approx.html."""
LOG_RATIO_LIMIT = 20.0
"""Log-ratios are clamped to ±20 nats before `exp`. Far beyond any clip range (e^20 is 5e8), so it
moves no gradient of a token inside it; it keeps a broken token from overflowing float32, whose
limit is e^88, and the squares in statistics. Revisit if losses are computed in float16."""


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
    """Return PPO's clipped surrogate loss.

    With the ratio r of new to old probability and the advantage A, a token's objective is
    `min(r A, clip(r, 1 - clip_low, 1 + clip_high) A)`, and at least `dual_clip A` where A < 0, so
    that one token that became very likely cannot dominate the step (None: no such bound).

    With the default clips one token's objective, and whether its gradient is on, are:

        ratio       0.5          1.0        2.0          5.0
        A = +1      0.5  on      1  on      1.28 off     1.28 off
        A = -1     -0.8  off    -1  on     -2    on     -3    off (dual clip)

    Source: PPO, arXiv 1707.06347, eq. 7; two clip ends, DAPO, arXiv 2503.14476, section 3.1; dual
    clip, arXiv 1912.09729; ratio of a sequence, GSPO, arXiv 2507.18071, sections 4.1 and 4.3.

    Args:
        logprobs: float `(B, L)`, log-probs now, in nats; the only argument with a gradient.
        old_logprobs: float `(B, L)`, log-probs when sampled, in nats.
        advantages: float `(B, L)`.
        mask: bool `(B, L)`, True on sampled tokens.
        denominator: sampled tokens of the whole optimiser batch.
        clip_low: the ratio is clipped below `1 - clip_low`.
        clip_high: the ratio is clipped above `1 + clip_high`.
        dual_clip: bound of the ratio where the advantage is negative, > 1; None: no bound.
        ratio_level: a ratio for every token, or one for each row; see `_ratios`.
        weights: float `(B, 1)` or `(B, L)`, what each token counts for (`aggregation`).

    Returns:
        The loss, float `()`, to be minimised; and the statistics `policy_loss`, `approx_kl` (k3 of
        new from old, in nats) and `clipfrac` (share of tokens that a clip holds), float `()` each.
    """
    log_ratio = _masked(logprobs - old_logprobs, mask).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    ratio, advantages = _ratios(log_ratio, mask, ratio_level), _masked(advantages, mask)
    plain = ratio * advantages
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high) * advantages
    floored = torch.minimum(plain, clipped)
    if dual_clip is not None:
        bounded = torch.maximum(floored, dual_clip * advantages)
        floored = torch.where(advantages < 0, bounded, floored)
    loss = -_weighted_sum(floored, weights) / denominator
    with torch.no_grad():
        stats = {
            "policy_loss": loss.detach(),
            "approx_kl": (log_ratio.exp() - 1 - log_ratio).sum() / denominator,
            "clipfrac": (floored != plain).sum() / denominator,
        }
    return loss, stats


def _ratios(log_ratio: Tensor, mask: Tensor, level: RatioLevel) -> Tensor:
    """Return the ratio of each token, or with "sequence" that of its row, float `(B, L)`.

    The ratio of a row is the geometric mean of its tokens' ratios. Its gradient reaches each token
    through that token's own log-prob, times that token's own advantage (GSPO-token).
    """
    if level == "token":
        return log_ratio.exp()
    count = mask.sum(1, keepdim=True).clamp(min=1)
    mean = log_ratio.detach().sum(1, keepdim=True) / count
    # The second factor is exp(0) = 1, with the gradient of the token's own log-prob.
    return _masked(mean.exp() * (log_ratio - log_ratio.detach()).exp(), mask)


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
    """Return the clipped value loss.

    It is half the squared error, the larger of that of `values` and that of `values` held within
    `old_values` ± `clip`: the critic gets no gradient for moving further than `clip` in one batch
    towards its target.

    Source: value function clipping, in the code of PPO and not in its paper; described in arXiv
    2005.12729, section 3.

    Args:
        values: float `(B, L)`, values now; the only argument with a gradient.
        old_values: float `(B, L)`, values before this batch was learned from.
        returns: float `(B, L)`, the targets.
        mask: bool `(B, L)`, True on sampled tokens.
        denominator: sampled tokens of the whole optimiser batch.
        clip: how far a value may move, in units of reward; inf: no clipping.
        weights: float `(B, 1)` or `(B, L)`, what each token counts for; None: all alike.

    Returns:
        The loss, float `()`; and the statistics `value_loss` and `value_clipfrac`, float `()` each.
    """
    values, old_values, returns = (_masked(x, mask) for x in (values, old_values, returns))
    # Not `old + (values - old).clamp(...)`, whose rounding would count as clipped.
    near = values.clamp(old_values - clip, old_values + clip)
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
    """Return an estimate of the KL divergence of the policy from the reference at every token.

    With `d = reference - logprobs`, on samples of the policy:

    | name | value | bias | noise | sign |
    |---|---|---|---|---|
    | k1 | `-d` | none | large | either |
    | k2 | `d**2 / 2` | some | small | never negative |
    | k3 | `exp(d) - 1 - d` | none | small | never negative |

    Source: Schulman, "Approximating KL Divergence", 2020, joschu.net/blog/kl-approx.html.

    Args:
        logprobs: float `(B, L)`, of the sampled tokens under the policy, in nats.
        reference: float `(B, L)`, of the same tokens under the reference, in nats.
        mask: bool `(B, L)`, True on sampled tokens.
        estimator: which.

    Returns:
        Float `(B, L)`, in nats, 0 outside the mask.
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

    Source: Tang and Munos, arXiv 2506.09477 (a KL estimate's gradient is not an estimate of the
    KL's gradient); the estimators, Schulman 2020, joschu.net/blog/kl-approx.html.

    Args:
        logprobs: float `(B, L)`, under the policy, in nats; the only argument with a gradient.
        reference: float `(B, L)`, under the reference, in nats.
        mask: bool `(B, L)`, True on sampled tokens.
        denominator: sampled tokens of the whole optimiser batch.
        estimator: which estimate the value is.
        weights: float `(B, 1)` or `(B, L)`, what each token counts for; None: all alike.

    Returns:
        The loss, float `()`; and the statistic `reference_kl`, in nats per token, float `()`.
    """
    value = kl_estimate(logprobs, reference, mask, estimator).detach()
    k2 = kl_estimate(logprobs, reference, mask, "k2")
    terms = value + k2 - k2.detach()
    loss = _weighted_sum(terms, weights) / denominator
    return loss, {"reference_kl": terms.detach().sum() / denominator}


def entropy_loss(
    entropy: Tensor, mask: Tensor, denominator: float, *, weights: Tensor | None = None
) -> tuple[Tensor, Stats]:
    """Return minus the mean entropy of the next-token distribution.

    Source: the entropy bonus of PPO, arXiv 1707.06347, eq. 9.

    Args:
        entropy: float `(B, L)`, in nats.
        mask: bool `(B, L)`, True on sampled tokens.
        denominator: sampled tokens of the whole optimiser batch.
        weights: float `(B, 1)` or `(B, L)`, what each token counts for; None: all alike.

    Returns:
        The loss, float `()`; and the statistic `entropy`, float `()`.
    """
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
