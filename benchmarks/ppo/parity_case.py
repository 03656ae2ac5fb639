"""Random batches on which our estimators and losses are compared with those of other libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from algos.objectives.aggregation import Aggregation, row_weights
from algos.objectives.losses import policy_loss

LENGTH = 64


@dataclass(frozen=True, eq=False)
class ParityCase:
    """One random batch, float64: 8 episodes of up to 40 places, in 2 groups of 4."""

    new: Tensor
    old: Tensor
    reference: Tensor
    scores: Tensor
    values: Tensor
    rewards: Tensor
    mask: Tensor

    @staticmethod
    def draw(seed: int) -> ParityCase:
        """Draw a batch; about half of the places are observation tokens."""
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
        """Return one advantage per episode, on all its places."""
        return (self.scores - self.scores.mean())[:, None].expand_as(self.new)


Pair = tuple[Tensor, Tensor]
Comparison = tuple[str, str, Callable[[ParityCase], Iterator[Pair]], str]


def gradients(ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], at: Tensor):
    """Yield both values, then both gradients."""
    found = []
    for function in (ours, theirs):
        x = at.clone().requires_grad_()
        value = function(x)
        found.append((value.detach(), torch.autograd.grad(value, x)[0]))
    yield from zip(*found, strict=True)


def our_loss(
    case: ParityCase, aggregation: Aggregation, **settings: Any
) -> Callable[[Tensor], Tensor]:
    """Return our policy loss as a function of the log-probs."""
    weights = row_weights(case.mask, aggregation, length=LENGTH)
    weights = None if weights is None else weights.double()
    count = int(case.mask.sum())

    def loss(x: Tensor) -> Tensor:
        return policy_loss(
            x, case.old, case.advantages, case.mask, count, weights=weights, **settings
        )[0]

    return loss
