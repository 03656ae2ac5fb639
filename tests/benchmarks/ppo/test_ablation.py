"""Laws of `benchmarks.ppo.ablation` and `ablation_task`.

The ablations run, and their two defects are what they say they are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

torch = pytest.importorskip("torch")
from algos.ppo import training  # noqa: E402
from algos.ppo.config import PPOConfig  # noqa: E402
from algos.rollout.playing import EpisodeSpec, collect  # noqa: E402
from benchmarks.ppo import ablation  # noqa: E402
from benchmarks.ppo.ablation import QUICK, Settings, ablations, main, stop_token_left_out  # noqa: E402
from benchmarks.ppo.ablation_task import (  # noqa: E402
    CHOICES,
    STOP,
    SmallPolicy,
    cloned_policy,
    make_envs,
    questions,
)
from policies.base import TrainablePolicy  # noqa: E402
from sage_env import Answer, Zoom  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def played() -> tuple[SmallPolicy, list[Any]]:
    policy = cloned_policy(0)
    specs = [EpisodeSpec(item.id, 0) for item in questions() for _ in range(6)]
    return policy, collect(make_envs(8, "answer"), policy, specs, seed=0)


def test_hard_questions_need_a_look_and_easy_ones_do_not() -> None:
    (env,) = make_envs(1, "answer")
    for item in questions():
        first, _ = env.reset(options={"item_id": item.id})
        shown = int(first["frames"][0].max())
        assert bool(shown) == item.id.startswith("easy")
        if not shown:
            second, *_ = env.step(Zoom(40.0, 44.0, 1))
            shown = int(second["frames"][0].max())
        assert env.step(Answer(CHOICES[shown // 50 - 1]))[1] == 1.0


def test_the_policy_keeps_the_contract_and_scores_as_it_samples(played) -> None:
    policy, episodes = played
    assert isinstance(policy, TrainablePolicy)
    batch = training.collate(episodes, 1.0)
    with torch.no_grad():
        gap = (policy.evaluate(batch).logprobs - batch.old_logprobs)[batch.sampled]
    assert gap.abs().max() < 1e-5
    assert {t.num_turns for t in episodes} >= {1, 2}


def test_every_estimator_of_the_settings_has_a_line() -> None:
    names = [case.name for case in ablations()]
    assert len(set(names)) == len(names)
    for value in get_args(get_type_hints(PPOConfig)["advantage"]):
        assert value == PPOConfig.advantage or f"advantage={value}" in names
    assert {"GAE of the preset turn-ppo", "GAE of the preset bi-level"} <= set(names)
    clocks = {case.changes.get("clock", PPOConfig.clock) for case in ablations()}
    assert clocks == set(get_args(get_type_hints(PPOConfig)["clock"]))
    assert {"default", "no critic warm-up", "reward efficient", "reward sage"} <= set(names)


def test_a_batch_as_one_group_has_another_baseline(played) -> None:
    policy, episodes = played
    batch = training.collate(episodes, 1.0)
    config = replace(QUICK, advantage="group", whiten=False)
    groups = [str(t.item_id) for t in episodes]
    with ablation.whole_batch_group():
        targets = training.make_targets(config, policy, batch, groups)
    scores = batch.rewards.sum(1)
    for row in range(len(batch)):
        others = (scores.sum() - scores[row]) / (len(batch) - 1)
        advantages = targets.advantages[row][batch.sampled[row]]
        assert torch.allclose(advantages, scores[row] - others, atol=1e-6)
    apart = training.make_targets(config, policy, batch, groups)
    assert not torch.allclose(apart.advantages, targets.advantages)


def test_a_stop_token_that_is_left_out_leaves_the_return_as_it_was(played) -> None:
    _, episodes = played
    whole = training.collate(episodes, 1.0)
    with stop_token_left_out():
        batch = training.collate(episodes, 1.0)
    kept = batch.sampled.any(1) & ((batch.ids != STOP) & whole.sampled).any(1)
    assert not (batch.sampled & (batch.ids == STOP))[kept].any()
    assert (whole.sampled & (batch.ids == STOP)).any() and not (
        batch.sampled & ~whole.sampled
    ).any()
    assert torch.equal(batch.rewards.sum(1), whole.rewards.sum(1)) and whole.rewards.any()
    assert not batch.rewards[~batch.sampled].any()
    assert training.collate(episodes, 1.0).sampled.equal(whole.sampled), "it ends with the block"


@pytest.mark.slow
def test_the_quick_run_writes_a_line_for_every_case(tmp_path: Path) -> None:
    main(Settings(quick=True, out=tmp_path))
    text = (tmp_path / "ppo_ablation.md").read_text(encoding="utf-8")
    for case in ablations():
        assert any(line.startswith(f"{case.name}  ") for line in text.splitlines()), case.name
