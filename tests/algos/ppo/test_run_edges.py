"""Laws of `algos.ppo.training`: first and last updates, what is optional, where a run stops,
and that what our side failed, or was late in, is in no loss and no group.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from algos.ppo import training
from algos.ppo.question_specs import learned_from
from algos.ppo.training import train
from algos.rollout.playing import EpisodeSpec
from algos.rollout.trajectory import Trajectory, Turn
from algos.runs import checkpoint
from algos.runs.checkpoint import ConfigChanged
from algos.runs.metrics import read_metrics
from algos.runs.stopping import Stopped, StopRequest
from algos.seeds import subseed
from policies.base import Decision
from sage_env import Answer
from sage_env.errors import SageEnvError
from tests.helpers.toy import ITEMS, TOY_PPO, ToyPolicy, cloned_policy, envs

torch.set_num_threads(1)
CONFIG = replace(
    TOY_PPO, updates=2, questions_per_update=2, episodes_per_question=3, critic_warmup=0
)


def run(config, folder: Path, items=ITEMS, policy=None, **options):
    policy = policy or cloned_policy(0)
    train(config, policy, envs(6), items, folder, **{"progress": False, **options})
    return policy


def kept(folder: Path) -> list[int]:
    return [k for k in range(9) if checkpoint.exists(folder / "checkpoints", k)]


def test_checkpoints_are_the_due_ones_the_best_and_the_last(tmp_path: Path) -> None:
    scores = iter([0.1, 0.9, 0.2, 0.3])
    config = replace(CONFIG, updates=3, checkpoint_every=2, eval_every=1, keep_last=9)
    run(config, tmp_path, validate=lambda _: next(scores))
    assert kept(tmp_path) == [0, 1, 2, 3]
    run(replace(config, checkpoint_every=4, eval_every=5), tmp_path / "few")
    assert kept(tmp_path / "few") == [0, 3], "the start is due, the end is kept"


def test_what_may_change_between_the_parts_of_a_run(tmp_path: Path) -> None:
    run(CONFIG, tmp_path)
    may = {"updates": 3, "micro_batch": 7, "workers": 2, "checkpoint_every": 3, "keep_last": 1}
    run(replace(CONFIG, **may), tmp_path)
    with pytest.raises(ConfigChanged, match="minibatches"):
        run(replace(CONFIG, minibatches=3), tmp_path)
    for items in (ITEMS[:-1], ITEMS[::-1]):
        with pytest.raises(ConfigChanged, match="items"):
            run(CONFIG, tmp_path, items)
    decaying = replace(CONFIG, lr_decay=True)
    run(decaying, tmp_path / "decaying")
    with pytest.raises(ConfigChanged, match="updates"):
        run(replace(decaying, updates=3), tmp_path / "decaying")


def test_other_packages_are_said_where_a_run_goes_on(tmp_path: Path, monkeypatch, caplog) -> None:
    run(CONFIG, tmp_path)
    run(replace(CONFIG, updates=3), tmp_path)
    assert "other packages" not in caplog.text
    monkeypatch.setattr(checkpoint, "changed_versions", lambda then: "torch: was 1, is 2")
    with caplog.at_level(logging.WARNING):
        run(replace(CONFIG, updates=4), tmp_path)
    assert "not bit for bit: torch: was 1, is 2" in caplog.text


def test_learning_draws_from_the_seed_of_its_update(tmp_path: Path, monkeypatch) -> None:
    """Also where a policy draws in its passes: whatever torch was seeded with before."""
    seen: list[int] = []
    straight = training.make_targets

    def watched(*args):
        seen.append(torch.initial_seed())
        return straight(*args)

    monkeypatch.setattr(training, "make_targets", watched)
    for before in (1, 2):
        torch.manual_seed(before)
        run(replace(CONFIG, seed=5), tmp_path / str(before))
    assert seen == [subseed(5, "torch", update) for update in (1, 2)] * 2


@pytest.mark.parametrize("sample", [0, 1, 4])
def test_as_many_episodes_are_scored_again_as_are_asked_for(tmp_path, monkeypatch, sample) -> None:
    asked: list[list[int]] = []
    check = training.ExactnessGuard.check

    def watched(self, update, played, batch, episodes, rows):
        asked.append(rows)
        return check(self, update, played, batch, episodes, rows)

    monkeypatch.setattr(training.ExactnessGuard, "check", watched)
    run(replace(CONFIG, rescore_sample=sample), tmp_path)
    assert [len(set(rows)) for rows in asked] == [min(sample, 6)] * (2 * (sample > 0))
    assert sample != 4 or asked[0] != asked[1], "others in every update"
    row = read_metrics(tmp_path / "metrics.jsonl")[-1]
    assert any(name.startswith("proof/") for name in row) == (sample > 0)


def test_what_a_policy_measures_is_logged(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(ToyPolicy, "measures", lambda self: {"policy/x": 3.0}, raising=False)
    run(CONFIG, tmp_path)
    assert [row.get("policy/x") for row in read_metrics(tmp_path / "metrics.jsonl")] == [
        None, 3.0, 3.0
    ]  # fmt: skip


def test_an_update_of_which_every_episode_failed_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(SageEnvError, match="all 6 episodes of update 1 failed; first: VideoError"):
        run(CONFIG, tmp_path, ["unreadable"])


class Line:
    """A bar that remembers what it said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def set_description(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, [1]), (3, [1, 2, 3]), (19, list(range(1, 20))), (21, [*range(2, 21, 2), 21]),
     (30, list(range(3, 31, 3)))],
)  # fmt: skip
def test_a_rollout_says_ten_times_how_far_it_is_and_when_it_ends(count: int, said) -> None:
    bar, policy = Line(), ToyPolicy()
    specs = [EpisodeSpec(ITEMS[k % 8], k) for k in range(count)]
    played = training._roll_out(CONFIG, policy, envs(4), specs, 2, bar, StopRequest())  # type: ignore[arg-type]
    assert len(played) == count
    assert bar.said == [f"update 2: {k}/{count} episodes" for k in said]


def test_a_rollout_stops_where_it_is_asked_to() -> None:
    for before in (1, 3):
        left = [before]

        def check(left=left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Stopped("enough")

        bar, stop = Line(), SimpleNamespace(check=check)
        specs = [EpisodeSpec(ITEMS[k], k) for k in range(8)]
        with pytest.raises(Stopped):
            training._roll_out(CONFIG, ToyPolicy(), envs(1), specs, 1, bar, stop)  # type: ignore[arg-type]
        assert len(bar.said) == before - 1


def test_a_stop_after_the_rollout_moves_no_weight_and_saves_what_was_not(tmp_path, monkeypatch):
    """The request comes while episodes are scored again, the last moment before weights move."""
    requests: list[StopRequest] = []
    straight, check = training._update, training.ExactnessGuard.check

    def remembered(*args):
        requests.append(args[-1])
        return straight(*args)

    def asked(self, update, *rest):
        row = check(self, update, *rest)
        requests[-1].requested = update == 2
        return row

    monkeypatch.setattr(training, "_update", remembered)
    monkeypatch.setattr(training.ExactnessGuard, "check", asked)
    policy = cloned_policy(0)
    config = replace(CONFIG, checkpoint_every=9, updates=3)
    with pytest.raises(Stopped, match="stopped after update 1, which is saved"):
        run(config, tmp_path, policy=policy)
    assert kept(tmp_path) == [0, 1]
    saved = checkpoint.load(tmp_path / "checkpoints", 1).policy
    assert all(torch.equal(saved[name], x) for name, x in policy.state().items())


@pytest.mark.parametrize(("name", "value"), [("top_k", 1), ("top_p", 1 - 1e-9), ("top_p", 0.0)])
def test_the_least_cut_is_a_cut(name: str, value: float) -> None:
    policy: Any = ToyPolicy()
    policy.top_k, policy.top_p = 0, 1.0
    training._roll_out(CONFIG, policy, envs(1), [EpisodeSpec("q0")], 1, Line(), StopRequest())  # type: ignore[arg-type]
    setattr(policy, name, value)
    with pytest.raises(ValueError, match="cannot be re-scored"):
        training._roll_out(CONFIG, policy, [], [], 1, Line(), StopRequest())  # type: ignore[arg-type]


def test_a_group_learns_in_its_first_update_whatever_a_critic_would_need(tmp_path) -> None:
    config = replace(CONFIG, updates=1, questions_per_update=6, advantage="group", critic_warmup=5)
    policy, before = cloned_policy(0), cloned_policy(0).state()
    run(config, tmp_path, policy=policy)
    moved = {name for name, x in policy.state().items() if not torch.equal(x, before[name])}
    assert moved and all(name.startswith("actor.") for name in moved)


def test_a_run_that_goes_on_keeps_what_its_checkpoint_knows_and_no_more(tmp_path: Path) -> None:
    """Rows of updates that are played again are dropped, and checkpoints beyond what is kept."""
    config = replace(CONFIG, updates=3, keep_last=9)
    run(config, tmp_path)
    assert kept(tmp_path) == [0, 1, 2, 3]
    run(replace(config, keep_last=2), tmp_path)
    assert kept(tmp_path) == [2, 3]
    rows = [row["update"] for row in read_metrics(tmp_path / "metrics.jsonl")]
    assert rows == [0, 1, 2, 3]
    for path in (tmp_path / "checkpoints").glob("*000003*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    run(replace(config, keep_last=2), tmp_path)
    assert [row["update"] for row in read_metrics(tmp_path / "metrics.jsonl")] == rows


def test_a_stop_in_a_validation_ends_the_run_after_it_and_saves_its_update(tmp_path, monkeypatch):
    requests: list[StopRequest] = []
    straight = training._update

    def remembered(*args):
        requests.append(args[-1])
        return straight(*args)

    def validate(policy) -> float:
        requests[-1].requested = len(requests) == 2  # that is update 1
        return -float(len(requests))  # never better than the start

    monkeypatch.setattr(training, "_update", remembered)
    config = replace(CONFIG, updates=5, checkpoint_every=9, eval_every=1, keep_last=9)
    with pytest.raises(Stopped, match="stopped after update 1, which is saved"):
        run(config, tmp_path, validate=validate)
    assert kept(tmp_path) == [0, 1] and len(requests) == 2


def test_a_tracker_is_told_every_update(tmp_path: Path) -> None:
    told: list[int] = []

    class Told:
        def log(self, update: int, row: Any) -> None:
            told.append(update)

    run(CONFIG, tmp_path, tracker=Told())
    assert told == [0, 1, 2]


def hindered(error: str | None = None, **calls: int) -> Trajectory:
    turn = Turn(Decision(Answer("x"), ""), 1.0, {"tool_calls": calls})
    return Trajectory("q", 0, [turn], {}, terminated=True, error=error)


def test_the_others_keep_the_group_of_their_own_question() -> None:
    specs = [EpisodeSpec(f"q{k // 2}", k) for k in range(6)]
    episodes = [
        hindered(late=1),
        hindered(ok=1),
        hindered("VideoError: gone"),
        hindered(late=1, ok=2),
    ]
    episodes += [hindered(refused=1), hindered()]
    left, groups = learned_from(specs, episodes, 3)
    assert left == [episodes[1], episodes[4], episodes[5]]
    assert groups[1] == groups[2] != groups[0]
    assert groups == learned_from(specs, [hindered() for _ in specs], 3)[1][1:2] + groups[1:]


def test_if_none_is_left_the_update_ends_with_a_reason() -> None:
    specs = [EpisodeSpec("q", 0), EpisodeSpec("q", 1)]
    with pytest.raises(SageEnvError, match="all 2 episodes of update 3 failed; first: a tool was"):
        learned_from(specs, [hindered(late=1), hindered("x")], 3)
    with pytest.raises(SageEnvError, match="failed; first: VideoError: gone"):
        learned_from(specs, [hindered("VideoError: gone"), hindered(late=1)], 3)
