"""Log-probs and entropies of chosen tokens, without the logits of all ids at once.

The logits of N tokens are `(N, V)`: 4.9 GB of float32 for 8,000 tokens of Qwen3-VL, and softmax,
entropy and their gradients take that several times over. Here one tile of them exists at a time.
The forward pass goes over the tiles with a running maximum and sum (online softmax, arXiv
1805.02867) and keeps three numbers per token; the backward pass makes each tile again (as in
arXiv 2411.09009).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

MASKED = -1e9
"""Logit of what must not be sampled: exp gives exactly 0, and 0 times it is 0 in the entropy, where
0 times minus infinity would be NaN."""
AT_ONCE = 1 << 24
"""Most logits that are made at once: 64 MiB of float32, of which a backward pass holds about four.
It is a judgement, not measured: 26,000 tokens of the shipped model, 110 of Qwen3-VL."""
TILE_IDS = 8192
"""Ids of a tile, with `AT_ONCE / TILE_IDS` tokens: enough of both to keep a GPU's multipliers busy.
It is reckoned, not measured."""


class TokenScores(NamedTuple):
    """Scores of N chosen tokens, float32 `(N,)` each, in nats.

    Attributes:
        logprobs: of the chosen tokens.
        entropy: of the distributions that they were chosen from.
    """

    logprobs: Tensor
    entropy: Tensor


@dataclass(frozen=True, eq=False)
class Masking:
    """What is done to logits before the softmax; sampling and re-scoring both do it here.

    Attributes:
        temperature: divides the logits; 0 (greedy) counts as 1.
        banned: bool `(V,)`, ids that must not be sampled.
        allowed: bool `(N, V)`, what a grammar allows at each token, on any device; `None` for all.
    """

    temperature: float
    banned: Tensor
    allowed: Tensor | None = None

    def mask(self, rows: slice, ids: slice) -> Tensor:
        """Return what is masked in a tile of tokens and ids: bool `(ids,)` or `(rows, ids)`."""
        banned = self.banned[ids]
        if self.allowed is None:
            return banned
        return banned | ~self.allowed[rows, ids].to(banned.device)

    def apply(self, logits: Tensor, rows: slice = slice(None), ids: slice = slice(None)) -> Tensor:
        """Return the logits scaled and masked: at least float32, of the shape that they came in.

        Args:
            logits: `(rows, ids)` of any float type, a tile of the logits `(N, V)`.
            rows: which of the N tokens the tile is of.
            ids: which of the V ids.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if self.temperature > 0:
            logits = logits / self.temperature
        return logits.masked_fill(self.mask(rows, ids), MASKED)


def tiled_scores(
    hidden: Tensor,
    weight: Tensor,
    chosen: Tensor,
    masking: Masking,
    *,
    entropy_gradient: bool = True,
) -> TokenScores:
    """Score chosen tokens tile by tile, differentiably by `hidden` and, if it is trained, `weight`.

    Args:
        hidden: `(N, hidden)`, the states before the tokens.
        weight: `(V, hidden)`, of the output layer, which has no bias; in the dtype of `hidden`.
        chosen: int64 `(N,)`, the tokens.
        masking: of the N tokens.
        entropy_gradient: whether the entropy is differentiable.
    """
    found = cast(Any, _TiledScores).apply(hidden, weight, chosen, masking, entropy_gradient)
    return TokenScores(*found)


class _TiledScores(torch.autograd.Function):
    """`log p(chosen)` and `-sum p log p` of `p = softmax(mask(hidden W^T / T))`."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        chosen: Tensor,
        masking: Masking,
        entropy_gradient: bool,
    ) -> tuple[Tensor, Tensor]:
        top, logsum, entropy, at = _statistics(hidden, weight, chosen, masking)
        ctx.save_for_backward(hidden, weight, chosen, top, logsum, entropy)
        ctx.masking = masking
        ctx.set_materialize_grads(False)
        if not entropy_gradient:
            ctx.mark_non_differentiable(entropy)
        return at - top - logsum, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_logprob: Tensor | None, of_entropy: Tensor | None) -> Any:
        hidden, weight, chosen, top, logsum, entropy = ctx.saved_tensors
        by_hidden = torch.zeros_like(hidden, dtype=top.dtype)
        by_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for ids in _slices(len(weight), TILE_IDS):
            part = torch.zeros_like(weight[ids], dtype=top.dtype) if by_weight is not None else None
            for rows in _slices(len(hidden), AT_ONCE // TILE_IDS):
                logits = ctx.masking.apply(linear(hidden[rows], weight[ids]), rows, ids)
                logp = logits.sub_(top[rows, None]).sub_(logsum[rows, None])
                p = logp.exp()
                # with l = log p(chosen) and H the entropy, for the logit z of each id:
                # dl/dz = [chosen] - p          dH/dz = -p (log p + H)
                by_logit = torch.zeros_like(p)
                if of_logprob is not None:
                    by_logit.addcmul_(p, of_logprob[rows, None], value=-1)
                    place, inside = _in_tile(chosen[rows], ids)
                    by_logit.scatter_add_(1, place, (of_logprob[rows] * inside)[:, None])
                if of_entropy is not None:
                    surplus = logp.add_(entropy[rows, None]).mul_(p)
                    by_logit.addcmul_(surplus, of_entropy[rows, None], value=-1)
                by_logit.masked_fill_(ctx.masking.mask(rows, ids), 0)
                if ctx.masking.temperature > 0:
                    by_logit /= ctx.masking.temperature
                by_logit = by_logit.to(hidden.dtype)
                by_hidden[rows] += by_logit @ weight[ids]
                if part is not None:
                    part += by_logit.T @ hidden[rows]
            if by_weight is not None and part is not None:
                by_weight[ids] = part.to(weight.dtype)
        return by_hidden.to(hidden.dtype), by_weight, None, None, None


def _statistics(
    hidden: Tensor, weight: Tensor, chosen: Tensor, masking: Masking
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return four numbers `(N,)` of each token's logits z, at least float32, in one pass over them.

    They are the largest z, `log sum exp(z - largest)`, the entropy, and the z of the chosen token.
    """
    kind = torch.promote_types(hidden.dtype, torch.float32)
    top = torch.full((len(hidden),), MASKED, dtype=kind, device=hidden.device)
    total, spread, at = (torch.zeros_like(top) for _ in range(3))  # spread: sum of p (z - largest)
    for ids in _slices(len(weight), TILE_IDS):
        for rows in _slices(len(hidden), AT_ONCE // TILE_IDS):
            logits = masking.apply(linear(hidden[rows], weight[ids]), rows, ids)
            place, inside = _in_tile(chosen[rows], ids)
            at[rows] = torch.where(inside, logits.gather(1, place)[:, 0], at[rows])
            before = top[rows]
            highest = torch.maximum(before, logits.amax(1))
            p = logits.sub_(highest[:, None]).exp()
            fade = (before - highest).exp()
            spread[rows] = fade * (spread[rows] + (before - highest) * total[rows])
            spread[rows] += logits.mul_(p).sum(1)
            total[rows] = fade * total[rows] + p.sum(1)
            top[rows] = highest
    logsum = total.log()
    return top, logsum, logsum - spread / total, at


def _in_tile(chosen: Tensor, ids: slice) -> tuple[Tensor, Tensor]:
    """Return where the chosen ids are in a tile, int64 `(n, 1)`, and whether, bool `(n,)`."""
    place = chosen - ids.start
    inside = (place >= 0) & (place < ids.stop - ids.start)
    return place.clamp(0, ids.stop - ids.start - 1)[:, None], inside


def _slices(length: int, size: int) -> Iterator[slice]:
    """Cut a length into slices of at most `size`."""
    return (slice(at, min(at + size, length)) for at in range(0, length, size))
