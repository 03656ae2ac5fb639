"""Laws of `algos.ppo.advantage_estimate`, `algos.ppo.targets`: baselines, penalties, clocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from algos.objectives.advantages import explained_variance
from algos.ppo.advantage_estimate import estimate, monte_carlo_returns, shaped_rewards
from algos.ppo.config import PPOConfig
from algos.ppo.targets import make_targets
from algos.ppo.training import train
from algos.ppo.update import actor_loss, actor_objective, fit
from algos.presets import PRESETS, preset
from algos.runs.metrics import read_metrics
from tests.helpers.slow_maths import bi_level_clock, groups_of, token_clock, turn_clock
from tests.helpers.toy import ITEMS, cloned_policy, envs, toy_batch

torch.set_num_threads(1)
GROUP = PPOConfig(advantage="group", whiten=False)


def per_row(batch, tensor: torch.Tensor) -> list[list[float]]:
    return [row[of].tolist() for row, of in zip(tensor, batch.sampled, strict=True)]


def test_divided_by_the_deviation_as_grpo_does() -> None:
    policy, batch, groups = toy_batch()
    config = replace(GROUP, leave_one_out=False, divide_by_std=True)
    targets = make_targets(config, policy, batch, groups)
    scores = batch.rewards.sum(1).tolist()
    found = groups_of(scores, groups)
    assert 0 < sum(differs for *_, differs in found) < len(batch), "the case must hold both"
    for row, score, (mean, _, deviation, differs) in zip(
        per_row(batch, targets.advantages), scores, found, strict=True
    ):
        expected = (score - mean) / deviation if differs else 0.0
        assert row == pytest.approx([expected] * len(row), abs=1e-6)


def test_ties_leave_the_loss_and_its_denominator() -> None:
    policy, batch, groups = toy_batch()
    config = replace(GROUP, drop_ties=True, minibatches=1, epochs=1)
    targets = make_targets(config, policy, batch, groups)
    assert targets.in_loss is not None
    alone = [i for i, in_loss in enumerate(targets.in_loss.tolist()) if in_loss]
    assert 0 < len(alone) < len(batch)

    def step(config: PPOConfig, batch, groups) -> dict[str, float | None]:
        still = torch.optim.SGD(policy.actor_parameters(), lr=0.0)
        targets = make_targets(config, policy, batch, groups)
        actor = actor_objective(config, policy, batch, targets)
        return fit(config, actor, still, epochs=1, rng=np.random.default_rng(0))

    dropped = step(config, batch, groups)
    only = step(replace(config, drop_ties=False), batch.select(alone), [groups[i] for i in alone])
    everything = step(replace(config, drop_ties=False), batch, groups)
    for name, value in only.items():
        assert dropped[name] == pytest.approx(value, abs=1e-6), name
    assert everything["losses/actor_grad_norm"] < 0.9 * dropped["losses/actor_grad_norm"]
    batch.rewards.zero_()
    assert step(config, batch, groups) == {}, "nothing differs, so nothing is learned"


@pytest.mark.parametrize("name", ["grpo", "rloo", "dr-grpo", "dapo", "gspo"])
def test_an_episode_has_one_advantage_wherever_its_rewards_came(name) -> None:
    policy, batch, groups = toy_batch()
    config = preset(name, kl_coef=0.0, kl_in="loss")
    at_last = make_targets(config, policy, batch, groups).advantages
    early = batch.rewards.clone()
    moved = 0
    for row, chosen in enumerate(batch.sampled):
        first = int(chosen.nonzero()[0, 0])
        early[row] = 0.0
        early[row, first] = batch.rewards[row].sum()
        moved += int(chosen.sum()) > 1
    assert moved > 4, "the case must hold rewards before the last token"
    batch.rewards = early
    torch.testing.assert_close(make_targets(config, policy, batch, groups).advantages, at_last)


@pytest.mark.parametrize("name", ["grpo", "rloo", "dr-grpo", "dapo", "gspo"])
def test_tied_episodes_with_rewards_on_the_way_have_no_advantage(name) -> None:
    policy, batch, groups = toy_batch()
    batch.rewards.zero_()
    for row, chosen in enumerate(batch.sampled):
        places = chosen.nonzero()[:, 0].tolist()
        batch.rewards[row, places[0]] += 0.05  # a format reward of the first turn
    targets = make_targets(preset(name, kl_coef=0.0, kl_in="loss"), policy, batch, groups)
    assert float(targets.advantages.abs().max()) == 0.0


def test_a_critic_of_noise_explains_nothing_whatever_the_lambda() -> None:
    policy, batch, groups = toy_batch()
    noise = torch.randn(batch.ids.shape, generator=torch.Generator().manual_seed(0))
    policy.values = lambda part: noise[: len(part), : part.ids.shape[1]] * part.sampled
    for changes in (
        {"lam": 0.5}, {"lam": 1.0}, {"clock": "turn", "turn_lam": 0.5}, {"critic_lam": 0.2},
        {"clock": "bi-level", "turn_lam": 0.5, "lam": 0.5}, {"advantage": "both", "lam": 0.5},
    ):  # fmt: skip
        config = PPOConfig(micro_batch=len(batch), **changes)
        targets = make_targets(config, policy, batch, groups)
        mask = batch.sampled if targets.value_mask is None else targets.value_mask
        known = explained_variance(targets.old_values, targets.earned, mask)
        assert known is not None and known < 0.0, changes
        same = config.critic_lam is None and config.lam == config.turn_lam == 1.0
        by_lambda = explained_variance(targets.old_values, targets.returns, mask)
        assert by_lambda == pytest.approx(known) if same else by_lambda > known


@pytest.mark.parametrize("changes", [{"gamma": 0.9}, {"clock": "turn", "turn_gamma": 0.9}])
def test_what_was_earned_is_discounted_as_the_settings_say(changes) -> None:
    _, batch, _ = toy_batch()
    row = int(batch.turn.max(1).values.argmax())
    places = batch.sampled[row].nonzero()[:, 0].tolist()
    rewards = torch.zeros_like(batch.rewards)
    rewards[row, places[-1]] = 2.0
    earned = monte_carlo_returns(PPOConfig(lam=0.3, **changes), rewards, batch)
    steps = len(places) - 1 if "gamma" in changes else int(batch.turn[row, places[-1]])
    assert steps > 0 and float(earned[row, places[0]]) == pytest.approx(2.0 * 0.9**steps)


def test_a_kl_in_the_reward_is_paid_per_token() -> None:
    policy, batch, groups = toy_batch()
    config = PPOConfig(kl_coef=0.5, kl_in="reward", kl_estimator="k1")
    reference = policy.reference_logprobs(batch) - 0.3
    every = torch.ones(len(batch), dtype=torch.bool)
    shaped = shaped_rewards(config, batch, groups, every, reference)
    expected = batch.rewards - 0.5 * (batch.old_logprobs - reference)
    torch.testing.assert_close(shaped[batch.sampled], expected[batch.sampled])
    assert not shaped[~batch.sampled].any()
    in_loss = replace(config, kl_in="loss")
    assert torch.equal(shaped_rewards(in_loss, batch, groups, every, reference), batch.rewards)


def test_a_kl_in_the_reward_is_not_also_in_the_loss() -> None:
    policy, batch, groups = toy_batch()
    with torch.no_grad():
        policy.actor["head"].bias[2] += 0.5  # away from the reference
    found = []
    for config in (
        replace(GROUP, kl_coef=0.0),
        replace(GROUP, kl_coef=5.0, kl_in="reward", kl_estimator="k1"),
        replace(GROUP, kl_coef=5.0),
    ):
        targets = make_targets(config, policy, batch, groups)
        targets.advantages.zero_()
        loss, stats = actor_loss(config, policy)(batch, targets, float(batch.sampled.sum()))
        found.append(float(loss.detach()))
        assert ("reference_kl" in stats) == (config.kl_coef > 0)
    assert found[0] == found[1] < found[2]


@pytest.mark.parametrize("clock", ["token", "turn", "bi-level"])
def test_the_clock_of_the_settings_is_the_one_that_runs(clock) -> None:
    _, batch, _ = toy_batch()
    batch.rewards = batch.rewards.double()
    values = torch.randn(batch.ids.shape, generator=torch.Generator().manual_seed(1)).double()
    token = {"gamma": 0.9, "lam": 0.6}
    turns = {"turn_gamma": 0.8, "turn_lam": 0.7, "lam": 0.6}
    config = PPOConfig(clock=clock, **(token if clock == "token" else turns))
    goals = replace(config, critic_lam=1.0)
    advantages, returns = estimate(config, batch.rewards, values, batch)
    same, others = estimate(goals, batch.rewards, values, batch)
    assert torch.equal(same, advantages), "the critic's lambda moved the policy's advantages"
    assert (batch.turn.max(1).values == 1).any(), "the case must hold two turns"
    for row in range(len(batch)):
        episode = [[], []]
        for place in batch.sampled[row].nonzero()[:, 0].tolist():
            pair = (float(batch.rewards[row, place]), float(values[row, place]))
            episode[int(batch.turn[row, place])].append(pair)
        episode = [turn for turn in episode if turn]
        loops = {
            "token": lambda e, lam, turn_lam: token_clock(e, 0.9, lam),
            "turn": lambda e, lam, turn_lam: turn_clock(e, 0.8, turn_lam),
            "bi-level": lambda e, lam, turn_lam: bi_level_clock(e, 0.8, turn_lam, lam),
        }
        want, want_returns = loops[clock](episode, 0.6, 0.7)
        assert advantages[row][batch.sampled[row]].tolist() == pytest.approx(want, abs=1e-6)
        assert returns[row][batch.sampled[row]].tolist() == pytest.approx(want_returns, abs=1e-6)
        goal = loops[clock](episode, 1.0, 1.0)[1]
        assert others[row][batch.sampled[row]].tolist() == pytest.approx(goal, abs=1e-6)


def test_lambda_by_length_is_that_of_the_episode() -> None:
    _, batch, _ = toy_batch()
    values = torch.randn(batch.ids.shape, generator=torch.Generator().manual_seed(1))
    got, _ = estimate(PPOConfig(lam_alpha=0.5), batch.rewards, values, batch)
    for row, tokens in enumerate(batch.sampled.sum(1).tolist()):
        fixed = PPOConfig(lam=max(0.0, 1 - 1 / (0.5 * tokens)))
        want, _ = estimate(fixed, batch.rewards, values, batch)
        torch.testing.assert_close(got[row], want[row])


def test_on_the_clock_of_turns_the_critic_learns_at_the_first_token_of_each() -> None:
    policy, batch, groups = toy_batch()
    config = PPOConfig(clock="turn", turn_lam=0.9, turn_gamma=0.99)
    mask = make_targets(config, policy, batch, groups).value_mask
    assert mask is not None
    turns = [len(set(row[of].tolist())) for row, of in zip(batch.turn, batch.sampled, strict=True)]
    assert mask.sum(1).tolist() == turns
    before = torch.nn.functional.pad(batch.sampled[:, :-1], (1, 0))
    assert not (mask & before).any(), "a token before it was sampled in the same turn"


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_trains(tmp_path: Path, name: str) -> None:
    config = preset(
        name,
        updates=2,
        questions_per_update=4,
        episodes_per_question=4,
        critic_warmup=0,
        eval_every=2,
        actor_lr=5e-3,
    )
    policy = cloned_policy(0)
    before = policy.state()
    train(config, policy, envs(16), ITEMS, tmp_path, progress=False)
    moved = {
        key.split(".")[0] for key, x in policy.state().items() if not torch.equal(x, before[key])
    }
    assert moved == ({"actor", "critic"} if config.uses_critic else {"actor"})
    row = read_metrics(tmp_path / "metrics.jsonl")[-1]
    assert np.isfinite(row["losses/policy_loss"])
    assert ("rollout/tied" in row) == config.drop_ties


def test_a_preset_is_the_settings_that_it_says() -> None:
    assert preset("ppo") == PPOConfig()
    changed = preset("grpo", kl_coef=0.0, seed=3)
    assert (changed.advantage, changed.divide_by_std, changed.kl_coef, changed.seed) == (
        "group",
        True,
        0.0,
        3,
    )
    with pytest.raises(ValueError, match="no preset is named 'ppg': choose one of ppo, turn-ppo"):
        preset("ppg")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"clock": "turn", "gamma": 0.9}, "set turn_gamma"),
        ({"turn_lam": 0.9}, "need clock"),
        ({"turn_gamma": 1.5, "clock": "turn"}, "turn_gamma must be in"),
        ({"critic_lam": -0.1}, "critic_lam must be in"),
        ({"lam_alpha": 0.0}, "lam_alpha must be above 0"),
        ({"lam_alpha": 0.05, "clock": "turn"}, 'needs clock="token"'),
        ({"divide_by_std": True}, 'needs advantage="group"'),
        ({"drop_ties": True}, 'needs advantage="group" or "both"'),
        ({"kl_in": "reward"}, 'needs kl_estimator="k1"'),
        ({"constant_length": 0}, "constant_length must be at least 1"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        PPOConfig(**changes)
