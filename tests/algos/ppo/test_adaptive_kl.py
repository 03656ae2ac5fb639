"""Laws of `algos.ppo.adaptive_kl`: the weight of a KL follows it, and comes back from a file."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from algos.ppo.adaptive_kl import LEAST, MOST, KLCoefficient, next_coefficient, rollout_kl
from algos.ppo.config import PPOConfig
from tests.helpers.toy import toy_batch

torch.set_num_threads(1)
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
