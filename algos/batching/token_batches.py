"""From trajectories to padded tensors, and from a batch to the pieces that fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algos.rollout.trajectory import Trajectory
from policies.base import PER_SAMPLED, TokenBatch
from policies.passes import Fits, into_passes


def collate(
    trajectories: Sequence[Trajectory],
    temperature: float,
    device: torch.device | str = "cpu",
) -> TokenBatch:
    """Join whole episodes as right-padded rows, in the given order.

    Args:
        trajectories: played to their end by a policy that returns tokens.
        temperature: at which they were sampled.
        device: of the tensors.

    Raises:
        ValueError: on an episode that failed, was cut by a wrapper, has a turn without sampled
            tokens, lost turns from its context, or has a turn with a context of its own; or when
            there is none.
    """
    if not trajectories:
        raise ValueError("a batch needs at least one trajectory, got none")
    for number, trajectory in enumerate(trajectories):
        _require_trainable(number, trajectory)

    def pad(rows: list[NDArray[np.generic]], fill: int = 0) -> Tensor:
        padded = np.full((len(rows), max(map(len, rows))), fill, rows[0].dtype)
        for row, values in zip(padded, rows, strict=True):
            row[: len(values)] = values
        return torch.from_numpy(padded).to(device)

    turn = pad([t.turn for t in trajectories], fill=-1)
    return TokenBatch(
        ids=pad([t.token_ids for t in trajectories]),
        attention=turn >= 0,
        sampled=pad([t.sampled for t in trajectories]),
        turn=turn,
        old_logprobs=pad([t.logprobs for t in trajectories]),
        rewards=pad([t.rewards for t in trajectories]),
        frames=[t.frames for t in trajectories],
        temperature=temperature,
    )


def _require_trainable(number: int, trajectory: Trajectory) -> None:
    name = f"trajectory {number} (item {trajectory.item_id!r})"
    if trajectory.error is not None:
        raise ValueError(f"{name} failed ({trajectory.error}): leave failed episodes out")
    if trajectory.truncated:
        raise ValueError(
            f"{name} was truncated by a wrapper, so its end has no known value: "
            "limit turns by the environment's own budget instead"
        )
    if any(turn.decision.tokens and turn.decision.tokens.dropped for turn in trajectory.turns):
        raise ValueError(
            f"{name} outgrew the policy's context, and turns were dropped from it, so that it "
            "cannot be re-scored as it was sampled: train with fewer or smaller frames"
        )
    silent = [
        k
        for k, turn in enumerate(trajectory.turns)
        if turn.decision.tokens is None or not len(turn.decision.tokens.completion)
    ]
    if silent or not trajectory.turns:
        where = f"turn {silent[0]}" if silent else "it"
        raise ValueError(f"{name}: {where} has no sampled tokens; train on a policy that has them")
    if not trajectory.append_only:
        raise ValueError(
            f"{name} has turns with a context of their own, which are no single sequence: train on "
            "a policy whose context is append-only"
        )


def minibatches(
    batch: TokenBatch, rows: Sequence[int], count: int, rng: np.random.Generator
) -> list[list[int]]:
    """Cut rows into `count` minibatches of equal size, in random order.

    Episodes with a shared prefix stay together, as far as the sizes allow: whoever scores them can
    then compute the prefix once, and the episodes of a question are compared in one gradient. With
    fewer rows than `count`, each row is a minibatch.

    Args:
        batch: all episodes.
        rows: those to cut.
        count: how many minibatches.
        rng: the order of the groups, and of the episodes in each.

    Returns:
        Row numbers of each minibatch; together, every row once.
    """
    groups = batch.group_by_prefix(rows)
    order = [
        row for number in rng.permutation(len(groups)) for row in rng.permutation(groups[number])
    ]
    return [part.tolist() for part in np.array_split(order, count) if len(part)]


def micro_batches(
    batch: TokenBatch, rows: Sequence[int], size: int, fits: Fits | None = None
) -> list[list[int]]:
    """Cut rows into pieces of at most `size`, ordered by shared prefix and length.

    A policy can then compute a shared prefix once, and there is little padding.

    Args:
        batch: all episodes.
        rows: those to cut.
        size: most rows of a piece.
        fits: whether a piece is small enough, see `policies.passes.fitting`; `None`: any is.

    Returns:
        Row numbers of each piece; together, every row once.
    """
    return into_passes(batch.order_by_prefix(int(row) for row in rows), size, fits)


def by_micro_batch(
    function: Callable[[TokenBatch], Tensor],
    batch: TokenBatch,
    size: int,
    fits: Fits | None = None,
) -> Tensor:
    """Compute a float `(B, L)` tensor piece by piece, without gradient.

    What the function puts in the pieces' `cache` is joined into the batch's, so that later calls on
    any of its rows find it.

    Args:
        function: returns float `(b, l)` for a piece of b rows and l tokens.
        batch: all B episodes, of at most L tokens.
        size: most rows of a piece.
        fits: see `micro_batches`.

    Returns:
        Float `(B, L)`, in the batch's order, 0 behind the end of a piece's rows.
    """
    pieces = micro_batches(batch, range(len(batch)), size, fits)
    parts = [batch.select(rows) for rows in pieces]
    with torch.no_grad():
        results = [function(part) for part in parts]
    taken = [row for rows in pieces for row in rows]
    order = torch.tensor(taken).argsort()
    for name in parts[0].cache.keys() - batch.cache.keys():
        found = [part.cache[name] for part in parts]
        if name.startswith(PER_SAMPLED):
            place = batch.sampled_in(taken).argsort()
            batch.cache[name] = torch.cat(found)[place.to(found[0].device)]
        else:
            batch.cache[name] = _stack(found)[order.to(found[0].device)]
    stacked = _stack([*results, results[0].new_zeros(0, batch.ids.shape[1])])
    return stacked[order.to(stacked.device)]


def _stack(parts: list[Tensor]) -> Tensor:
    """Concatenate along rows, zero-padding dimension 1 to the longest."""
    if parts[0].ndim == 1:
        return torch.cat(parts)
    longest = max(part.shape[1] for part in parts)
    padded = [
        torch.cat([p, p.new_zeros(len(p), longest - p.shape[1], *p.shape[2:])], 1) for p in parts
    ]
    return torch.cat(padded)
