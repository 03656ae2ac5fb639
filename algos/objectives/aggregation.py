"""Loss aggregation: what each sampled token counts for, how tokens and episodes are averaged.

Losses divide by the number of sampled tokens of the *whole* optimiser batch; the weights here turn
that mean over tokens into another one. They are computed once per optimiser batch, before it is cut
into pieces, so that no cut changes the gradient. Letters: B episodes, L tokens.

A local denominator (each piece divided by its own tokens) is the classic error here: it gives
tokens of short pieces a larger weight, and the gradient then depends on the micro-batch size.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Aggregation = Literal["token-mean", "sequence-mean", "constant-length"]
"""That of DAPO (arXiv 2503.14476), of GRPO (arXiv 2402.03300), of Dr. GRPO (arXiv 2503.20783)."""


def row_weights(sampled: Tensor, aggregation: Aggregation, *, length: int) -> Tensor | None:
    """Return what each token of a row counts for in the mean of the loss.

    With `n_i` sampled tokens in row i, a term x summed with these weights and divided by
    `sum(n_i)` is

    - token-mean: the mean of x over all sampled tokens; a long episode counts for more;
    - sequence-mean: the mean over episodes of x's mean over their tokens; a token of a long episode
      counts for less;
    - constant-length: the mean over episodes of x's sum over their tokens, over `length`; every
      token counts alike, whatever its episode's length and those of the others.

    Worked example, two rows with 1 and 3 sampled tokens, so a mean size of 2: sequence-mean gives
    `[2, 2/3]`; constant-length with `length=4` gives `[1/2, 1/2]`.

    Source: token-mean, arXiv 2503.14476, section 3.3; sequence-mean, arXiv 2402.03300, eq. 3;
    constant-length, arXiv 2503.20783, section 3.

    Args:
        sampled: bool `(B, L)`, the whole optimiser batch.
        aggregation: which mean.
        length: tokens that stand for one episode; read with constant-length only.

    Returns:
        Float `(B, 1)`; None with token-mean, where all tokens count alike.
    """
    if aggregation == "token-mean":
        return None
    sizes = sampled.sum(1, keepdim=True).clamp(min=1)
    mean_size = sampled.sum() / len(sampled)
    if aggregation == "sequence-mean":
        return mean_size / sizes
    return (mean_size / length).expand(len(sampled), 1)


def mask_weights(mask: Tensor, sampled: Tensor) -> Tensor:
    """Return weights that turn the mean over `sampled` into the mean over `mask`.

    The critic on the clock of turns is asked at the first token of each turn only, while its loss
    is divided by all sampled tokens like every other.

    Args:
        mask: bool `(B, L)`, some of the sampled tokens of the whole optimiser batch.
        sampled: bool `(B, L)`.

    Returns:
        Float `(B, L)`, 0 outside the mask.
    """
    return mask * (sampled.sum() / mask.sum().clamp(min=1))
