"""Laws of `algos.ppo.training`, `algos.ppo.question_specs`: the whole trainer, on a toy task."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from algos.batching.token_batches import collate
from algos.exactness.rescoring import ExactnessError
from algos.ppo import training, update
from algos.ppo.training import PPOConfig, draw_specs, train
from algos.rollout.playing import EpisodeSpec, collect
from algos.runs.checkpoint import Best, ConfigChanged, load_best, load_latest
from algos.runs.metrics import read_metrics
from policies.base import Evaluation, TokenBatch, TrainablePolicy
from sage_env.errors import SageEnvError
from tests.helpers.toy import ITEMS, TOY_PPO, ToyEnv, ToyPolicy, cloned_policy, envs, interrupted_at

torch.set_num_threads(1)
SMALL = replace(
    TOY_PPO,
    updates=4,
    questions_per_update=4,
    episodes_per_question=4,
    micro_batch=5,
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


def flip_the_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    straight = update.policy_loss

    def flipped(new, old, advantages, *rest, **kwargs):
        return straight(new, old, -advantages, *rest, **kwargs)

    monkeypatch.setattr(update, "policy_loss", flipped)


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
    played = collect(envs(), policy, [EpisodeSpec(item) for item in ITEMS], seed=9)
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


def test_a_finished_run_deletes_what_its_last_process_had_no_time_to_delete(tmp_path: Path) -> None:
    config = replace(SMALL, updates=4, keep_last=2)
    run(config, tmp_path)
    checkpoints = tmp_path / "checkpoints"
    kept = sorted(checkpoints.iterdir())
    (proof,) = (tmp_path / "proof").glob("*.jsonl")
    shutil.copytree(kept[-1], checkpoints / "update-000001")  # killed between writing and deleting
    shutil.copy(proof, proof.with_name("update-000001.jsonl"))
    run(config, tmp_path)
    assert sorted(checkpoints.iterdir()) == kept
    assert list((tmp_path / "proof").glob("*.jsonl")) == [proof]


@pytest.mark.parametrize("moment", ["collect", "fit", "save"])
def test_an_interrupt_in_the_middle_of_an_update_loses_nothing(tmp_path: Path, moment: str) -> None:
    whole = run(SMALL, tmp_path / "whole")
    with interrupted_at(moment, call=4):
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


class Late(ToyEnv):
    """A tool of ours is late in every episode of the item `q3`."""

    def step(self, action):
        *rest, info = super().step(action)
        return *rest, info | ({"tool_calls": {"late": 1}} if self.item == "q3" else {})


def test_episodes_with_a_late_tool_are_in_no_loss_and_no_baseline(tmp_path, monkeypatch) -> None:
    learned = []

    def collated(episodes, *rest):
        learned.extend(t.item_id for t in episodes)
        return collate(episodes, *rest)

    monkeypatch.setattr(training, "collate", collated)
    config = replace(SMALL, updates=1, questions_per_update=8, critic_warmup=0)
    train(config, cloned_policy(0), [Late() for _ in range(8)], ITEMS, tmp_path, progress=False)
    row = read_metrics(tmp_path / METRICS)[1]
    assert Counter(learned) == {name: 4 for name in ITEMS if name != "q3"} and "q3" in ITEMS
    assert (row["rollout/episodes"], row["rollout/failed"]) == (32, 0), "played and measured"
    with pytest.raises(SageEnvError, match="all 16 episodes of update 1 failed; first: a tool was"):
        train(SMALL, cloned_policy(0), [Late()], ["q3"], tmp_path / "none", progress=False)


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
    specs = [spec for update in range(1, 9) for spec in draw_specs(config, ITEMS, update)]
    assert Counter(spec.item_id for spec in specs) == {item: 6 for item in ITEMS}
    for lap in range(3):
        assert {spec.item_id for spec in specs[16 * lap : 16 * (lap + 1)]} == set(ITEMS)
    assert [spec.item_id for spec in specs[:16]] != [spec.item_id for spec in specs[16:32]]
    assert all(specs[i] == specs[i + 1] for i in range(0, len(specs), 2))
    assert len({spec.seed for spec in specs}) == len(specs) / 2
    assert draw_specs(config, ITEMS, 5) == specs[24:30]
    with pytest.raises(ValueError, match="at least one item"):
        draw_specs(config, [], 1)


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
