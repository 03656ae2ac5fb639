"""Laws of `algos.ppo.config`: the last value that is taken, the first that is not, the defaults."""

from __future__ import annotations

import inspect
import math
from dataclasses import asdict, fields
from typing import Any

import pytest

from algos.objectives import losses
from algos.ppo.config import PPOConfig
from algos.recipe.settings import Recipe

LEAST = {"seed": 0, "critic_warmup": 0, "rescore_sample": 0, "lr_warmup_updates": 0}
LEAST |= {"record_tokens": 0, "record_validation": 0}
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
        ({"lr_schedule": "linear", "lr_min_ratio": 0.999}, {"lr_min_ratio": 1.0}),
        ({"lr_min_ratio": 0.0}, {"lr_min_ratio": -1e-6}),
        ({"updates": 3, "critic_warmup": 0, "lr_warmup_updates": 2},
         {"updates": 3, "critic_warmup": 0, "lr_warmup_updates": 3}),
        ({"updates": 3, "lr_warmup_updates": 1}, {"updates": 3, "lr_warmup_updates": 2}),
        ({"updates": 3, "critic_pretrain_updates": 2},
         {"updates": 3, "critic_pretrain_updates": 3}),
        ({"kl_coef": 0.0}, {"kl_coef": -1e-6}),
        ({"entropy_coef": 0.0}, {"entropy_coef": -1e-6}),
        ({"entropy_coef": 0.1, "entropy_coef_end": 0.0}, {"entropy_coef_end": -1e-6}),
        ({"target_kl": 1e-6}, {"target_kl": 0.0}),
        ({"kl_coef": 0.1, "adaptive_kl": 1e-6}, {"kl_coef": 0.1, "adaptive_kl": 0.0}),
        ({"actor_weight_decay": 0.0}, {"actor_weight_decay": -1e-6}),
        ({"critic_weight_decay": 1e-6}, {"critic_weight_decay": -1e-6}),
        ({"patience": 1}, {"patience": 0}),
        ({"max_grad_norm": 1e-6}, {"max_grad_norm": 0.0}),
        *(({name: 0.0}, {name: -1e-6})
          for name in ("actor_lr", "critic_lr", "clip_low", "clip_high", "value_clip")),
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


@pytest.mark.parametrize(
    "name",
    ["dual_clip", "lam_alpha", "critic_lam", "micro_batch_tokens", "target_kl", "adaptive_kl",
     "entropy_coef_end", "patience"],
)  # fmt: skip
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
        ({"lr_schedule": "linear"}, {"lr_min_ratio": 0.1}),
        ({"lr_schedule": "cosine"}, {"lr_min_ratio": 0.1}),
        ({"lr_decay": True}, {"lr_min_ratio": 0.1}),
        ({"lr_schedule": "linear"}, {"lr_decay": True}),
        ({"kl_coef": 0.1}, {"adaptive_kl": 0.02}),
        ({"entropy_coef": 0.1}, {"entropy_coef_end": 0.2}),
        ({"minibatches": 1, "epochs": 2}, {"target_kl": 0.02}),
        ({"minibatches": 2, "epochs": 1}, {"target_kl": 0.02}),
    ],
)
def test_a_setting_and_what_it_needs_may_each_stand_alone_or_be_together(needs, setting) -> None:
    """What is needed does nothing wrong without the setting; both together are the use."""
    PPOConfig(**needs)
    both = asdict(PPOConfig(**needs, **setting))
    assert both | needs | setting == both


@pytest.mark.parametrize(
    "name", [field.name for field in fields(PPOConfig) if str(field.type).startswith("float")]
)
def test_what_is_no_number_trains_nothing(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        PPOConfig(**{name: math.nan})


@pytest.mark.parametrize("name", ["temperature", "actor_lr", "critic_lr", "kl_coef"])
def test_what_has_no_end_trains_nothing(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        PPOConfig(**{name: math.inf})


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


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"lr_min_ratio": 0.1}, "lr_min_ratio needs lr_schedule"),
        ({"lr_decay": True, "lr_schedule": "cosine"}, "lr_decay is the older name"),
        ({"target_kl": 0.1, "minibatches": 1}, "target_kl needs more than one step"),
        ({"adaptive_kl": 0.1}, "adaptive_kl needs kl_coef above 0"),
        ({"adaptive_kl_rule": "doubling"}, "need adaptive_kl"),
        ({"adaptive_kl_gain": 0.2}, "need adaptive_kl"),
        ({"kl_coef": 0.1, "adaptive_kl": 0.1, "adaptive_kl_rule": "doubling",
          "adaptive_kl_gain": 0.2}, 'needs adaptive_kl_rule="proportional"'),
        ({"entropy_coef": 0.1, "entropy_coef_end": 0.1}, "another entropy_coef"),
        ({"entropy_coef_end": 0.1, "updates": 1}, "needs updates above 1"),
        ({"critic_weight_decay": 0.1, "advantage": "group"}, "critic_weight_decay needs a critic"),
        ({"critic_pretrain_updates": 2, "advantage": "group"}, "needs a critic and critic_warmup"),
        ({"critic_pretrain_updates": 2, "critic_warmup": 0}, "needs a critic and critic_warmup"),
    ],
)  # fmt: skip
def test_what_would_do_nothing_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        PPOConfig(**settings)


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
        **dict(
            max_grad_norm=1.0,
            rescore_sample=8,
            rescore_tolerance=None,
            record_tokens=2,
            record_validation=256,
            eval_every=5,
        ),
        **dict(mismatch="none", mismatch_cap=2.0),
        **dict(checkpoint_every=1, keep_last=2, recipe=asdict(Recipe())),
        **dict(lr_schedule="constant", lr_warmup_updates=0, lr_min_ratio=0.0, target_kl=None),
        **dict(adaptive_kl=None, adaptive_kl_rule="proportional", adaptive_kl_gain=0.1),
        **dict(entropy_coef_end=None, actor_weight_decay=0.0, critic_weight_decay=0.0),
        **dict(critic_pretrain_updates=1, patience=None),
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
