"""Laws of the whole trainer, on a two-turn toy task."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from algos import learner, ppo
from algos.batch import collate
from algos.checkpoint import Best, ConfigChanged, load_best, load_latest
from algos.learner import actor_loss, backward, critic_loss, fit, make_targets
from algos.metrics import read_metrics
from algos.ppo import PPOConfig, draw_jobs, train
from algos.proof import ExactnessError
from algos.rollout import Job, collect
from policies.base import Evaluation, TokenBatch, TrainablePolicy
from sage_env.errors import SageEnvError
from tests.algos.toy import ITEMS, ToyPolicy, cloned_policy, envs

torch.set_num_threads(1)
SMALL = PPOConfig(
    updates=4,
    questions_per_update=4,
    episodes_per_question=4,
    minibatches=2,
    micro_batch=5,
    actor_lr=5e-3,
    critic_lr=1e-2,
    critic_warmup=2,
    eval_every=2,
)
LEARNING = replace(
    SMALL,
    updates=26,
    questions_per_update=8,
    episodes_per_question=12,
    micro_batch=96,
    epochs=2,
    checkpoint_every=100,
)


def run(config: PPOConfig, folder: Path, policy: ToyPolicy | None = None, **kwargs) -> ToyPolicy:
    policy = policy or cloned_policy(config.seed)
    train(config, policy, envs(96), ITEMS, folder, progress=False, **kwargs)
    return policy


def final_accuracy(folder: Path) -> float:
    return float(np.mean([row["rollout/accuracy"] for row in read_metrics(folder / METRICS)[-3:]]))


METRICS = "metrics.jsonl"


def toy_batch(seed: int = 0) -> tuple[ToyPolicy, TokenBatch, list[str]]:
    policy = cloned_policy(seed)
    jobs = [Job(item) for item in ITEMS for _ in range(4)]
    played = collect(envs(), policy, jobs, seed=seed)
    return policy, collate(played, 1.0), [str(t.item_id) for t in played]


def flip_the_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    straight = learner.policy_loss

    def flipped(new, old, advantages, *rest, **kwargs):
        return straight(new, old, -advantages, *rest, **kwargs)

    monkeypatch.setattr(learner, "policy_loss", flipped)


def test_the_toy_policy_keeps_the_contract() -> None:
    assert isinstance(ToyPolicy(), TrainablePolicy)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ppo_learns_to_look_before_it_answers(tmp_path: Path, seed: int) -> None:
    run(replace(LEARNING, seed=seed), tmp_path)
    rows = read_metrics(tmp_path / METRICS)
    assert rows[1]["rollout/accuracy"] < 0.45
    assert final_accuracy(tmp_path) > 0.9
    assert rows[-1]["rollout/turns"] > 1.9 > rows[1]["rollout/turns"]
    assert max(row.get("losses/explained_variance") or -1 for row in rows) > 0.2


def test_ppo_with_the_sign_flipped_fails(tmp_path: Path, monkeypatch) -> None:
    flip_the_sign(monkeypatch)
    run(LEARNING, tmp_path)
    assert final_accuracy(tmp_path) < 0.1


@pytest.mark.parametrize("advantage", ["group", "both"])
def test_baselines_per_question_learn_too(tmp_path: Path, advantage) -> None:
    run(replace(LEARNING, advantage=advantage, lr_decay=True), tmp_path)
    assert final_accuracy(tmp_path) > 0.8


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
        for loss in (actor_loss(config, policy), critic_loss(config, policy)):
            backward(batch, targets, range(1, 30), loss, size)
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


def snapshot(policy: ToyPolicy) -> dict[str, list[float]]:
    return {name: tensor.flatten().tolist() for name, tensor in policy.state().items()}


def timeless(folder: Path) -> list[dict[str, float]]:
    rows = read_metrics(folder / METRICS)
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


def score(policy: TrainablePolicy) -> float:
    """Validate greedily, and use up random numbers as a user's validation might."""
    policy.temperature = 0.0
    torch.rand(3)
    np.random.rand(3)
    played = collect(envs(), policy, [Job(item) for item in ITEMS], seed=9)
    return float(np.mean([t.ret for t in played]))


@pytest.mark.parametrize("advantage", ["critic", "group"])
def test_two_and_two_updates_are_four(tmp_path: Path, advantage) -> None:
    config = replace(SMALL, advantage=advantage, kl_coef=0.01)
    whole = run(config, tmp_path / "whole", validate=score)
    run(replace(config, updates=2), tmp_path / "parts", validate=score)
    # A fresh policy, as in a fresh process; only what its checkpoint does not hold is the same.
    resumed = run(config, tmp_path / "parts", validate=score)
    assert snapshot(whole) == snapshot(resumed)
    assert timeless(tmp_path / "whole") == timeless(tmp_path / "parts")
    ends = [load_latest(tmp_path / name / "checkpoints") for name in ("whole", "parts")]
    assert ends[0] is not None and ends[1] is not None and ends[0].best == ends[1].best
    for name, tensor in ends[0].tensors.items():
        assert torch.equal(tensor, ends[1].tensors[name]), name


@pytest.mark.parametrize("moment", ["collect", "fit", "save"])
def test_an_interrupt_in_the_middle_of_an_update_loses_nothing(
    tmp_path: Path, monkeypatch, moment: str
) -> None:
    whole = run(SMALL, tmp_path / "whole")
    owner = ppo.checkpoint if moment == "save" else ppo
    original, calls = getattr(owner, moment), 0

    def interrupted(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(owner, moment, interrupted)
        run(SMALL, tmp_path / "parts")
    resumed = run(SMALL, tmp_path / "parts")
    assert snapshot(whole) == snapshot(resumed)
    assert timeless(tmp_path / "whole") == timeless(tmp_path / "parts")


def test_the_number_of_environments_changes_nothing(tmp_path: Path) -> None:
    results = []
    for count in (3, 16):
        policy = cloned_policy(0)
        config = replace(SMALL, updates=1, critic_warmup=0)
        train(config, policy, envs(count), ITEMS, tmp_path / str(count), progress=False)
        results.append(policy.state())
    for name, tensor in results[0].items():
        torch.testing.assert_close(tensor, results[1][name], atol=1e-4, rtol=0)


def test_a_finished_run_stays_finished(tmp_path: Path) -> None:
    done = run(SMALL, tmp_path)
    again = run(SMALL, tmp_path)
    assert snapshot(done) == snapshot(again)
    assert len(read_metrics(tmp_path / METRICS)) == SMALL.updates + 1


def test_another_configuration_is_refused_by_name(tmp_path: Path) -> None:
    run(replace(SMALL, updates=1), tmp_path)
    with pytest.raises(ConfigChanged, match="clip_low: was 0.2, is 0.1"):
        run(replace(SMALL, clip_low=0.1), tmp_path)
    with pytest.raises(ConfigChanged, match="items"):
        train(SMALL, ToyPolicy(), envs(), ITEMS[:3], tmp_path, progress=False)


def test_the_best_validated_update_is_kept(tmp_path: Path) -> None:
    scores = iter([0.5, 0.9, 0.7])
    config = replace(SMALL, updates=6, eval_every=3, keep_last=1)
    best = train(
        config,
        cloned_policy(0),
        envs(),
        ITEMS,
        tmp_path,
        validate=lambda policy: next(scores),
        progress=False,
    )
    assert best == Best(3, 0.9)
    kept = load_best(tmp_path / "checkpoints")
    assert kept is not None and kept.update == 3
    evaluated = {r["update"]: r["eval/score"] for r in timeless(tmp_path) if "eval/score" in r}
    assert evaluated == {0: 0.5, 3: 0.9, 6: 0.7}


def test_failed_episodes_are_counted_and_not_learned_from(tmp_path: Path) -> None:
    config = replace(SMALL, updates=1, questions_per_update=10, critic_warmup=0)
    policy = cloned_policy(0)
    train(config, policy, envs(), [*ITEMS, "unreadable", "breaks"], tmp_path, progress=False)
    row = read_metrics(tmp_path / METRICS)[1]
    assert row["rollout/failed"] >= config.episodes_per_question
    assert row["rollout/episodes"] + row["rollout/failed"] == 40
    assert row["rollout/return"] == row["rollout/accuracy"] > 0
    with pytest.raises(SageEnvError, match="all 16 episodes of update 1 failed; first: VideoError"):
        train(SMALL, policy, envs(), ["unreadable"], tmp_path / "none", progress=False)


def test_the_warm_up_batch_teaches_only_the_critic(tmp_path: Path) -> None:
    start = snapshot(cloned_policy(0))
    after = snapshot(run(replace(SMALL, updates=1, rescore_sample=16), tmp_path))
    moved = {name.split(".")[0] for name in start if start[name] != after[name]}
    assert moved == {"critic"}
    row = read_metrics(tmp_path / METRICS)[1]
    assert "losses/policy_loss" not in row and row["losses/value_loss"] > 0


def test_a_policy_that_scores_other_than_it_samples_is_stopped(tmp_path: Path) -> None:
    class Shifted(ToyPolicy):
        def evaluate(self, batch: TokenBatch) -> Evaluation:
            said = super().evaluate(batch)
            wrong = (batch.ids == 2) & batch.sampled
            return Evaluation(said.logprobs - 0.25 * wrong, said.entropy)

    with pytest.raises(ExactnessError) as caught:
        train(
            replace(SMALL, rescore_sample=16), Shifted(1), envs(), ITEMS, tmp_path, progress=False
        )
    text = str(caught.value)
    assert "off by more than 0.001" in text and "id 2, log-prob" in text
    assert "after ids [" in text and "'look" in text
    assert load_latest(tmp_path / "checkpoints").update == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_the_proof_is_logged_and_holds_at_any_temperature(tmp_path: Path, temperature) -> None:
    run(replace(SMALL, updates=2, temperature=temperature), tmp_path)
    for row in read_metrics(tmp_path / METRICS)[1:]:
        assert 0 <= row["proof/mean_dlogp"] <= row["proof/max_dlogp"] < 1e-5
        assert row["proof/tokens"] > 0


def test_every_question_is_drawn_once_per_lap_with_one_start() -> None:
    config = replace(SMALL, questions_per_update=3, episodes_per_question=2)
    jobs = [job for update in range(1, 9) for job in draw_jobs(config, ITEMS, update)]
    assert Counter(job.item_id for job in jobs) == {item: 6 for item in ITEMS}
    for lap in range(3):
        assert {job.item_id for job in jobs[16 * lap : 16 * (lap + 1)]} == set(ITEMS)
    assert [job.item_id for job in jobs[:16]] != [job.item_id for job in jobs[16:32]]
    assert all(jobs[i] == jobs[i + 1] for i in range(0, len(jobs), 2))
    assert len({job.seed for job in jobs}) == len(jobs) / 2
    assert draw_jobs(config, ITEMS, 5) == jobs[24:30]
    with pytest.raises(ValueError, match="at least one item"):
        draw_jobs(config, [], 1)


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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("updates", 0),
        ("minibatches", 0),
        ("seed", -1),
        ("temperature", 0.0),
        ("dual_clip", 1.0),
        ("lam", 1.5),
        ("gamma", float("nan")),
    ],
)
def test_settings_that_cannot_train_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        PPOConfig(**{field: value})
    with pytest.raises(ValueError, match="episodes_per_question must be at least 2"):
        PPOConfig(advantage="group", episodes_per_question=1)
