"""Laws of `algos.ppo.config`: the last value that is taken, the first that is not, the defaults."""

from __future__ import annotations

import inspect
from dataclasses import asdict, fields
from typing import Any

import pytest

from algos.objectives import losses
from algos.ppo.config import PPOConfig
from algos.recipe.settings import Recipe

LEAST = {"seed": 0, "critic_warmup": 0, "rescore_sample": 0}
"""Of whole numbers whose least is not 1."""


@pytest.mark.parametrize("name", [f.name for f in fields(PPOConfig) if f.type == "int"])
def test_a_whole_number_is_taken_from_its_least_on(name: str) -> None:
    least = LEAST.get(name, 1)
    assert getattr(PPOConfig(**{name: least}), name) == least
    with pytest.raises(ValueError, match=f"^{name} must be at least {least}, got {least - 1}$"):
        PPOConfig(**{name: least - 1})


@pytest.mark.parametrize(
    ("taken", "refused"),
    [
        ({"temperature": 1e-6}, {"temperature": 0.0}),
        ({"dual_clip": 1.001}, {"dual_clip": 1.0}),
        ({"micro_batch_tokens": 1}, {"micro_batch_tokens": 0}),
        ({"lam_alpha": 1e-6}, {"lam_alpha": 0.0}),
        ({"lam_alpha": 1.0}, {"lam_alpha": -1.0}),
        ({"advantage": "group", "episodes_per_question": 2},
         {"advantage": "group", "episodes_per_question": 1}),
        ({"advantage": "both", "episodes_per_question": 2},
         {"advantage": "both", "episodes_per_question": 1}),
        *(({name: end}, {name: end + beyond}) for name in ("gamma", "lam", "critic_lam")
          for end, beyond in ((0.0, -1e-6), (1.0, 1e-6))),
        *(({"clock": "turn", name: end}, {"clock": "turn", name: end + beyond})
          for name in ("turn_gamma", "turn_lam") for end, beyond in ((0.0, -1e-6), (1.0, 1e-6))),
    ],
)  # fmt: skip
def test_the_edge_is_taken_and_what_lies_beyond_is_not(
    taken: dict[str, Any], refused: dict[str, Any]
) -> None:
    PPOConfig(**taken)
    with pytest.raises(ValueError, match=list(refused)[-1]):
        PPOConfig(**refused)


@pytest.mark.parametrize("name", ["dual_clip", "lam_alpha", "critic_lam", "micro_batch_tokens"])
def test_none_switches_off(name: str) -> None:
    assert getattr(PPOConfig(**{name: None}), name) is None


@pytest.mark.parametrize(
    ("needs", "setting"),
    [
        ({"clock": "token"}, {"lam_alpha": 0.05}),
        ({"clock": "token"}, {"gamma": 0.9}),
        ({"clock": "turn"}, {"turn_gamma": 0.9}),
        ({"clock": "bi-level"}, {"turn_gamma": 0.9}),
        ({"clock": "turn"}, {"turn_lam": 0.0}),
        ({"clock": "bi-level"}, {"turn_lam": 0.9}),
        ({"advantage": "group"}, {"divide_by_std": True}),
        ({"advantage": "group"}, {"drop_ties": True}),
        ({"advantage": "both"}, {"drop_ties": True}),
        ({"kl_estimator": "k1"}, {"kl_in": "reward"}),
    ],
)
def test_a_setting_and_what_it_needs_may_each_stand_alone_or_be_together(needs, setting) -> None:
    """What is needed does nothing wrong without the setting; both together are the use."""
    PPOConfig(**needs)
    both = asdict(PPOConfig(**needs, **setting))
    assert both | needs | setting == both


@pytest.mark.parametrize("clock", ["turn", "bi-level"])
def test_what_a_clock_does_not_use_is_refused_with_it(clock: Any) -> None:
    for setting in ({"gamma": 0.9}, {"gamma": 0.0}, {"lam_alpha": 0.05}):
        with pytest.raises(ValueError, match=next(iter(setting))):
            PPOConfig(clock=clock, **setting)
    for setting in ({"turn_gamma": 0.9}, {"turn_lam": 0.9}, {"turn_gamma": 0.0}):
        with pytest.raises(ValueError, match='need clock="turn" or clock="bi-level"'):
            PPOConfig(**setting)


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_other_estimates_stay_in_the_loss(estimator: Any) -> None:
    PPOConfig(kl_in="loss", kl_estimator=estimator)
    with pytest.raises(ValueError, match=f'something else than the reference; got "{estimator}"'):
        PPOConfig(kl_in="reward", kl_estimator=estimator)


def test_only_a_group_alone_goes_without_a_critic() -> None:
    used = {a: PPOConfig(advantage=a).uses_critic for a in ("critic", "group", "both")}
    assert used == {"critic": True, "group": False, "both": True}


def test_a_run_that_was_begun_with_the_defaults_can_go_on() -> None:
    """A run goes on with the settings of its checkpoints only: another default would end it."""
    assert asdict(PPOConfig()) == {
        **dict(seed=0, updates=30, questions_per_update=24, episodes_per_question=8),
        **dict(temperature=1.0, advantage="critic", leave_one_out=True, divide_by_std=False),
        **dict(drop_ties=False, clock="token", gamma=1.0, lam=1.0, turn_gamma=1.0, turn_lam=1.0),
        **dict(lam_alpha=None, critic_lam=None, whiten=True, epochs=1, minibatches=4),
        **dict(
            micro_batch=16,
            micro_batch_tokens=None,
            workers=1,
            clip_low=0.2,
            clip_high=0.28,
            dual_clip=3.0,
        ),
        **dict(ratio_level="token", aggregation="token-mean", constant_length=512, value_clip=0.5),
        **dict(kl_coef=0.0, kl_in="loss", kl_estimator="k3", entropy_coef=0.0, actor_lr=1e-5),
        **dict(critic_lr=5e-5, lr_decay=False, critic_epochs=2, critic_warmup=10),
        **dict(max_grad_norm=1.0, rescore_sample=8, rescore_tolerance=1e-3, eval_every=5),
        **dict(checkpoint_every=1, keep_last=2, recipe=asdict(Recipe())),
    }


def test_the_losses_have_the_defaults_of_a_run() -> None:
    default = {
        name: parameter.default
        for function in (losses.policy_loss, losses.value_loss, losses.kl_loss)
        for name, parameter in inspect.signature(function).parameters.items()
    }
    config = PPOConfig()
    for name in ("clip_low", "clip_high", "dual_clip", "ratio_level"):
        assert default[name] == getattr(config, name)
    assert (default["clip"], default["estimator"]) == (config.value_clip, config.kl_estimator)
