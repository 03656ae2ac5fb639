"""Random batches, and the comparisons of our estimators and losses with other libraries'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from algos.objectives.aggregation import Aggregation, row_weights
from algos.objectives.losses import policy_loss

LENGTH = 64  # the constant length by which Dr-GRPO divides a row's sum


@dataclass(frozen=True, eq=False)
class ParityCase:
    """One random batch: B = 8 episodes of T = 40 tokens, in 2 groups of 4; float64 but the mask.

    Attributes:
        new: log-probs of the policy, `(B, T)`.
        old: log-probs of the policy that sampled, `(B, T)`.
        reference: log-probs of the reference, `(B, T)`.
        scores: one score per episode, `(B,)`.
        values: of a critic, `(B, T)`.
        rewards: `(B, T)`, 0 outside of the mask.
        mask: bool `(B, T)`, sampled tokens; the others are observations.
    """

    new: Tensor
    old: Tensor
    reference: Tensor
    scores: Tensor
    values: Tensor
    rewards: Tensor
    mask: Tensor

    @staticmethod
    def draw(seed: int) -> ParityCase:
        """Draw a batch; about half of the tokens are observations, the first never is."""
        generator = torch.Generator().manual_seed(seed)
        shape = (8, 40)
        draws = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(5)]
        mask = torch.rand(shape, generator=generator) < 0.5
        mask[:, 0] = True
        old = -draws[0].abs()
        new, reference = old + 0.4 * draws[1], old + 0.4 * draws[2]
        scores = torch.randn(8, generator=generator, dtype=torch.float64)
        return ParityCase(new, old, reference, scores, draws[3], draws[4] * mask, mask)

    @property
    def advantages(self) -> Tensor:
        """Return one advantage per episode on all its tokens: `(B, T)`."""
        return (self.scores - self.scores.mean())[:, None].expand_as(self.new)


Pair = tuple[Tensor, Tensor]  # ours and theirs, of one shape


class Comparison(NamedTuple):
    """One row of the table.

    Attributes:
        library: whose function is called.
        quantity: that is compared.
        pairs: from a batch to (ours, theirs): values, then gradients if there is no note.
        note: what is not compared, or differs on purpose; "" if values and gradients have to agree.
    """

    library: str
    quantity: str
    pairs: Callable[[ParityCase], Iterator[Pair]]
    note: str


def gradients(
    ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], at: Tensor
) -> Iterator[Pair]:
    """Yield both values of two functions at a point, then both gradients.

    Args:
        ours: from `at` to a scalar.
        theirs: from `at` to a scalar.
        at: the point, `(B, T)`.
    """
    found = []
    for function in (ours, theirs):
        x = at.clone().requires_grad_()
        value = function(x)
        found.append((value.detach(), torch.autograd.grad(value, x)[0]))
    yield from zip(*found, strict=True)


def our_loss(
    case: ParityCase, aggregation: Aggregation, **settings: Any
) -> Callable[[Tensor], Tensor]:
    """Return our policy loss as a function of the log-probs `(B, T)`.

    Args:
        case: old log-probs, advantages and mask.
        aggregation: from tokens to the loss.
        settings: of `policy_loss`.
    """
    weights = row_weights(case.mask, aggregation, length=LENGTH)
    weights = None if weights is None else weights.double()
    count = int(case.mask.sum())

    def loss(x: Tensor) -> Tensor:
        return policy_loss(
            x, case.old, case.advantages, case.mask, count, weights=weights, **settings
        )[0]

    return loss
