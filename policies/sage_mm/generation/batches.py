"""Many sequences in batches of bounded size, side by side where there are cores for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from policies.sage_mm.generation.sequence import SequenceInput

Result = TypeVar("Result")


def in_batches(
    function: Callable[[list[SequenceInput]], list[Result]],
    sequences: Sequence[SequenceInput],
    *,
    max_batch: int,
    workers: int,
) -> list[Result]:
    """Give the sequences to a function in batches, and return its results in their order.

    Sequences of similar length are together, because a batch is as long as its longest.

    Args:
        function: called once per batch; its results are in the batch's order.
        sequences: all of them.
        max_batch: sequences of one batch, at most.
        workers: batches side by side, each in a thread that torch uses one core in.
    """
    order = sorted(range(len(sequences)), key=lambda i: sequences[i].cached + len(sequences[i].ids))
    chunks = [order[at : at + max_batch] for at in range(0, len(order), max_batch)]
    batches = [[sequences[i] for i in chunk] for chunk in chunks]
    if workers == 1 or len(batches) == 1:
        found = [function(batch) for batch in batches]
    else:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            found = list(pool.map(function, batches))
    results = dict(zip(order, (one for batch in found for one in batch), strict=True))
    return [results[i] for i in range(len(sequences))]
