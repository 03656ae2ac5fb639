"""What each sampled token counts for in a loss: how tokens and episodes are averaged.

Losses divide by the number of sampled tokens of the *whole* optimiser batch; the weights here turn
that mean over tokens into another one. They are computed once per optimiser batch, before it is cut
into pieces, so that no cut changes the gradient. Letters: B episodes, L tokens.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Aggregation = Literal["token-mean", "sequence-mean", "constant-length"]


def row_weights(sampled: Tensor, aggregation: Aggregation, *, length: int) -> Tensor | None:
    """Return what each token of a row counts for, `(B, 1)`; None where all count alike.

    With `n_i` sampled tokens in row i, a term x summed with these weights and divided by
    `sum(n_i)` is

    - token-mean: the mean of x over all sampled tokens; a long episode counts for more;
    - sequence-mean: the mean over episodes of x's mean over their tokens; a token of a long episode
      counts for less;
    - constant-length: the mean over episodes of x's sum over their tokens, over `length`; every
      token counts alike, whatever its episode's length and those of the others.

    Args:
        sampled: bool `(B, L)`, the whole optimiser batch.
        aggregation: which mean.
        length: tokens that stand for one episode; read with constant-length only.
    """
    if aggregation == "token-mean":
        return None
    sizes = sampled.sum(1, keepdim=True).clamp(min=1)
    mean_size = sampled.sum() / len(sampled)
    if aggregation == "sequence-mean":
        return mean_size / sizes
    return (mean_size / length).expand(len(sampled), 1)


def mask_weights(mask: Tensor, sampled: Tensor) -> Tensor:
    """Return weights `(B, L)` that turn the mean over `sampled` into the mean over `mask`.

    Args:
        mask: bool `(B, L)`, some of the sampled tokens of the whole optimiser batch.
        sampled: bool `(B, L)`.
    """
    return mask * (sampled.sum() / mask.sum().clamp(min=1))
