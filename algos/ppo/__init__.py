"""The one trainer: token-level PPO, with a critic or with group baselines.

May not: know a dataset or a policy class; it takes environments and a `TrainablePolicy`.

Read in this order: `config` (every setting), `training` (the loop), `question_specs` (what an
update plays), `targets` (advantages, returns and weights of a batch), `advantage_estimate` (which
estimator the settings ask for), `sampler_mismatch` (the correction where sampler and learner
differ), `update` (losses, gradients, optimiser steps), `optimisers` (Adam, weight decay),
`schedules` (rates and weights by update), `adaptive_kl` (a KL that is kept),
`validation_episodes` (what a validation plays), `validation` (scores, and when to end),
`update_metrics` and `learning_signal` (what was played, and whether there was anything to learn
from), `token_sample` (a few episodes, token by token), `train_state` (what is saved), `resuming`
(with which settings a run goes on), `exactness_guard` (stops a run whose sampler and learner
disagree).
Importing this loads no torch; all but `config` do. One
process: no several GPUs, no asynchronous rollout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from algos.ppo.config import PPOConfig
from sage_env.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from algos.ppo.training import train

__all__ = ["PPOConfig", "train"]

__getattr__, __dir__ = lazy_exports(__name__, {"train": "algos.ppo.training"}, extra="sage")
