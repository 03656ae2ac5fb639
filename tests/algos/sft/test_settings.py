"""Laws of `algos.sft.settings` and `schedule`: nothing is silently ignored; rates by hand."""

from __future__ import annotations

import pytest

from algos.sft.schedule import learning_rate
from algos.sft.settings import FineTuningError, SFTConfig
from algos.sft.stored_episodes import EpisodeChoice


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epochs": 1, "steps": 2}, "give epochs or steps, got both"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"micro_tokens": 0}, "micro_tokens must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"warmup": 1.5}, r"warmup must be in \[0, 1\]"),
        ({"lr": 0.0}, "lr must be above 0"),
        ({"lr": float("nan")}, "lr must be above 0"),
        ({"weight_decay": -1.0}, "weight_decay must be 0 or more"),
        ({"schedule": "constant", "final_lr": 0.1}, "final_lr needs a cosine or linear schedule"),
    ],
)
def test_settings_that_cannot_train_or_do_nothing_are_refused(values, said) -> None:
    with pytest.raises(FineTuningError, match=said):
        SFTConfig(**values)


@pytest.mark.parametrize("values", [{"limit": 0}, {"min_reward": float("nan")}])
def test_a_choice_of_nothing_is_refused(values) -> None:
    with pytest.raises(FineTuningError, match="must be"):
        EpisodeChoice(**values)


@pytest.mark.parametrize(
    ("schedule", "final", "expected"),
    [
        # two steps of warm-up, then four: a quarter, a half, three quarters, all of the way
        ("constant", 0.0, [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", 0.0, [0.5, 1.0, 0.75, 0.5, 0.25, 0.0]),
        ("linear", 0.2, [0.5, 1.0, 0.8, 0.6, 0.4, 0.2]),
        ("cosine", 0.0, [0.5, 1.0, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2, 0.0]),
    ],
)
def test_rates_by_hand(schedule, final, expected) -> None:
    config = SFTConfig(lr=2.0, schedule=schedule, warmup=1 / 3, final_lr=final)
    rates = [learning_rate(config, step, 6) / 2.0 for step in range(1, 7)]
    assert rates == pytest.approx(expected, abs=1e-12)


def test_without_a_warm_up_the_first_step_has_begun_to_fall() -> None:
    config = SFTConfig(lr=1.0, schedule="linear", warmup=0.0)
    assert [learning_rate(config, step, 2) for step in (1, 2)] == [0.5, 0.0]
