"""Laws of learning from one batch, on the toy policy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from algos.ppo.config import PPOConfig
from algos.ppo.update import (
    actor_loss,
    backward,
    critic_loss,
    fit,
    make_targets,
    rows_with_gradient,
)
from tests.helpers.toy import toy_batch

torch.set_num_threads(1)
SMALL = PPOConfig(episodes_per_question=4, minibatches=2, micro_batch=5)


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("advantage", ["critic", "both"])
def test_the_gradient_does_not_depend_on_how_the_batch_is_cut(size: int, advantage) -> None:
    policy, batch, groups = toy_batch()
    config = replace(SMALL, advantage=advantage, kl_coef=0.1, entropy_coef=0.01, epochs=1)
    with torch.no_grad():  # away from the reference, the old policy and zero values
        for parameter in policy.actor_parameters() + policy.critic_parameters():
            parameter.grad = None
            parameter += 0.1 * torch.randn(parameter.shape)

    def gradients(size: int) -> list[torch.Tensor]:
        targets = make_targets(replace(config, micro_batch=size), policy, batch, groups)
        for loss, parameters, workers in (
            (actor_loss(config, policy), policy.actor_parameters(), 2),
            (critic_loss(config, policy), policy.critic_parameters(), 1),
        ):
            backward(batch, targets, range(1, 30), loss, parameters, size, workers)
        found = []
        for parameter in policy.actor_parameters() + policy.critic_parameters():
            assert parameter.grad is not None and parameter.grad.abs().max() > 1e-4
            found.append(parameter.grad)
            parameter.grad = None
        return found

    for whole, pieces in zip(gradients(99), gradients(size), strict=True):
        torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=0)


def test_values_are_those_of_the_state_before_the_token() -> None:
    policy, batch, _ = toy_batch()
    with torch.no_grad():
        policy.critic["head"].weight.normal_()
        before = policy.values(batch)
        other = replace(batch, ids=batch.ids.clone(), cache={})
        t = int(batch.sampled[0].nonzero()[0])
        other.ids[0, t] = 6 if batch.ids[0, t] != 6 else 5
        after = policy.values(other)
    assert before[0, t] == after[0, t] != 0, "a value must not see the token that it judges"
    assert before[0, t + 1] != after[0, t + 1], "the next value must see it"


def test_targets_by_hand() -> None:
    policy, batch, groups = toy_batch()
    plain = replace(SMALL, advantage="group", whiten=False)
    scores = batch.rewards.sum(1)
    targets = make_targets(plain, policy, batch, groups)
    for i in range(len(batch)):
        others = [j for j in range(len(batch)) if groups[j] == groups[i] and j != i]
        expected = float(scores[i] - scores[others].mean())
        got = targets.advantages[i][batch.sampled[i]]
        torch.testing.assert_close(got, torch.full_like(got, expected))
    assert 0 < scores.sum() < len(batch), "the case must hold right and wrong answers"
    white = make_targets(replace(plain, whiten=True), policy, batch, groups)
    assert white.advantages[batch.sampled].std(correction=0) == pytest.approx(1, abs=1e-5)
    ties = targets.advantages == 0
    assert not white.advantages[ties].any(), "questions on which all agree must not be pushed"


def test_whitening_is_left_out_when_nothing_was_earned() -> None:
    policy, batch, groups = toy_batch()
    batch.rewards.zero_()
    with torch.no_grad():
        policy.critic["head"].weight.normal_(std=1e-3)
    targets = make_targets(SMALL, policy, batch, groups)
    assert 0 < targets.advantages.abs().max() < 0.02


def test_the_critic_moves_freely_while_warming_up() -> None:
    policy, batch, groups = toy_batch()
    targets = make_targets(SMALL, policy, batch, groups)
    with torch.no_grad():
        policy.critic["head"].bias.fill_(SMALL.value_clip + 0.1)
    count = float(batch.sampled.sum())
    for warming_up, moves in ((True, 1.0), (False, 0.0)):
        loss = critic_loss(SMALL, policy, warming_up=warming_up)(batch, targets, count)[0]
        (gradient,) = torch.autograd.grad(loss, policy.critic["head"].bias)
        right = float((targets.returns == 1).sum()) / count
        wrong = 1 - right
        expected = wrong * 0.6 - moves * right * 0.4
        assert float(gradient) == pytest.approx(expected, abs=1e-5)


def test_steps_do_not_share_gradients() -> None:
    policy, batch, groups = toy_batch()
    targets = make_targets(SMALL, policy, batch, groups)
    still = torch.optim.SGD(policy.actor_parameters(), lr=0.0)
    norms = []
    for epochs in (1, 3):
        config = replace(SMALL, minibatches=1)
        loss, rng = actor_loss(config, policy), np.random.default_rng(0)
        stats = fit(config, "actor", still, batch, targets, loss, epochs=epochs, rng=rng)
        norms.append(stats["losses/actor_grad_norm"])
    assert norms[0] == pytest.approx(norms[1], rel=1e-4) and norms[0] > 0


def test_a_gradient_that_is_not_finite_stops_the_run() -> None:
    policy, batch, groups = toy_batch()
    targets = make_targets(SMALL, policy, batch, groups)
    targets.advantages[0] = torch.nan
    optimizer = torch.optim.Adam(policy.actor_parameters())
    loss = actor_loss(SMALL, policy)
    with pytest.raises(RuntimeError, match="non-finite"):
        rng = np.random.default_rng(0)
        fit(SMALL, "actor", optimizer, batch, targets, loss, epochs=1, rng=rng)


def stepped(everyone: bool, monkeypatch: pytest.MonkeyPatch):
    """Weights and statistics after three passes that score everyone, or who teaches."""
    policy, batch, groups = toy_batch()
    config = replace(SMALL, advantage="group", minibatches=2)  # none without a question that tells
    targets = make_targets(config, policy, batch, groups)
    busy = (targets.advantages != 0).any(1)
    assert 0 < busy.sum() < len(batch), "the case must hold questions on which all agree"
    if everyone:
        monkeypatch.setattr("algos.ppo.update.rows_with_gradient", lambda *_: None)
    counted, evaluate = [], policy.evaluate
    policy.evaluate = lambda part: counted.append(len(part)) or evaluate(part)
    optimizer = torch.optim.SGD(policy.actor_parameters(), lr=0.1, momentum=0.9)
    loss, rng = actor_loss(config, policy), np.random.default_rng(0)
    stats = fit(config, "actor", optimizer, batch, targets, loss, epochs=3, rng=rng)
    assert sum(counted) == 3 * (len(batch) if everyone else int(busy.sum()))
    return policy.state(), stats


def test_episodes_without_advantage_are_not_scored_and_the_step_is_the_same(monkeypatch) -> None:
    (weights, stats), (expected, full) = (stepped(x, monkeypatch) for x in (False, True))
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, expected[name], atol=1e-5, rtol=0)
    for name in ("losses/policy_loss", "losses/actor_grad_norm"):
        assert stats[name] == pytest.approx(full[name], abs=1e-5)


def test_who_teaches() -> None:
    policy, batch, groups = toy_batch()
    config = replace(SMALL, advantage="group")
    targets = make_targets(config, policy, batch, groups)
    rows = list(range(3, 20))
    busy = [row for row in rows if targets.advantages[row].any()]
    assert 0 < len(busy) < len(rows) and rows_with_gradient(config, batch, targets, rows) == busy
    for asked in ({"kl_coef": 0.1}, {"entropy_coef": 0.1}):
        assert rows_with_gradient(replace(config, **asked), batch, targets, rows) == rows
    targets.advantages.zero_()
    assert rows_with_gradient(config, batch, targets, rows) == rows[:1], (
        "Adam must see a gradient of 0"
    )


def test_statistics_are_means_over_the_tokens_that_were_scored() -> None:
    policy, batch, groups = toy_batch()
    config = replace(SMALL, advantage="group")
    targets = make_targets(config, policy, batch, groups)
    loss, parameters = actor_loss(config, policy), policy.actor_parameters()
    rows, some = list(range(32)), [1, 5, 6]
    entropy = policy.evaluate(batch).entropy.detach()[some][batch.sampled[some]].mean()
    stats = backward(batch, targets, rows, loss, parameters, 2, scored=some)
    assert float(stats["entropy"]) == pytest.approx(float(entropy), abs=1e-5)
