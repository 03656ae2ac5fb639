"""Laws of `algos.ppo.optimisers`: Adam as it was, or AdamW on matrices."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from algos.ppo.optimisers import make_optimizer, parameters_of, set_rate


def weights() -> list[nn.Parameter]:
    return [nn.Parameter(torch.full(shape, 2.0)) for shape in ((3,), (2, 3), (4,), (2, 2, 2))]


def test_without_decay_it_is_adam_with_its_numbers_and_its_order() -> None:
    ours, theirs = weights(), weights()
    optimizer, adam = make_optimizer(ours, lr=0.1), torch.optim.Adam(theirs, lr=0.1)
    assert type(optimizer) is torch.optim.Adam
    assert list(map(id, parameters_of(optimizer))) == list(map(id, ours))
    for step in range(3):
        for parameter in (*ours, *theirs):
            parameter.grad = torch.full_like(parameter, 0.5 - step)
        optimizer.step()
        adam.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_matrices_decay_by_the_rate_and_vectors_do_not() -> None:
    parameters = weights()
    optimizer = make_optimizer(parameters, lr=0.1, weight_decay=0.3)
    set_rate(optimizer, 0.5)
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for parameter in parameters:
        expected = 2.0 * (1 - 0.5 * 0.3) if parameter.ndim > 1 else 2.0
        assert parameter.detach().flatten().tolist() == pytest.approx(
            [expected] * parameter.numel()
        )
    assert {id(p) for p in parameters_of(optimizer)} == {id(p) for p in parameters}
    assert len(parameters_of(optimizer)) == len(parameters)


def test_a_network_of_vectors_has_nothing_that_decays() -> None:
    optimizer = make_optimizer([nn.Parameter(torch.ones(3))], lr=0.1, weight_decay=0.3)
    assert len(optimizer.param_groups) == 1 and optimizer.param_groups[0]["weight_decay"] == 0
