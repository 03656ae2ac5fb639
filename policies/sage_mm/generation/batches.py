"""Many sequences in batches of bounded size, side by side where there are cores for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from policies.sage_mm.generation.sequence import SequenceInput

Result = TypeVar("Result")
Fits = Callable[[Sequence[SequenceInput]], bool]
"""Whether so many sequences, the longest last, may be in one batch; one alone always may."""


def in_batches(
    function: Callable[[list[SequenceInput]], list[Result]],
    sequences: Sequence[SequenceInput],
    *,
    max_batch: int,
    workers: int,
    fits: Fits | None = None,
) -> list[Result]:
    """Give the sequences to a function in batches, and return its results in their order.

    Sequences of similar length are together, because a batch is as long as its longest.

    Args:
        function: called once per batch; its results are in the batch's order.
        sequences: all of them.
        max_batch: sequences of one batch, at most.
        workers: batches side by side, each in a thread that torch uses one core in.
        fits: says which batches are small enough; `None` for all of at most `max_batch`.
    """
    order = sorted(range(len(sequences)), key=lambda i: sequences[i].cached + len(sequences[i].ids))
    batches: list[list[SequenceInput]] = []
    for i in order:
        longer = [*batches[-1], sequences[i]] if batches else []
        if batches and len(longer) <= max_batch and (fits is None or fits(longer)):
            batches[-1] = longer
        else:
            batches.append([sequences[i]])
    if workers == 1 or len(batches) == 1:
        found = [function(batch) for batch in batches]
    else:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            found = list(pool.map(function, batches))
    results = dict(zip(order, (one for batch in found for one in batch), strict=True))
    return [results[i] for i in range(len(sequences))]


def block_slots(sequences: Sequence[SequenceInput], limit: int, in_place: bool) -> int:
    """Return the slots of every row of a batch's block.

    Args:
        sequences: of the batch.
        limit: tokens that each may sample.
        in_place: see `generate`.
    """
    return max(s.own_tokens(in_place=in_place) for s in sequences) + max(1, limit)
