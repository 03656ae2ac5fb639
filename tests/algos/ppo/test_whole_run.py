"""Laws of `algos.ppo.training`, `algos.ppo.train_state`: a run is algorithm 1, to the weights.

A policy of two tables is trained by `train`; then the episodes that it played are learned from once
more, in loops over floats (`helpers/wiring`). Weights, and so every number on the way, are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from algos.batching.token_batches import collate
from algos.ppo import training
from algos.ppo.config import PPOConfig
from algos.ppo.training import train
from algos.presets import PRESETS, preset
from algos.rollout.trajectory import Trajectory
from tests.helpers.toy import ITEMS, envs, interrupted_at
from tests.helpers.wiring.slow_run import SlowRun
from tests.helpers.wiring.table_policy import TablePolicy, tables

torch.set_num_threads(1)
FAILING = [*ITEMS[:5], "breaks", "unreadable"]
SIZES = {
    "updates": 3,
    "questions_per_update": 4,
    "episodes_per_question": 4,
    "minibatches": 1,
    "micro_batch": 3,
    "temperature": 0.8,
    "epochs": 4,
    "actor_lr": 0.3,
    "critic_lr": 0.1,
    "lr_decay": True,
    "entropy_coef": 0.05,
    "value_clip": 0.03,
    "critic_epochs": 3,
    "constant_length": 3,
    "max_grad_norm": 0.03,
    "rescore_sample": 3,
}
RUNS = {
    **{name: preset(name, **SIZES, critic_warmup=2, seed=4) for name in PRESETS},
    "both, no ties": PPOConfig(
        **SIZES, advantage="both", drop_ties=True, kl_coef=0.2, critic_warmup=0, lam=0.7
    ),
    "KL as a reward": PPOConfig(
        **SIZES, kl_coef=0.2, kl_in="reward", kl_estimator="k1", critic_warmup=0, seed=3
    ),
    "warm-up, cosine, KL that is doubled": PPOConfig(
        **{**SIZES, "lr_decay": False, "updates": 7},
        **dict(lr_schedule="cosine", lr_warmup_updates=2, lr_min_ratio=0.2, critic_warmup=2),
        **dict(critic_pretrain_updates=2, entropy_coef_end=0.0, actor_weight_decay=0.1),
        **dict(critic_weight_decay=0.2),
        **dict(kl_coef=0.2, adaptive_kl=0.09, adaptive_kl_rule="doubling", seed=5),
    ),
    "steered KL, a target of steps": PPOConfig(
        **{**SIZES, "epochs": 8}, advantage="group", target_kl=0.02, kl_coef=0.2, adaptive_kl=0.02
    ),
    "dual": PPOConfig(**{**SIZES, "epochs": 6, "lr_decay": False}, dual_clip=1.3, critic_warmup=1),
}


class Played:
    """Keeps what `train` plays, and joins it in float64, so that nothing is lost to rounding."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[list[Trajectory]] = []
        monkeypatch.setattr(training, "collect", self._collect(training.collect))
        monkeypatch.setattr(training, "collate", in_float64)

    def _collect(self, straight):
        def collecting(*args, **kwargs):
            self.batches.append(straight(*args, **kwargs))
            return self.batches[-1]

        return collecting


def in_float64(trajectories: Sequence[Trajectory], *rest):
    batch = collate(trajectories, *rest)
    return replace(batch, old_logprobs=batch.old_logprobs.double(), rewards=batch.rewards.double())


def slow(config: PPOConfig, played: list[list[Trajectory]]) -> SlowRun:
    """The same run in loops, from the same start."""
    run = SlowRun(config, *tables(TablePolicy(config.seed)))
    for update, episodes in enumerate(played, 1):
        run.learn(update, episodes)
    return run


def assert_same_weights(policy: TablePolicy, run: SlowRun) -> None:
    actor, critic, _ = tables(policy)
    for found, expected in zip(actor, run.actor, strict=True):
        assert found == pytest.approx(expected, abs=1e-6)
    assert critic == pytest.approx(run.critic, abs=1e-6)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_algorithm_one_to_the_weights(name: str, tmp_path: Path, monkeypatch) -> None:
    config, played = RUNS[name], Played(monkeypatch)
    policy = TablePolicy(config.seed)
    train(config, policy, envs(5), FAILING, tmp_path, progress=False)
    expected = slow(config, played.batches)
    assert_same_weights(policy, expected)
    episodes = [t for batch in played.batches for t in batch]
    assert any(t.error for t in episodes), "the case must hold failed episodes"
    assert {"high", "low"} <= set(expected.seen) or config.target_kl, expected.seen
    assert expected.seen["stopped"] > 0 or not config.target_kl, expected.seen
    if config.adaptive_kl_rule == "doubling":
        assert {"halved", "doubled"} <= set(expected.seen), expected.seen
    assert ("held" in expected.seen) == config.uses_critic
    assert "dual" in expected.seen or name != "dual"
    critic, actor, clipped = expected.steps
    assert (actor >= config.epochs or config.target_kl) and (
        critic >= config.critic_epochs
    ) == config.uses_critic
    assert 0 < clipped < critic + actor, "the case must hold gradients too long and short enough"


def test_a_resumed_run_is_algorithm_one_too(tmp_path: Path, monkeypatch) -> None:
    """Schedules and moments go on where they were: the rates fall by the update's number."""
    config = replace(RUNS["both, no ties"], critic_warmup=1)
    played = Played(monkeypatch)
    with interrupted_at("collect", call=3):
        train(config, TablePolicy(config.seed), envs(5), FAILING, tmp_path, progress=False)
    assert len(played.batches) == 2
    policy = TablePolicy(7)  # whatever it was, the checkpoint says what it is
    policy.reference = TablePolicy(config.seed).reference
    train(config, policy, envs(5), FAILING, tmp_path, progress=False)
    assert_same_weights(policy, slow(config, played.batches))
