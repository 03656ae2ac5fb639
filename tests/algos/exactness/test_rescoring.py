"""Laws of `algos.exactness.rescoring`: what is measured, what stops a run, and what is then said.

The toy policy plays exactly. Its rounding and its bugs are put into the log-probs by hand, so that
it is known what has to be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from algos.batching.token_batches import collate
from algos.exactness.check_result import CheckResult
from algos.exactness.rescoring import rescore
from algos.exactness.tolerance import BFLOAT16
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from policies.base import Evaluation, TokenBatch
from tests.helpers.toy import ITEMS, ToyPolicy, cloned_policy, envs

torch.set_num_threads(1)
NOISE = 0.002  # nats, of rounding in 16 bits where the policy has doubts


class Rounded(ToyPolicy):
    """Computes in bfloat16: how a score is rounded depends on how many episodes share a pass."""

    compute_dtype = torch.bfloat16
    passes: list[int]

    def evaluate(self, batch: TokenBatch) -> Evaluation:
        found = super().evaluate(batch)
        self.passes.append(len(batch))
        generator = torch.Generator().manual_seed(len(batch))
        noise = torch.randn(batch.ids.shape, generator=generator) * NOISE
        doubt = -found.logprobs.detach().expm1()
        return replace(found, logprobs=found.logprobs + noise * doubt * batch.sampled)


@pytest.fixture
def policy() -> Rounded:
    policy = Rounded()
    policy.load_state(cloned_policy(0).state())
    policy.passes = []
    return policy


def played(policy: ToyPolicy, count: int = 8) -> list[Trajectory]:
    return collect(envs(4), policy, [EpisodeSpec(k) for k in ITEMS * (count // 8)], seed=1)


def scored(policy: ToyPolicy, episodes: Sequence[Trajectory], **settings) -> CheckResult:
    batch = collate(episodes, settings.pop("temperature", 1.0))
    return rescore(policy, batch, episodes, **{"micro_batch": 4, "tolerance": None, **settings})


def shifted(trajectory: Trajectory, by: float | np.ndarray, turn: int = -1) -> Trajectory:
    """The episode as a sampler would have it whose log-probs are off in one turn."""
    turns = list(trajectory.turns)
    tokens = turns[turn].decision.tokens
    changed = replace(tokens, logprobs=(tokens.logprobs + by).astype(np.float32))
    turns[turn] = replace(turns[turn], decision=replace(turns[turn].decision, tokens=changed))
    return replace(trajectory, turns=turns)


def test_float32_is_scored_once_and_16_bits_alone_and_beside_a_twin_as_well(
    policy: Rounded,
) -> None:
    episodes = played(policy)
    for micro_batch, first in ((4, [4, 4]), (1, [1] * 8)):
        policy.passes = []
        scored(policy, episodes, micro_batch=micro_batch)
        assert policy.passes == first + [1] * 8 + [2] * 8
    policy.compute_dtype, policy.passes = torch.float32, []
    found = scored(policy, episodes).metrics
    assert policy.passes == [4, 4] and not [name for name in found if "noise" in name]


def test_the_learners_noise_is_of_the_same_episode_and_of_no_sampler(policy: Rounded) -> None:
    episodes = played(policy)
    exact = Rounded.__mro__[1].evaluate
    policy.evaluate = lambda batch: exact(policy, batch)  # type: ignore[method-assign]
    wrong = [shifted(t, 0.3, 0) for t in episodes]
    found = scored(policy, wrong).metrics
    assert found["proof/mean_dlogp"] > 0.05 and found["proof/noise_max"] < 1e-5


def test_what_is_measured_is_what_was_put_in(policy: Rounded) -> None:
    exact = ToyPolicy()
    exact.load_state(policy.state())
    episodes = played(exact)
    batch = collate(episodes, 1.0)
    quiet = scored(exact, episodes).metrics
    assert quiet["proof/max_dlogp"] < 1e-5 and quiet["proof/log_odds"] < 1e-4
    doubts = -np.expm1(batch.old_logprobs[batch.sampled].double().numpy())
    found = scored(policy, episodes).metrics
    assert found["proof/tokens"] == len(doubts)
    assert NOISE / 3 < found["proof/log_odds"] < 2 * NOISE  # the median of |normal| is 0.67
    assert NOISE / 3 < found["proof/noise_log_odds"] < 3 * NOISE  # of a difference of two
    assert found["proof/mean_dlogp"] < found["proof/q99_dlogp"] < found["proof/max_dlogp"]
    assert found["proof/mean_dlogp"] == pytest.approx(NOISE * 0.8 * doubts.mean(), rel=0.7)


@pytest.mark.parametrize("seed", range(3))
def test_rounding_passes_in_16_bits_and_would_not_in_float32(policy: Rounded, seed: int) -> None:
    episodes = collect(envs(4), policy, [EpisodeSpec(k) for k in ITEMS * 2], seed=seed)
    assert scored(policy, episodes).verdict == "ok"
    policy.compute_dtype = torch.float32
    problem = scored(policy, episodes).problem
    assert "re-scored tokens are off by more than 0.001; the first: item" in problem


def test_another_temperature_is_found_in_the_noise_of_16_bits(policy: Rounded) -> None:
    """No token alone tells: the largest gap is one that 16 bits may have."""
    episodes = played(policy, 64)
    found = scored(policy, episodes, temperature=1.05)
    assert found.verdict == "FAILED" and found.metrics["proof/max_dlogp"] < BFLOAT16.max
    assert "re-scored tokens: median |gap| of log-odds" in found.problem
    assert "the worst: item 'q" in found.problem


def test_one_token_that_is_another_is_found_and_shown(policy: Rounded) -> None:
    episodes = played(policy, 64)
    sound = episodes[5]
    place = len(sound.turns) - 1
    episodes[5] = shifted(sound, 3.0)
    found = scored(policy, episodes)
    assert found.metrics["proof/mean_dlogp"] < 0.05
    assert "2 of" in found.problem and "off by more than 2; the first" in found.problem
    assert f"item {sound.item_id!r}, turn {place}, sampled token 0" in found.problem


def test_the_statistic_that_fails_is_told_and_the_worst_token_shown(policy: Rounded) -> None:
    episodes = played(policy)
    wrong = [
        shifted(t, np.array([1, -1], np.float32)[: len(t.turns[0].decision.tokens.logprobs)] / 2, 0)
        for t in episodes
    ]
    wrong[2] = shifted(wrong[2], 0.75, 0)
    problem = scored(policy, wrong).problem
    assert "re-scored tokens: mean |dlogp| 0." in problem and "more than 0.0" in problem
    assert f"the worst: item {wrong[2].item_id!r}, turn 0, sampled token 0" in problem


def test_a_tolerance_that_is_given_is_the_only_one(policy: Rounded) -> None:
    wrong = [shifted(t, 0.4, 0) for t in played(policy)]
    assert "mean |dlogp|" in scored(policy, wrong).problem
    policy.passes = []
    assert scored(policy, wrong, tolerance=0.5).problem == ""
    assert policy.passes == [4, 4]
    assert "off by more than 0.3" in scored(policy, wrong, tolerance=0.3).problem


def test_a_log_prob_that_is_no_number_stops_the_run(policy: Rounded) -> None:
    episodes = played(policy)
    episodes[1] = shifted(episodes[1], float("nan"))
    assert "off by more than 2; the first" in scored(policy, episodes).problem
