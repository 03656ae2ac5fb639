"""Laws of `algos.ppo.schedules`: what is left of a rate, and of the entropy bonus, by update."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.ppo.config import PPOConfig
from algos.ppo.schedules import (
    entropy_coef,
    learning_rate_share,
    read_the_length,
    settings_of,
    teaches_critic_only,
)

KINDS = ("constant", "linear", "cosine")
Kind = Literal["constant", "linear", "cosine"]


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
