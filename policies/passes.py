"""What a trainer asks of a policy's forward passes: how large they are, what needs a gradient.

A `TrainablePolicy` need not know anything of it. Whose `evaluate` has no argument
`entropy_gradient` is called without; who does not count the tokens of its passes is taken to pad
its rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast, runtime_checkable

from policies.base import Evaluation, TokenBatch, TrainablePolicy

Fits = Callable[[Sequence[int]], bool]
"""Whether one pass over the given rows of a batch is small enough."""


@runtime_checkable
class CountsPassTokens(Protocol):
    """A policy that knows how many tokens it computes for some rows, which need not be padded."""

    def pass_tokens(self, batch: TokenBatch, rows: Sequence[int]) -> int:
        """Return the tokens of one forward pass over these rows of a batch."""


def evaluate(
    policy: TrainablePolicy, batch: TokenBatch, *, entropy_gradient: bool = True
) -> Evaluation:
    """Score the sampled tokens with the actor, differentiably.

    Args:
        policy: whose actor it is.
        batch: whole episodes.
        entropy_gradient: whether the entropy has to be differentiable; where it has not, a policy
            may spare what that costs.
    """
    if "entropy_gradient" in inspect.signature(policy.evaluate).parameters:
        return cast(Any, policy).evaluate(batch, entropy_gradient=entropy_gradient)  # type: ignore[no-any-return]
    return policy.evaluate(batch)


def fitting(policy: object, batch: TokenBatch, tokens: int | None) -> Fits | None:
    """Return whether rows fit into one pass of at most so many tokens; `None` for no bound.

    Args:
        policy: who computes the pass. Its own count is asked, if it has one, and padded rows are
            counted otherwise.
        batch: all episodes.
        tokens: of a pass, at most.
    """
    if tokens is None:
        return None
    if isinstance(policy, CountsPassTokens):
        return counted(batch, tokens, policy.pass_tokens)
    lengths = batch.attention.sum(1).tolist()
    return lambda rows: len(rows) * max(lengths[row] for row in rows) <= tokens


def counted(
    batch: TokenBatch, tokens: int, count: Callable[[TokenBatch, Sequence[int]], int]
) -> Fits:
    """Return whether rows have at most so many tokens by a count that is at most their sum.

    Args:
        batch: all episodes.
        tokens: of a pass, at most.
        count: as `CountsPassTokens.pass_tokens`; asked where the sum is too large only.
    """
    lengths = batch.attention.sum(1).tolist()
    return lambda rows: sum(lengths[row] for row in rows) <= tokens or count(batch, rows) <= tokens


def into_passes(rows: Sequence[int], most: int, fits: Fits | None = None) -> list[list[int]]:
    """Cut rows into passes, in their order, each as large as it may be.

    Args:
        rows: of a batch.
        most: rows of a pass, at most.
        fits: whether a pass is small enough. A row that is too large by itself is one all the same,
            because an episode cannot be cut.
    """
    passes: list[list[int]] = []
    for row in rows:
        last = passes[-1] if passes else []
        if last and len(last) < most and (fits is None or fits([*last, row])):
            last.append(row)
        else:
            passes.append([row])
    return passes
