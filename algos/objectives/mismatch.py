"""Correction of a mismatch between the sampler and the learner, by truncated importance weights.

Three policies meet in a batch: the *sampler* that drew the tokens, the learner *before* its first
step ("old"), and the learner now. PPO's ratio is of now to old, which the clip range is about. That
the tokens were drawn by another policy than old is corrected by the weight `old / sampler`, which
is constant and multiplies the clipped objective:

    w_t  min(r_t A_t, clip(r_t) A_t)        r_t = now_t / old_t        w_t = old_t / sampler_t

An unbounded weight would let one token that the sampler found unlikely decide the step, so that it
is truncated at a cap (tokens), or episodes beyond the cap are left out (sequences).

| function | weight | source |
|---|---|---|
| the objective | of three policies | the decoupled objective of arXiv 2110.00641 |
| `token_weights` | of each token, `min(w_t, cap)` | truncated importance sampling, Ionides 2008 |
| `sequence_weights` | of an episode, the product of its tokens' | sequence masks, Liu et al. 2025 |

Truncated weights between the sampler and the learner of a language model: Yao et al. 2025,
fengyao.notion.site/off-policy-rl; masks of sequences: richardli.xyz/rl-collapse, TRL's default.
"""

from __future__ import annotations

import torch
from torch import Tensor

from algos.objectives.losses import LOG_RATIO_LIMIT, Stats


def token_weights(old: Tensor, sampler: Tensor, mask: Tensor, cap: float) -> Tensor:
    """Return the truncated importance weight of each token.

    With the probabilities 0.6 (old) and 0.2 (sampler) the weight is 3, and 2 with a cap of 2; with
    0.2 and 0.6 it is 1/3.

    Source: the off-policy weight of the decoupled objective, arXiv 2110.00641; truncated, Yao et
    al. 2025, fengyao.notion.site/off-policy-rl.

    Args:
        old: float `(B, L)`, log-probs of the learner before its first step, in nats.
        sampler: float `(B, L)`, log-probs when sampled, in nats.
        mask: bool `(B, L)`, True on sampled tokens.
        cap: largest weight.

    Returns:
        Float `(B, L)` without gradient, 0 outside the mask.
    """
    weights = _log_weights(old, sampler, mask).exp().clamp(max=cap)
    return torch.where(mask, weights, torch.zeros_like(weights))


def sequence_weights(
    old: Tensor, sampler: Tensor, mask: Tensor, cap: float
) -> tuple[Tensor, Tensor]:
    """Return the importance weight of each episode, and which episodes it leaves in the loss.

    The weight is the product over the episode's tokens: without bias, and noisier the longer an
    episode is. An episode beyond the cap is left out rather than truncated: it is one that the
    learner would hardly have avoided and the sampler hardly drawn.

    Source: masked importance sampling of sequences, Liu et al. 2025, richardli.xyz/rl-collapse; the
    off-policy weight itself, arXiv 2110.00641.

    Args:
        old: float `(B, L)`, log-probs of the learner before its first step, in nats.
        sampler: float `(B, L)`, log-probs when sampled, in nats.
        mask: bool `(B, L)`, True on sampled tokens.
        cap: largest weight.

    Returns:
        Float `(B, 1)` without gradient, 0 beyond the cap; bool `(B,)`, True within it.
    """
    total = _log_weights(old, sampler, mask).sum(1, keepdim=True)
    weights = total.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT).exp()
    within = weights <= cap
    return torch.where(within, weights, torch.zeros_like(weights)), within[:, 0]


def mismatch_stats(old: Tensor, sampler: Tensor, mask: Tensor, cap: float) -> Stats:
    """Return how far the learner is from the sampler before its first step.

    Source: the estimator k3, Schulman 2020, joschu.net/blog/kl-approx.html.

    Args:
        old: float `(B, L)`, log-probs of the learner before its first step, in nats.
        sampler: float `(B, L)`, log-probs when sampled, in nats.
        mask: bool `(B, L)`, True on sampled tokens.
        cap: largest weight.

    Returns:
        Float `()` each: `kl`, the k3 estimate of the KL of the sampler from the learner, in nats
        per token; `weight`, the mean of the tokens' weights before they are truncated, which is 1
        in expectation where the sampler can draw whatever the learner can; `beyond`, the share of
        tokens whose weight is beyond the cap.
    """
    log_weights, count = _log_weights(old, sampler, mask), mask.sum()
    weights = torch.where(mask, log_weights.exp(), torch.zeros_like(log_weights))
    return {
        "kl": (log_weights.exp() - 1 - log_weights).sum() / count,
        "weight": weights.sum() / count,
        "beyond": (weights > cap).sum() / count,
    }


def _log_weights(old: Tensor, sampler: Tensor, mask: Tensor) -> Tensor:
    """Return `log (old / sampler)` in nats `(B, L)`, clamped, 0 outside the mask."""
    gap = (old - sampler).detach()
    return torch.where(mask, gap, torch.zeros_like(gap)).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
