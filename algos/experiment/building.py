"""Builders of a training's objects from its settings: the policy and the environments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import gymnasium as gym

from algos.experiment.settings import FirstLight
from sage_env.rewards import Reward, efficient
from sage_env.synth import SageSynth, sage_synth

if TYPE_CHECKING:
    from policies.sage_mm import SageMM

Env: TypeAlias = gym.Env[Any, Any]


def load_policy(config: FirstLight) -> SageMM:
    """Return the policy as it is before any training."""
    from policies.sage_mm import SageMM
    from policies.sage_mm.model.sage_model import LoraSettings

    lora = LoraSettings(r=config.lora_rank, alpha=2 * config.lora_rank, seed=config.ppo.seed)
    settings: dict[str, Any] = {"workers": config.workers, "checkpointing": config.checkpointing}
    settings |= {"device": config.device, "dtype": config.dtype}
    return SageMM.load(config.checkpoint, lora=lora, **settings)


def training_options(config: FirstLight, policy: SageMM) -> dict[str, Any]:
    """Return what the environment of the training is made with."""
    reward: str | Reward = config.reward
    if reward == "efficient":
        reward = efficient(config.frames_weight, config.turns_weight)
    return {**policy.env_options, "reward": reward}


@contextmanager
def training_env(config: FirstLight, policy: SageMM) -> Iterator[Env]:
    """Make one environment as the training uses it."""
    with open_envs(sage_synth(config.root, "train"), training_options(config, policy), 1) as envs:
        yield envs[0]


@contextmanager
def open_envs(items: SageSynth, options: Mapping[str, Any], count: int) -> Iterator[list[Env]]:
    """Make environments that are alike, and close them at the end of the block."""
    # The checker that gym.make adds fails for good after an exception in an env's first step.
    make = partial(gym.make, "sage_env:SageVideoQA-v0", disable_env_checker=True)
    envs = [make(dataset=items, **options) for _ in range(count)]
    try:
        yield envs
    finally:
        for env in envs:
            env.close()
