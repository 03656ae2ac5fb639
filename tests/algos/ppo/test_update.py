"""Laws of `algos.ppo.update`, `algos.ppo.targets`: learning from one batch, on the toy policy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from algos.ppo.config import PPOConfig
from algos.ppo.targets import make_targets, rows_with_gradient
from algos.ppo.update import actor_objective, backward, critic_objective, fit
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
        cut = replace(config, micro_batch=size, workers=2)
        targets = make_targets(cut, policy, batch, groups)
        for objective, parameters in (
            (actor_objective(cut, policy, batch, targets), policy.actor_parameters()),
            (critic_objective(cut, policy, batch, targets), policy.critic_parameters()),
        ):
            backward(cut, objective, range(1, 30), parameters)
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
        critic = critic_objective(SMALL, policy, batch, targets, warming_up=warming_up)
        loss = critic.loss(batch, targets, count)[0]
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
        actor, rng = actor_objective(config, policy, batch, targets), np.random.default_rng(0)
        stats = fit(config, actor, still, epochs=epochs, rng=rng)
        norms.append(stats["losses/actor_grad_norm"])
    assert norms[0] == pytest.approx(norms[1], rel=1e-4) and norms[0] > 0


def test_a_gradient_that_is_not_finite_stops_the_run() -> None:
    policy, batch, groups = toy_batch()
    targets = make_targets(SMALL, policy, batch, groups)
    targets.advantages[0] = torch.nan
    optimizer = torch.optim.Adam(policy.actor_parameters())
    actor = actor_objective(SMALL, policy, batch, targets)
    with pytest.raises(RuntimeError, match="non-finite"):
        fit(SMALL, actor, optimizer, epochs=1, rng=np.random.default_rng(0))


def stepped(everyone: bool, aggregation: str):
    """Weights and statistics after three passes that score everyone, or who teaches."""
    policy, batch, groups = toy_batch()
    config = replace(SMALL, advantage="group", minibatches=2, aggregation=aggregation)
    targets = make_targets(config, policy, batch, groups)
    busy = (targets.advantages != 0).any(1)
    assert 0 < busy.sum() < len(batch), "the case must hold questions on which all agree"
    actor = actor_objective(config, policy, batch, targets)
    if everyone:
        actor = replace(actor, scored=list)
    counted, evaluate = [], policy.evaluate
    policy.evaluate = lambda part: counted.append(len(part)) or evaluate(part)
    optimizer = torch.optim.SGD(policy.actor_parameters(), lr=0.1, momentum=0.9)
    stats = fit(config, actor, optimizer, epochs=3, rng=np.random.default_rng(0))
    assert sum(counted) == 3 * (len(batch) if everyone else int(busy.sum()))
    return policy.state(), stats


@pytest.mark.parametrize("aggregation", ["token-mean", "sequence-mean", "constant-length"])
def test_episodes_without_advantage_are_not_scored_and_the_step_is_the_same(aggregation) -> None:
    (weights, stats), (expected, full) = (stepped(x, aggregation) for x in (False, True))
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
    config = replace(config, micro_batch=2)
    rows, some = list(range(32)), [1, 5, 6]
    actor = replace(actor_objective(config, policy, batch, targets), scored=lambda _: some)
    entropy = policy.evaluate(batch).entropy.detach()[some][batch.sampled[some]].mean()
    stats = backward(config, actor, rows, policy.actor_parameters())
    assert float(stats["entropy"]) == pytest.approx(float(entropy), abs=1e-5)


def test_the_critic_learns_from_ties_and_from_episodes_without_advantage() -> None:
    """What the actor leaves out says as much about the value of a question as the rest."""
    policy, batch, groups = toy_batch()
    config = replace(SMALL, advantage="both", drop_ties=True, minibatches=1)
    targets = make_targets(config, policy, batch, groups)
    targets.advantages[3:7] = 0.0
    left_out = (~targets.in_loss).nonzero()[:, 0].tolist()
    assert left_out and set(left_out) != set(range(3, 7))
    counted, values = [], policy.values
    policy.values = lambda part: counted.append(len(part)) or values(part)
    still = torch.optim.SGD(policy.critic_parameters(), lr=0.0)
    critic = critic_objective(config, policy, batch, targets)
    fit(config, critic, still, epochs=1, rng=np.random.default_rng(0))
    assert sum(counted) == len(batch)
