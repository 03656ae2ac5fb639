"""The gradient of a batch, piece by piece, on several cores.

Small models gain little from threads inside an operation; whole pieces in parallel use every core.
Gradients of the pieces are added in the order of the pieces, whatever the number of workers:
float addition is not associative, and a run must be the same to the bit with one worker or two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor, nn

Piece = TypeVar("Piece")
Stats = TypeVar("Stats")


def add_gradients(
    pieces: Sequence[Piece],
    loss: Callable[[Piece], tuple[Tensor, Stats]],
    parameters: Iterable[nn.Parameter],
    *,
    workers: int = 1,
) -> list[Stats]:
    """Add the gradient of the sum of the pieces' losses to `parameter.grad`.

    Gradients are returned by `torch.autograd.grad` instead of being written by `backward`, because
    threads that write to the same `.grad` would add them in the order in which they end.

    Args:
        pieces: of one batch.
        loss: of one piece, and whatever else is to be known of it. Called from several threads at
            once if there are several workers.
        parameters: what to differentiate by; those that no loss depends on are left alone.
        workers: threads; each runs its operations on one core.

    Returns:
        What `loss` said of each piece, in order.
    """
    wanted = list(parameters)

    def differentiate(piece: Piece) -> tuple[list[Tensor | None], Stats]:
        value, stats = loss(piece)
        gradients = torch.autograd.grad(value, wanted, allow_unused=True)
        return [None if g is None else g.detach() for g in gradients], stats

    said = []
    for gradients, stats in _each(differentiate, pieces, workers):
        for parameter, gradient in zip(wanted, gradients, strict=True):
            if gradient is None:
                continue
            if parameter.grad is None:
                parameter.grad = gradient.clone()
            else:
                parameter.grad += gradient
        said.append(stats)
    return said


Result = TypeVar("Result")


def _each(
    function: Callable[[Piece], Result], pieces: Sequence[Piece], workers: int
) -> Iterable[Result]:
    if workers <= 1 or len(pieces) <= 1:
        return map(function, pieces)
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(function, pieces))
