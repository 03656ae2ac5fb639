"""Laws of `algos.ppo.schedules`, `algos.ppo.adaptive_kl`, `algos.ppo.optimisers`: what moves."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from algos.ppo.adaptive_kl import LEAST, MOST, KLCoefficient, next_coefficient, rollout_kl
from algos.ppo.config import PPOConfig
from algos.ppo.optimisers import make_optimizer, parameters_of, set_rate
from algos.ppo.schedules import (
    entropy_coef,
    learning_rate_share,
    read_the_length,
    settings_of,
    teaches_critic_only,
)
from algos.ppo.targets import make_targets
from algos.ppo.update import actor_objective, critic_objective, fit
from tests.helpers.toy import toy_batch

torch.set_num_threads(1)
KINDS = ("constant", "linear", "cosine")


def shares(first: int = 1, **settings: Any) -> list[float]:
    config = PPOConfig(**{"updates": 4, "advantage": "group", **settings})
    return [learning_rate_share(config, u, first) for u in range(1, config.updates + 1)]


def test_the_shares_by_hand() -> None:
    assert shares() == [1.0] * 4
    assert shares(lr_schedule="linear") == shares(lr_decay=True) == [1.0, 0.75, 0.5, 0.25]
    assert shares(lr_schedule="linear", lr_min_ratio=0.2) == pytest.approx([1.0, 0.8, 0.6, 0.4])
    half = math.sqrt(0.5)
    cosine = [1.0, (1 + half) / 2, 0.5, (1 - half) / 2]
    assert shares(lr_schedule="cosine") == pytest.approx(cosine)
    least = [0.5 + 0.5 * share for share in cosine]
    assert shares(lr_schedule="cosine", lr_min_ratio=0.5) == pytest.approx(least)


def test_a_warm_up_by_hand() -> None:
    assert shares(lr_warmup_updates=1) == [0.5, 1.0, 1.0, 1.0]
    assert shares(lr_warmup_updates=3) == [0.25, 0.5, 0.75, 1.0]
    rising = {"lr_warmup_updates": 2, "updates": 6}
    third = pytest.approx([1 / 3, 2 / 3, 1.0, 0.75, 0.5, 0.25])
    assert shares(lr_schedule="linear", **rising) == third
    late = pytest.approx([1 / 3, 1 / 3, 2 / 3, 1.0, 2 / 3, 1 / 3])
    assert shares(2, lr_schedule="linear", **rising) == late, "counted from where it learns"


@given(
    kind=st.sampled_from(KINDS),
    updates=st.integers(2, 40),
    data=st.data(),
    least=st.sampled_from([0.0, 0.1, 0.9]),
)
def test_no_update_is_wasted_and_the_full_rate_comes_once(kind, updates, data, least) -> None:
    warmup = data.draw(st.integers(0, updates - 1))
    found = shares(
        updates=updates,
        lr_schedule=kind,
        lr_warmup_updates=warmup,
        lr_min_ratio=0.0 if kind == "constant" else least,
    )
    assert all(0 < share <= 1 for share in found)
    assert found[: warmup + 1] == sorted(set(found[: warmup + 1])), "it rises to the full rate"
    assert found[warmup] == 1.0, "the first update after the warm-up"
    falling = found[warmup:]
    assert falling == sorted(falling, reverse=True)
    assert kind == "constant" or (len(set(falling)) == len(falling) and falling[-1] > least)


def test_the_bonus_goes_from_one_end_to_the_other() -> None:
    config = PPOConfig(updates=5, entropy_coef=0.04, entropy_coef_end=0.02)
    found = [entropy_coef(config, update) for update in range(1, 6)]
    assert found == pytest.approx([0.04, 0.035, 0.03, 0.025, 0.02])
    assert (found[0], found[-1]) == (0.04, 0.02), "to the last bit"
    stays = replace(config, entropy_coef_end=None)
    assert [entropy_coef(stays, update) for update in (1, 5)] == [0.04, 0.04]


def test_an_update_has_its_own_coefficients_and_else_the_settings_of_the_run() -> None:
    plain = PPOConfig(kl_coef=0.1, entropy_coef=0.3)
    assert settings_of(plain, 7, 0.1) is plain
    config = replace(plain, updates=3, entropy_coef_end=0.0, adaptive_kl=0.5)
    found = settings_of(config, 3, 0.2)
    assert found == replace(config, kl_coef=0.2, entropy_coef=0.0, entropy_coef_end=None)


def test_which_runs_cannot_be_made_longer() -> None:
    assert not read_the_length(PPOConfig(lr_warmup_updates=3))
    for setting in ({"lr_decay": True}, {"lr_schedule": "cosine"}, {"entropy_coef_end": 0.1}):
        assert read_the_length(PPOConfig(**setting))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ({}, 1),
        ({"critic_warmup": 0}, 0),
        ({"advantage": "group"}, 0),
        ({"critic_pretrain_updates": 3}, 3),
        ({"advantage": "both", "critic_pretrain_updates": 2, "critic_warmup": 1}, 2),
    ],
)
def test_the_first_updates_may_be_the_critics_own(settings: dict[str, Any], own: int) -> None:
    config = PPOConfig(**settings)
    assert [u for u in range(1, 31) if teaches_critic_only(config, u)] == list(range(1, own + 1))
    assert config.first_actor_update == own + 1


SHARE = PPOConfig(kl_coef=0.5, adaptive_kl=0.04)
DOUBLE = replace(SHARE, adaptive_kl_rule="doubling")


@pytest.mark.parametrize(
    ("kl", "moved"),
    [
        (0.04, 0.5),
        (0.044, 0.5 * 1.01),  # an error of a tenth of the target, times the gain 0.1
        (0.036, 0.5 * 0.99),
        (0.0, 0.5 * 0.98),  # errors count up to a fifth
        (9.0, 0.5 * 1.02),
        (-0.01, 0.5 * 0.98),  # k1 may be below 0
    ],
)
def test_proportional_by_hand(kl: float, moved: float) -> None:
    assert next_coefficient(SHARE, 0.5, kl) == pytest.approx(moved, abs=1e-12)
    twice = replace(SHARE, adaptive_kl_gain=0.2)
    assert next_coefficient(twice, 0.5, kl) - 0.5 == pytest.approx(2 * (moved - 0.5), abs=1e-12)


@pytest.mark.parametrize(
    ("kl", "moved"),
    [(0.0266, 0.25), (0.0267, 0.5), (0.0599, 0.5), (0.0601, 1.0), (0.0, 0.25), (7.0, 1.0)],
)
def test_doubling_by_hand(kl: float, moved: float) -> None:
    assert next_coefficient(DOUBLE, 0.5, kl) == moved


@given(st.floats(0, 10), st.floats(1e-9, 1e4), st.booleans())
def test_it_moves_towards_the_target_and_can_always_come_back(kl, coefficient, doubles) -> None:
    config = DOUBLE if doubles else SHARE
    moved = next_coefficient(config, coefficient, kl)
    assert moved > 0
    if kl > 0.04:
        assert moved >= coefficient
    if kl < 0.04:
        assert moved <= coefficient
    if LEAST <= coefficient <= MOST:
        assert LEAST <= moved <= MOST


def test_without_a_target_it_stays_and_nothing_is_saved() -> None:
    constant = KLCoefficient(PPOConfig(kl_coef=0.3))
    constant.update(9.0)
    assert constant.value == 0.3 and constant.tensors() == {}
    constant.load_tensors({})


def test_what_was_not_measured_moves_nothing() -> None:
    steered = KLCoefficient(SHARE)
    steered.update(None)
    assert steered.value == 0.5


def test_it_comes_back_to_the_last_bit() -> None:
    steered, fresh = KLCoefficient(SHARE), KLCoefficient(SHARE)
    for kl in (0.1, 0.043, 0.037, 1 / 3 * 0.1):
        steered.update(kl)
    fresh.load_tensors(steered.tensors())
    assert fresh.value == steered.value != SHARE.kl_coef


def test_the_kl_is_that_of_who_sampled_in_nats_per_token() -> None:
    _, batch, _ = toy_batch()
    config = PPOConfig(kl_coef=0.1)
    assert rollout_kl(config, batch, None) is None
    shift = torch.where(torch.arange(len(batch))[:, None] < 8, 0.5, 0.0)
    reference = (batch.old_logprobs - shift).masked_fill(~batch.sampled, torch.nan)
    share = float(batch.sampled[:8].sum()) / float(batch.sampled.sum())
    by_name = {"k1": 0.5, "k2": 0.125, "k3": math.exp(-0.5) - 1 + 0.5}
    for name, per_token in by_name.items():
        found = rollout_kl(replace(config, kl_estimator=name), batch, reference)  # type: ignore[arg-type]
        assert found == pytest.approx(share * per_token, abs=1e-6)


PASSES = PPOConfig(advantage="group", minibatches=2, micro_batch=5, epochs=4)


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
    row, policy, optimizer = learned(replace(PASSES, target_kl=0.01))
    steps = row["losses/actor_steps"]
    assert steps is not None and 1 <= steps < 8
    assert row["losses/stopping_kl"] is not None and row["losses/stopping_kl"] > 0.01
    assert steps_of(optimizer) == {steps}
    assert all(p.grad is None for p in policy.actor_parameters())
    mean = row["losses/approx_kl"]
    assert mean is not None and mean <= 0.01, "the mean is over the steps that were taken"


def test_a_target_that_is_never_reached_changes_nothing() -> None:
    without, policy, _ = learned(PASSES)
    with_one, other, _ = learned(replace(PASSES, target_kl=1e9))
    assert with_one == {**without, "losses/actor_steps": 8, "losses/stopping_kl": None}
    for name, tensor in policy.state().items():
        assert torch.equal(tensor, other.state()[name])


def test_the_end_is_exactly_at_the_target() -> None:
    """With the KL of the step as the target, it is taken; with the least bit less, it is not."""
    row, _, _ = learned(replace(PASSES, target_kl=0.01))
    kl, steps = row["losses/stopping_kl"], row["losses/actor_steps"]
    assert kl is not None and steps is not None
    later, _, _ = learned(replace(PASSES, target_kl=kl))
    assert later["losses/actor_steps"] is not None and later["losses/actor_steps"] > steps
    same, _, _ = learned(replace(PASSES, target_kl=float(np.nextafter(kl, 0))))
    assert same["losses/actor_steps"] == steps


def test_the_critic_has_no_such_end() -> None:
    policy, batch, groups = toy_batch()
    config = replace(PASSES, advantage="critic", target_kl=1e-12)
    targets = make_targets(config, policy, batch, groups)
    critic = critic_objective(config, policy, batch, targets)
    optimizer = torch.optim.Adam(policy.critic_parameters(), lr=1e-2)
    row = fit(config, critic, optimizer, epochs=3, rng=np.random.default_rng(0))
    assert steps_of(optimizer) == {6.0} and "losses/actor_steps" not in row


def test_passes_of_none_say_nothing() -> None:
    policy, batch, groups = toy_batch()
    config = replace(PASSES, target_kl=0.1)
    actor = actor_objective(config, policy, batch, make_targets(config, policy, batch, groups))
    optimizer = torch.optim.Adam(policy.actor_parameters())
    assert fit(config, actor, optimizer, epochs=0, rng=np.random.default_rng(0)) == {}


@pytest.mark.parametrize("kl", [1e-3, 2e-3])
def test_further_targets_allow_more_steps(kl: float) -> None:
    near, _, _ = learned(replace(PASSES, target_kl=kl))
    far, _, _ = learned(replace(PASSES, target_kl=10 * kl))
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
