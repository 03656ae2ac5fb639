"""Laws of `algos.batching.gradients`: pieces add up, in order, whoever computes them."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from algos.batching.gradients import add_gradients

torch.set_num_threads(1)


def network() -> tuple[torch.nn.Parameter, torch.nn.Parameter, torch.nn.Parameter]:
    first, second = torch.nn.Parameter(torch.tensor([1.0, 2.0])), torch.nn.Parameter(torch.ones(1))
    return first, second, torch.nn.Parameter(torch.ones(3))  # the third is in no loss


@pytest.mark.parametrize("workers", [1, 2])
def test_gradients_of_pieces_add_up_and_what_no_loss_needs_is_left_alone(workers: int) -> None:
    first, second, idle = network()

    def loss(piece: int) -> tuple[torch.Tensor, str]:
        time.sleep(0.02 if piece == 1 else 0.0)  # the first to begin is not the first to end
        value = piece * (first**2).sum()
        return (value + second.sum() if piece == 2 else value), f"piece {piece}"

    said = add_gradients([1, 2, 3], loss, [first, second, idle], workers=workers)
    assert said == ["piece 1", "piece 2", "piece 3"]
    assert first.grad is not None and second.grad is not None
    assert first.grad.tolist() == [12.0, 24.0] and second.grad.tolist() == [1.0]
    assert idle.grad is None
    add_gradients([1], loss, [first, second, idle], workers=workers)
    assert first.grad.tolist() == [14.0, 28.0], "what was there is kept"
    assert not first.grad.requires_grad


def test_a_gradient_is_its_parameters_own() -> None:
    """Two parameters of one loss must not share a tensor that one of them then changes."""
    first, second = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    add_gradients([1, 1], lambda _: ((first + second).sum(), None), [first, second])
    assert first.grad is not None and second.grad is not None
    assert first.grad.tolist() == second.grad.tolist() == [2.0, 2.0]
    first.grad += 1
    assert second.grad.tolist() == [2.0, 2.0]


def test_pieces_side_by_side_have_one_core_each() -> None:
    (first, *_), before = network(), torch.get_num_threads()

    def loss(piece: int) -> tuple[torch.Tensor, int]:
        return first.sum(), torch.get_num_threads()

    assert add_gradients([1, 2, 3], loss, [first], workers=2) == [1, 1, 1]
    assert torch.get_num_threads() == before


def test_threads_are_begun_only_where_several_pieces_may_run_side_by_side() -> None:
    first, *_ = network()
    here = threading.get_ident()

    def loss(piece: int) -> tuple[torch.Tensor, bool]:
        return first.sum(), threading.get_ident() == here

    assert add_gradients([1, 2], loss, [first]) == [True, True], "one worker unless told otherwise"
    assert add_gradients([1, 2, 3], loss, [first], workers=1) == [True] * 3
    assert add_gradients([1], loss, [first], workers=2) == [True]
    assert add_gradients([1, 2], loss, [first], workers=2) == [False, False]
    assert add_gradients([], loss, [first], workers=2) == []
