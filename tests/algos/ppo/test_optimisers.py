"""Laws of `algos.ppo.optimisers`, `algos.ppo.update`: steps that decay, steps not taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from algos.ppo.config import PPOConfig
from algos.ppo.optimisers import make_optimizer, parameters_of, set_rate
from algos.ppo.targets import make_targets
from algos.ppo.update import actor_objective, critic_objective, fit
from tests.helpers.toy import toy_batch

torch.set_num_threads(1)
CONFIG = PPOConfig(advantage="group", minibatches=2, micro_batch=5, epochs=4)


def learned(config: PPOConfig):
    """What is said of the passes over a batch, and the weights after them."""
    policy, batch, groups = toy_batch()
    targets = make_targets(config, policy, batch, groups)
    actor = actor_objective(config, policy, batch, targets)
    optimizer = torch.optim.Adam(policy.actor_parameters(), lr=5e-3)
    row = fit(config, actor, optimizer, epochs=config.epochs, rng=np.random.default_rng(0))
    return row, policy, optimizer


def steps_of(optimizer: torch.optim.Optimizer) -> set[float]:
    return {float(state["step"]) for state in optimizer.state.values()}


def test_the_step_that_is_too_far_is_not_taken_and_nothing_of_it_is_left() -> None:
    row, policy, optimizer = learned(replace(CONFIG, target_kl=0.01))
    steps = row["losses/actor_steps"]
    assert steps is not None and 1 <= steps < 8
    assert row["losses/stopping_kl"] is not None and row["losses/stopping_kl"] > 0.01
    assert steps_of(optimizer) == {steps}
    assert all(p.grad is None for p in policy.actor_parameters())
    mean = row["losses/approx_kl"]
    assert mean is not None and mean <= 0.01, "the mean is over the steps that were taken"


def test_a_target_that_is_never_reached_changes_nothing() -> None:
    without, policy, _ = learned(CONFIG)
    with_one, other, _ = learned(replace(CONFIG, target_kl=1e9))
    assert with_one == {**without, "losses/actor_steps": 8, "losses/stopping_kl": None}
    for name, tensor in policy.state().items():
        assert torch.equal(tensor, other.state()[name])


def test_the_end_is_exactly_at_the_target() -> None:
    """With the KL of the step as the target, it is taken; with the least bit less, it is not."""
    row, _, _ = learned(replace(CONFIG, target_kl=0.01))
    kl, steps = row["losses/stopping_kl"], row["losses/actor_steps"]
    assert kl is not None and steps is not None
    later, _, _ = learned(replace(CONFIG, target_kl=kl))
    assert later["losses/actor_steps"] is not None and later["losses/actor_steps"] > steps
    same, _, _ = learned(replace(CONFIG, target_kl=float(np.nextafter(kl, 0))))
    assert same["losses/actor_steps"] == steps


def test_the_critic_has_no_such_end() -> None:
    policy, batch, groups = toy_batch()
    config = replace(CONFIG, advantage="critic", target_kl=1e-12)
    targets = make_targets(config, policy, batch, groups)
    critic = critic_objective(config, policy, batch, targets)
    optimizer = torch.optim.Adam(policy.critic_parameters(), lr=1e-2)
    row = fit(config, critic, optimizer, epochs=3, rng=np.random.default_rng(0))
    assert steps_of(optimizer) == {6.0} and "losses/actor_steps" not in row


def test_passes_of_none_say_nothing() -> None:
    policy, batch, groups = toy_batch()
    config = replace(CONFIG, target_kl=0.1)
    actor = actor_objective(config, policy, batch, make_targets(config, policy, batch, groups))
    optimizer = torch.optim.Adam(policy.actor_parameters())
    assert fit(config, actor, optimizer, epochs=0, rng=np.random.default_rng(0)) == {}


@pytest.mark.parametrize("kl", [1e-3, 2e-3])
def test_further_targets_allow_more_steps(kl: float) -> None:
    near, _, _ = learned(replace(CONFIG, target_kl=kl))
    far, _, _ = learned(replace(CONFIG, target_kl=10 * kl))
    steps = near["losses/actor_steps"], far["losses/actor_steps"]
    assert steps[0] is not None and steps[1] is not None and steps[0] < steps[1]


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
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5]
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
