"""Laws of `algos.runs.behaviour_metrics`: shares of turns and of episodes, worked by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from algos.rollout.trajectory import Trajectory, Turn
from algos.runs.behaviour_metrics import behaviour_row, reward_row
from policies.base import Decision, TurnTokens
from sage_env import Answer, Invalid, Sample, Skip, UseTool, Zoom
from tests.helpers.handmade import trajectory

STOP = 9
LOOK, ZOOM = Sample(0.0, 1.0, 2), Zoom(0.0, 1.0, 1)


def played(*actions: Any, seconds: float = 100.0, reason: str = "answered", **last: Any):
    """Return an episode whose turns show as many frames as their actions ask for."""
    turns = []
    for action in actions:
        frames = [0.5] * getattr(action, "num_frames", 0)
        turns.append(Turn(Decision(action), 0.0, {"frame_seconds": frames}))
    turns[-1].info.update(stop_reason=reason, **last)
    start = {"frame_seconds": [1.0, 2.0], "span": (0.0, seconds)}
    return Trajectory("q", 0, turns, start, terminated=True)


def spoken(episode: Trajectory, *completions: list[int]) -> Trajectory:
    """Return the episode with these tokens in its turns."""
    turns = [
        replace(turn, decision=replace(turn.decision, tokens=TurnTokens(
            np.array([1]), np.array(ids, np.int64), np.zeros(len(ids), np.float32)
        )))
        for turn, ids in zip(episode.turns, completions, strict=True)
    ]  # fmt: skip
    return replace(episode, turns=turns)


def failed(*actions: Any) -> Trajectory:
    return replace(played(*actions), error="VideoError: gone")


EPISODES = [
    played(Answer("a")),
    played(LOOK, LOOK, Answer("a")),
    played(ZOOM, UseTool("transcribe"), Invalid("?", "no action"), Skip(3.0), seconds=30.0,
           reason="out_of_turns"),
    failed(Answer("b"), Invalid("?", "no action")),
]  # fmt: skip


def test_actions_are_shares_of_turns() -> None:
    row = behaviour_row(EPISODES)
    found = {name: row[name] for name in row if name.startswith("actions/")}
    assert found == {
        "actions/answer": 2 / 8,
        "actions/sample": 2 / 8,
        "actions/zoom": 1 / 8,
        "actions/use_tool": 1 / 8,
        "actions/invalid": 1 / 8,
        "actions/skip": 1 / 8,
    }
    assert sum(found.values()) == pytest.approx(1.0)


def test_ends_and_first_turns_are_shares_of_episodes() -> None:
    row = behaviour_row(EPISODES)
    assert row["rollout/out_of_turns"] == 1 / 3 and row["rollout/first_turn_answer"] == 1 / 3
    nobody_says = [replace(t, turns=[replace(x, info={}) for x in t.turns]) for t in EPISODES]
    assert behaviour_row(nobody_says)["rollout/out_of_turns"] is None


def test_a_tool_is_skipped_where_there_is_one() -> None:
    assert behaviour_row(EPISODES, has_tools=True)["rollout/tool_skip"] == 2 / 3
    assert behaviour_row(EPISODES, has_tools=False)["rollout/tool_skip"] is None
    assert behaviour_row(EPISODES)["rollout/tool_skip"] is None


def test_frames_are_those_of_an_episode_with_its_overview() -> None:
    row = behaviour_row([*EPISODES, played(Answer("a"), seconds=59.0)])
    assert [row[f"rollout/frames_{name}"] for name in ("min", "median", "max")] == [2, 2.5, 6]
    buckets = {name: row[name] for name in row if name.startswith("rollout/frames/")}
    assert buckets == {"rollout/frames/0-60": 2.5, "rollout/frames/60-180": 4.0}


def test_a_completion_without_the_stop_token_was_cut() -> None:
    first = spoken(EPISODES[0], [4, STOP])
    second = spoken(EPISODES[1], [4, 5, STOP], [STOP, 4, 5, 6], [7])
    row = behaviour_row([first, second], stop_token=STOP)
    assert row["rollout/length_limit"] == 2 / 4 and row["rollout/tokens_per_turn"] == 10 / 4
    assert behaviour_row([first, second])["rollout/length_limit"] is None


def test_nothing_that_was_played_is_nothing_that_was_measured() -> None:
    row = behaviour_row([EPISODES[-1]], stop_token=STOP, has_tools=True)
    assert set(row.values()) == {None}
    silent = behaviour_row([trajectory("q", True)], stop_token=STOP)
    assert silent["rollout/tokens_per_turn"] is None and silent["rollout/length_limit"] is None


def test_reward_terms_add_up_to_the_mean_return() -> None:
    def earning(*terms: dict[str, float]) -> Trajectory:
        turns = [Turn(Decision(LOOK), sum(each.values()), {"reward_terms": each}) for each in terms]
        return Trajectory("q", 0, turns, {})

    episodes = [
        earning({"answer": 1.0, "cost": -0.25}),
        earning({"cost": -0.5}, {"answer": 0.0, "cost": -0.125}),
        earning({"format": -1.0}),
        earning(),
    ]
    row = reward_row(episodes)
    assert row == {"reward/answer": 0.25, "reward/cost": -0.21875, "reward/format": -0.25}
    assert sum(x for x in row.values() if x is not None) == sum(t.ret for t in episodes) / 4
    assert reward_row([trajectory("q", True)]) == {} == reward_row([])
