"""Laws of `algos.ppo.exactness_guard`: vision passes per frame, and which proofs are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from algos.batching.token_batches import collate
from algos.exactness.check_result import ExactnessError
from algos.ppo import exactness_guard
from algos.ppo.exactness_guard import ExactnessGuard
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.runs import checkpoint
from algos.runs.checkpoint import Checkpoint
from policies.base import Decision
from policies.introspection import fingerprint
from sage_env import Answer
from tests.helpers.toy import ITEMS, TOY_PPO, ToyPolicy, envs

torch.set_num_threads(1)


class Counting(ToyPolicy):
    """Says how many frames it encoded."""

    encodes = 5  # in other rollouts, before this one


def played(policy: ToyPolicy) -> list[Trajectory]:
    return collect(envs(4), policy, [EpisodeSpec(item) for item in ITEMS], seed=1)


def checked(policy: ToyPolicy, folder: Path, failed: Decision | None = None) -> dict[str, float]:
    guard = ExactnessGuard(TOY_PPO, policy, folder)
    guard.record_sampler()
    episodes = played(policy)
    if isinstance(policy, Counting):
        policy.encodes += 12
    everyone = [*episodes, Trajectory("q", error="JudgeError: no reply", failed=failed)]
    return guard.check(1, everyone, collate(episodes, 1.0), episodes, [0, 2])  # type: ignore[return-value]


def test_vision_passes_per_frame_count_those_of_failed_episodes_too(tmp_path: Path) -> None:
    policy = Counting()
    frames = {key for t in played(policy) for key in t.frames}
    for failed in (None, Decision(Answer("a"))):  # a decision without tokens has no frames
        found = checked(policy, tmp_path, failed)
        assert found["proof/encodes_per_frame"] == pytest.approx(12 / len(frames))
    tokens = replace(played(policy)[0].turns[0].decision.tokens, frames=(b"another",))
    found = checked(policy, tmp_path, Decision(Answer("a"), "a", tokens))
    assert found["proof/encodes_per_frame"] == pytest.approx(12 / (len(frames) + 1))
    assert checked(ToyPolicy(), tmp_path)["proof/encodes_per_frame"] is None


def test_where_nothing_is_compared_nothing_is_read(tmp_path: Path, monkeypatch) -> None:
    """Reading all weights of a large model takes long."""
    monkeypatch.setattr(exactness_guard, "fingerprint", None)
    ExactnessGuard(replace(TOY_PPO, rescore_sample=0), ToyPolicy(), tmp_path).record_sampler()
    with pytest.raises(TypeError):
        ExactnessGuard(TOY_PPO, ToyPolicy(), tmp_path).record_sampler()


def test_a_proof_is_kept_as_long_as_the_checkpoint_that_sampled_it(tmp_path: Path) -> None:
    policy = ToyPolicy()
    for update in (0, 1):
        checkpoint.save(
            tmp_path / "checkpoints", Checkpoint(update, policy.state(), {}), keep_last=2
        )
    guard = ExactnessGuard(TOY_PPO, policy, tmp_path)
    guard.record_sampler()
    episodes = played(policy)
    batch = collate(episodes, 1.0)
    for update in (1, 2, 3):  # nothing sampled update 3: there is no checkpoint 2
        guard.check(update, episodes, batch, episodes, [0])
    kept = lambda: sorted(path.name for path in guard.folder.iterdir())  # noqa: E731
    assert kept() == ["update-000001.jsonl", "update-000002.jsonl"]
    checkpoint.save(tmp_path / "checkpoints", Checkpoint(2, policy.state(), {}), keep_last=2)
    guard.prune()
    assert kept() == ["update-000002.jsonl"]


def test_vision_passes_of_no_frames_have_no_share(tmp_path: Path) -> None:
    policy = Counting()
    guard = ExactnessGuard(TOY_PPO, policy, tmp_path)
    guard.record_sampler()
    episodes = played(policy)
    bare = [replace(t, turns=[]) for t in episodes]
    row = guard.check(1, bare, collate(episodes, 1.0), episodes, [0])
    assert row["proof/encodes_per_frame"] is None


def test_it_begins_to_count_where_the_rollout_began(tmp_path: Path) -> None:
    policy = Counting()
    guard, episodes = ExactnessGuard(TOY_PPO, policy, tmp_path), played(policy)
    frames = {key for t in episodes for key in t.frames}
    for begun in (0, 7):
        policy.encodes = begun
        guard.record_sampler()
        policy.encodes += 3
        row = guard.check(1, episodes, collate(episodes, 1.0), episodes, [0])
        assert row["proof/encodes_per_frame"] == pytest.approx(3 / len(frames))


def test_weights_that_moved_or_are_anothers_stop_the_run(tmp_path: Path) -> None:
    class Served(ToyPolicy):
        held = ""

        def fingerprint(self) -> str:
            return self.held or fingerprint(self.actor_parameters())

    policy = Served()
    guard, episodes = ExactnessGuard(TOY_PPO, policy, tmp_path), played(policy)

    def check() -> dict[str, float | None]:
        return guard.check(1, episodes, collate(episodes, 1.0), episodes, [0])

    guard.record_sampler()
    check()
    policy.held = "of an older update"
    with pytest.raises(ExactnessError, match="sampled have the fingerprint of an older update"):
        check()
    plain = ToyPolicy()
    guard = ExactnessGuard(TOY_PPO, plain, tmp_path)
    guard.record_sampler()
    with torch.no_grad():
        plain.actor_parameters()[0].add_(1e-6)
    with pytest.raises(ExactnessError, match="or they moved during the rollout"):
        check()


def test_what_is_scored_again_is_what_the_settings_say(tmp_path: Path, monkeypatch) -> None:
    asked = []

    def rescored(*args, **kwargs):
        asked.append(kwargs)
        return rescore(*args, **kwargs)

    rescore = exactness_guard.rescore
    monkeypatch.setattr(exactness_guard, "rescore", rescored)
    config = replace(TOY_PPO, micro_batch=3, rescore_tolerance=0.5, clip_low=0.1, clip_high=0.4)
    policy = ToyPolicy()
    guard, episodes = ExactnessGuard(config, policy, tmp_path), played(policy)
    guard.record_sampler()
    row = guard.check(1, episodes, collate(episodes, 1.0), episodes, [3, 0])
    assert asked == [{"micro_batch": 3, "tolerance": 0.5, "clip": (0.1, 0.4)}]
    spoken = sum(int(episodes[k].sampled.sum()) for k in (3, 0))
    assert row["proof/tokens"] == spoken


def test_a_proof_says_what_is_needed_to_play_it_again(tmp_path: Path) -> None:
    policy = ToyPolicy()
    for update in (0, 4):
        checkpoint.save(
            tmp_path / "checkpoints", Checkpoint(update, policy.state(), {}), keep_last=2
        )
    config = replace(TOY_PPO, temperature=0.5, rescore_tolerance=0.25)
    guard, episodes = ExactnessGuard(config, policy, tmp_path), played(policy)
    guard.record_sampler()
    guard.check(5, episodes, collate(episodes, 1.0), episodes, [2, 1])
    header, *lines = map(
        json.loads, (guard.folder / "update-000005.jsonl").read_text().splitlines()
    )
    assert header == {
        **dict(update=5, checkpoint=4, temperature=0.5, tolerance=0.25),
        "weights": fingerprint(policy.actor_parameters()),
    }
    assert lines == [episodes[2].to_json(), episodes[1].to_json()]
