"""Laws of `algos.ppo.update`, `algos.ppo.targets`: the gradient of the whole configured loss.

What `make_targets`, `actor_objective` and `critic_objective` make of a configuration is compared
with loops over floats, for every preset, with weights that moved since the episodes were sampled.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from algos.ppo.config import PPOConfig
from algos.ppo.targets import make_targets
from algos.ppo.update import actor_objective, backward, critic_objective
from algos.presets import PRESETS, preset
from policies.base import TokenBatch
from tests.helpers.toy import SPEAKABLE
from tests.helpers.wiring.slow_tables import Episode, Token
from tests.helpers.wiring.slow_update import SlowTargets, slow_actor, slow_critic, slow_targets
from tests.helpers.wiring.table_policy import TablePolicy, tables

torch.set_num_threads(1)
PROMPTS = (7, 8, 9, 10, 11, 12)
TEMPERATURE = 0.7
ROWS = list(range(1, 17))
"""The rows of the minibatch: neither the first nor the last of the batch."""
IN_FORCE = {
    "temperature": TEMPERATURE,
    "micro_batch": 3,
    "constant_length": 5,
    "value_clip": 0.15,
    "entropy_coef": 0.07,
}
PLAIN = {"temperature": TEMPERATURE, "micro_batch": 4, "value_clip": 0.2}
GROUP = {"advantage": "group", "episodes_per_question": 3}
CASES = {
    **{name: preset(name, **IN_FORCE) for name in PRESETS},
    **{f"{name}, KL": preset(name, **IN_FORCE, kl_coef=0.3) for name in PRESETS},
    **{f"{name}, plain": preset(name, **PLAIN) for name in ("ppo", "dr-grpo", "dapo")},
    "GAE below 1": PPOConfig(**IN_FORCE, gamma=0.9, lam=0.6, dual_clip=1.5),
    "KL as a reward": PPOConfig(**IN_FORCE, kl_coef=0.4, kl_in="reward", kl_estimator="k1"),
    "both": PPOConfig(**IN_FORCE, advantage="both", lam=0.8, kl_coef=0.1, kl_estimator="k2"),
    "both, no ties": PPOConfig(**IN_FORCE, advantage="both", drop_ties=True, clip_low=0.4),
    "group, whitened": PPOConfig(**IN_FORCE, **GROUP, kl_coef=0.2, kl_estimator="k1"),
    "sequence, dual": PPOConfig(
        **IN_FORCE, **GROUP, ratio_level="sequence", dual_clip=1.05, aggregation="sequence-mean"
    ),
    "critic, long means": PPOConfig(**IN_FORCE, aggregation="sequence-mean", critic_lam=0.5),
    "truncated weights": PPOConfig(
        **IN_FORCE, mismatch="token-tis", mismatch_cap=1.2, kl_coef=0.3, dual_clip=1.1
    ),
    "truncated weights, means": PPOConfig(
        **IN_FORCE, **GROUP, mismatch="token-tis", aggregation="sequence-mean", dual_clip=None
    ),
    "masked sequences": PPOConfig(
        **IN_FORCE, **GROUP, mismatch="sequence-mask", mismatch_cap=4.0, dual_clip=None
    ),
    "masked sequences, ratios of sequences": PPOConfig(
        **IN_FORCE,
        mismatch="sequence-mask",
        ratio_level="sequence",
        dual_clip=1.05,
        clip_low=0.03,
        clip_high=0.03,
    ),
    "critic, constant": PPOConfig(**IN_FORCE, aggregation="constant-length", clock="bi-level"),
}


def made_up() -> tuple[TokenBatch, list[Episode], list[str]]:
    """18 episodes of 6 questions: 1 to 3 turns of 1 to 4 tokens; two questions are tied."""
    random = np.random.default_rng(5)
    prompts = {(name, k): random.integers(1, 4) for name in range(6) for k in range(3)}
    episodes, rows, names = [], [], []
    for number in range(18):
        name, episode, row = number // 3, [], []
        surprise = float(random.uniform(0.8, 4.0))
        turns = int(random.integers(1, 4))
        for k in range(turns):
            row += [(int(random.choice(PROMPTS)), k, False, 0.0, 0.0)] * int(prompts[name, k])
            length = int(random.integers(1, 5))
            for i in range(length):
                last = i == length - 1
                earned = 0.0
                if last and k == turns - 1 and name != 4:
                    earned = 1.0 if name == 2 else float(number % 3 > 0) + 0.25 * (number % 3 == 2)
                elif last:
                    earned = -0.125 * (k + 1)  # sums of such are exact, and ties are ties
                token, old = int(random.choice(SPEAKABLE)), -float(random.exponential(surprise))
                episode.append(Token(row[-1][0], token, k, earned, old))
                row.append((token, k, True, earned, old))
        episodes.append(episode)
        rows.append(row)
        names.append(f"q{name}")
    return as_batch(rows), episodes, names


def as_batch(rows: list[list[tuple[int, int, bool, float, float]]]) -> TokenBatch:
    """Right-padded, with nonsense where nothing may be read."""
    shape = (len(rows), max(map(len, rows)))
    ids, turn = torch.zeros(shape, dtype=torch.long), torch.full(shape, -1)
    attention, sampled = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    old, rewards = torch.zeros(shape).double(), torch.zeros(shape).double()
    for i, row in enumerate(rows):
        for t, (token, k, chosen, earned, logprob) in enumerate(row):
            ids[i, t], turn[i, t], sampled[i, t], attention[i, t] = token, k, chosen, True
            rewards[i, t], old[i, t] = earned, logprob
    frames = [(b"frame",)] * len(rows)
    return TokenBatch(ids, attention, sampled, turn, old, rewards, frames, TEMPERATURE)


def learner(config: PPOConfig, batch: TokenBatch, names: list[str]):
    """A policy that moved after the targets of the batch were computed, and both objectives."""
    policy = TablePolicy(1)
    targets = make_targets(config, policy, batch, names)
    start = tables(policy)
    with torch.no_grad():
        for parameter in (*policy.actor_parameters(), *policy.critic_parameters()):
            parameter += 0.3 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(2)
            )
    return policy, targets, start


def grids(parameters) -> list[list[float]]:
    (parameter,) = parameters
    return [[0.0] * parameter.shape[1]] if parameter.grad is None else parameter.grad.tolist()


def assert_close(found: list[list[float]], expected: list[list[float]]) -> None:
    assert len(found) == len(expected)
    flat = [x for row in expected for x in row]
    assert max(map(abs, flat)) > 1e-4, "the case must have a gradient"
    assert [x for row in found for x in row] == pytest.approx(flat, rel=1e-6, abs=1e-7)


def expected_of(config: PPOConfig, episodes, names, start) -> SlowTargets:
    actor, critic, reference = start
    return slow_targets(config, episodes, names, critic, reference, actor)


@pytest.mark.parametrize("name", CASES)
def test_the_actors_gradient_is_that_of_the_configured_loss(name: str) -> None:
    config = CASES[name]
    batch, episodes, names = made_up()
    policy, targets, start = learner(config, batch, names)
    expected = expected_of(config, episodes, names, start)
    actor = actor_objective(config, policy, batch, targets)
    assert list(actor.rows) == [k for k in range(18) if expected.in_loss[k]]
    rows = [k for k in ROWS if expected.in_loss[k]]
    stats = backward(config, actor, rows, policy.actor_parameters())
    table, _, reference = tables(policy)
    slow = slow_actor(config, episodes, rows, expected, table, reference)
    assert_close(grids(policy.actor_parameters()), slow.gradient)
    if config.kl_coef == 0:
        slow.stats.pop("reference_kl")
    assert {k: float(v) for k, v in stats.items()} == pytest.approx(slow.stats, rel=1e-6, abs=1e-7)
    cases = {"on", "high", "low"} | ({"dual"} if config.dual_clip else set())
    assert cases <= set(slow.seen), f"{name} does not reach every side of the clip: {slow.seen}"


@pytest.mark.parametrize("name", [name for name, config in CASES.items() if config.uses_critic])
def test_the_critics_gradient_is_that_of_the_configured_loss(name: str) -> None:
    config = CASES[name]
    batch, episodes, names = made_up()
    policy, targets, start = learner(config, batch, names)
    expected = expected_of(config, episodes, names, start)
    for warming_up, clip in ((False, config.value_clip), (True, math.inf)):
        policy.critic["table"].weight.grad = None
        critic = critic_objective(config, policy, batch, targets, warming_up=warming_up)
        assert list(critic.rows) == list(range(18)), "a tie says as much about values as the rest"
        stats = backward(config, critic, ROWS, policy.critic_parameters())
        slow = slow_critic(config, episodes, ROWS, expected, tables(policy)[1], clip=clip)
        assert_close(grids(policy.critic_parameters()), slow.gradient)
        assert {k: float(v) for k, v in stats.items()} == pytest.approx(
            slow.stats, rel=1e-6, abs=1e-7
        )
        assert ("held" in slow.seen) == (not warming_up)


def test_neither_network_moves_the_other() -> None:
    config = replace(CASES["both"], kl_coef=0.5)
    batch, _, names = made_up()
    policy, targets, _ = learner(config, batch, names)
    backward(
        config, actor_objective(config, policy, batch, targets), ROWS, policy.actor_parameters()
    )
    assert policy.critic["table"].weight.grad is None
    policy.actor["table"].weight.grad = None
    critic = critic_objective(config, policy, batch, targets)
    backward(config, critic, ROWS, policy.critic_parameters())
    assert policy.actor["table"].weight.grad is None
