"""Laws of `algos.ppo.sampler_mismatch`: the correction in the trainer, on and off.

That its gradient is the configured one is compared with loops in `test_whole_loss`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from algos.batching.token_batches import by_micro_batch
from algos.ppo.config import PPOConfig
from algos.ppo.targets import make_targets
from algos.ppo.training import train
from algos.ppo.update import actor_objective, backward
from algos.runs.metrics import read_metrics
from policies.base import TokenBatch
from tests.helpers.toy import ITEMS, TOY_PPO, ToyPolicy, cloned_policy, envs, toy_batch

torch.set_num_threads(1)
CORRECTED = ["token-tis", "sequence-mask"]


def gradients(config: PPOConfig, policy: ToyPolicy, batch: TokenBatch, groups) -> list[Tensor]:
    for parameter in policy.actor_parameters():
        parameter.grad = None
    actor = actor_objective(config, policy, batch, make_targets(config, policy, batch, groups))
    backward(config, actor, list(actor.rows), policy.actor_parameters())
    return [p.grad for p in policy.actor_parameters() if p.grad is not None]


def differing(seed: int = 0) -> tuple[ToyPolicy, TokenBatch, list[str]]:
    """A batch that another policy sampled: its log-probs are off by half a nat or so."""
    policy, batch, groups = toy_batch(seed)
    noise = torch.randn(batch.ids.shape, generator=torch.Generator().manual_seed(5))
    batch.old_logprobs = batch.old_logprobs + 0.5 * noise * batch.sampled
    return policy, batch, groups


@pytest.mark.parametrize("mismatch", CORRECTED)
def test_where_sampler_and_learner_agree_the_gradient_is_the_same_bit_for_bit(mismatch) -> None:
    policy, batch, groups = toy_batch()
    score = lambda part: policy.evaluate(part).logprobs  # noqa: E731
    batch.old_logprobs = by_micro_batch(score, batch, TOY_PPO.micro_batch)
    plain = gradients(TOY_PPO, policy, batch, groups)
    corrected = gradients(replace(TOY_PPO, mismatch=mismatch), policy, batch, groups)
    assert all(float(x.abs().max()) > 0 for x in plain)
    for x, y in zip(corrected, plain, strict=True):
        assert torch.equal(x, y)


@pytest.mark.parametrize("mismatch", CORRECTED)
def test_how_the_batch_is_cut_makes_no_difference(mismatch) -> None:
    policy, batch, groups = differing()
    config = replace(TOY_PPO, mismatch=mismatch, mismatch_cap=1.5, aggregation="sequence-mean")
    whole, pieces = (
        gradients(replace(config, micro_batch=size), policy, batch, groups) for size in (32, 3)
    )
    off = gradients(replace(TOY_PPO, aggregation="sequence-mean"), policy, batch, groups)
    assert any(float((x - y).abs().max()) > 1e-3 for x, y in zip(whole, off, strict=True))
    for x, y in zip(pieces, whole, strict=True):
        torch.testing.assert_close(x, y, atol=1e-5, rtol=0)


def test_the_ratio_is_to_what_the_learner_says_before_its_first_step() -> None:
    policy, batch, groups = differing()
    config = replace(TOY_PPO, mismatch="token-tis")
    actor = actor_objective(config, policy, batch, make_targets(config, policy, batch, groups))
    stats = backward(config, actor, list(actor.rows), policy.actor_parameters())
    assert float(stats["approx_kl"]) == pytest.approx(0, abs=1e-6) and stats["clipfrac"] == 0
    off = actor_objective(TOY_PPO, policy, batch, make_targets(TOY_PPO, policy, batch, groups))
    assert float(backward(TOY_PPO, off, range(8), policy.actor_parameters())["clipfrac"]) > 0


def test_episodes_beyond_the_cap_are_in_no_loss_and_no_denominator() -> None:
    policy, batch, groups = toy_batch()
    batch.old_logprobs[3, batch.sampled[3]] -= 5.0  # the learner finds them e^5 times likelier
    config = replace(TOY_PPO, mismatch="sequence-mask")
    targets = make_targets(config, policy, batch, groups)
    rows = [k for k in range(len(batch)) if k != 3]
    assert list(actor_objective(config, policy, batch, targets).rows) == rows
    found = gradients(config, policy, batch, groups)
    off = actor_objective(TOY_PPO, policy, batch, make_targets(TOY_PPO, policy, batch, groups))
    for parameter in policy.actor_parameters():
        parameter.grad = None
    backward(TOY_PPO, off, rows, policy.actor_parameters())
    expected = [p.grad for p in policy.actor_parameters() if p.grad is not None]
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x, y, atol=1e-6, rtol=0)


@pytest.mark.parametrize("mismatch", CORRECTED)
def test_a_run_says_how_far_sampler_and_learner_lie_apart(mismatch, tmp_path: Path) -> None:
    config = replace(
        TOY_PPO, updates=2, questions_per_update=4, episodes_per_question=4, mismatch=mismatch
    )
    train(config, cloned_policy(0), envs(), ITEMS, tmp_path, progress=False)
    for row in read_metrics(tmp_path / "metrics.jsonl")[1:]:
        assert row["mismatch/weight"] == pytest.approx(1, abs=1e-5)
        assert row["mismatch/kl"] == pytest.approx(0, abs=1e-6)
        assert row["mismatch/beyond"] == 0
        assert row.get("mismatch/left_out") == (0 if mismatch == "sequence-mask" else None)


def test_without_a_correction_nothing_more_is_scored_or_logged(tmp_path: Path) -> None:
    policy, batch, groups = differing()
    passes = []
    policy.evaluate = lambda part: passes.append(part)  # type: ignore[method-assign,assignment]
    targets = make_targets(TOY_PPO, policy, batch, groups)
    assert not passes and targets.old_logprobs is None and targets.actor_weights is None
    config = replace(TOY_PPO, updates=1, questions_per_update=2, episodes_per_question=2)
    train(config, cloned_policy(0), envs(), ITEMS, tmp_path, progress=False)
    assert not [k for k in read_metrics(tmp_path / "metrics.jsonl")[1] if "mismatch" in k]


def test_settings_that_would_do_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match='mismatch_cap needs mismatch="token-tis"'):
        PPOConfig(mismatch_cap=3.0)
    for mismatch in CORRECTED:
        PPOConfig(mismatch=mismatch, mismatch_cap=1.0)
        with pytest.raises(ValueError, match=r"mismatch_cap must be at least 1, got 0\.5"):
            PPOConfig(mismatch=mismatch, mismatch_cap=0.5)
    for tolerance in (0.0, -1e-3, float("nan")):
        with pytest.raises(ValueError, match="rescore_tolerance must be above 0 or None"):
            PPOConfig(rescore_tolerance=tolerance)
