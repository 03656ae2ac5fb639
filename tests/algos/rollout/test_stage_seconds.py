"""Laws of `algos.rollout.stage_seconds`: the waits of an episode add up, and are its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from algos.rollout.playing import EpisodeSpec, collect, play
from algos.rollout.stage_seconds import PolicyClock
from policies.base import Decision
from policies.turn_usage import TurnUsage
from sage_env import Answer, QAItem, Sample, UseTool, VideoQAEnv
from sage_env.testing import open_memory
from tests.helpers.tools_to_try import Blueness
from tests.helpers.toy import ToyEnv, cloned_policy

NAP = 0.02


class Staged:
    """Decides in two stages that it times by itself, of which `said` seconds are told."""

    def __init__(self, said: Mapping[str, float]) -> None:
        self.said, self.calls = dict(said), 0

    def reset(self, *, seed=None):
        self.calls = 0

    def act(self, observation):
        time.sleep(NAP)
        self.calls += 1
        last = int(observation["turns_left"]) == 1
        return Answer("a") if last else Sample(0.0, 9.0, 2)

    def stage_seconds(self):
        return {name: 100 + self.calls * seconds for name, seconds in self.said.items()}


def env(**more) -> VideoQAEnv:
    items = [QAItem("q", Path("60.memory"), "which?", ("a", "b"), "b", "mcq")]
    return VideoQAEnv(dataset=items, opener=open_memory, frame_size=(8, 8), max_turns=2, **more)


def test_stages_are_the_policys_and_the_rest_is_told_as_policy() -> None:
    stages = play(env(), Staged({"prefill": NAP / 2, "generate": NAP / 4})).stage_seconds
    assert stages["prefill"] == pytest.approx(NAP) and stages["generate"] == pytest.approx(NAP / 2)
    assert stages["policy"] >= NAP / 2 and set(stages) == {"prefill", "generate", "policy"}


def test_stages_of_parallel_threads_are_no_longer_than_what_passed() -> None:
    played = play(env(), Staged({"prefill": 3.0, "generate": 1.0}))
    stages = played.stage_seconds
    assert stages["prefill"] == pytest.approx(3 * stages["generate"])
    assert sum(stages.values()) <= played.seconds


def test_a_decision_that_was_timed_by_itself_counts_as_that() -> None:
    clock, seconds = PolicyClock(object()), {"policy": 1.0, "tool": 7.0}
    own = Decision(Answer("a"), usage=TurnUsage((None,), seconds=0.125))
    clock.stop(seconds, own)
    assert seconds == {"policy": 1.125, "tool": 7.0}


def test_all_episodes_of_a_batch_wait_as_long_as_it_takes() -> None:
    policy = cloned_policy(0)
    decide = policy.act_batch

    def slowly(*batch):
        time.sleep(NAP)
        return decide(*batch)

    policy.act_batch = slowly
    played = collect([ToyEnv() for _ in range(4)], policy, [EpisodeSpec("q0")] * 4, seed=0)
    assert all(one.stage_seconds["policy"] >= NAP * one.num_turns for one in played)
    assert all(one.stage_seconds["policy"] <= one.seconds for one in played)


def test_tools_and_judges_are_told_apart_and_rules_take_no_judge() -> None:
    class Once:
        def reset(self, *, seed=None):
            self.first = True

        def act(self, observation):
            self.first, first = False, self.first
            return UseTool("blueness", {"at": 3.0}) if first else Answer("maybe so")

    def judge(item, text):
        time.sleep(NAP)
        return True

    open_ended = [QAItem("q", Path("60.memory"), "why?", (), "because")]
    made = {"opener": open_memory, "frame_size": (8, 8), "tools": (Blueness(),)}
    stages = play(VideoQAEnv(dataset=open_ended, judge=judge, **made), Once()).stage_seconds
    assert stages["judge"] >= NAP and stages["tool"] > 0
    ruled = play(VideoQAEnv(dataset=open_ended, **made), Once()).stage_seconds
    assert "judge" not in ruled
