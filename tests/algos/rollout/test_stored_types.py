"""Laws of `algos.rollout.stored_types`: an episode that no play has written is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from algos.rollout.trajectory import Trajectory, Turn
from policies.base import Decision
from sage_env import Answer, Sample

INFO = {"span": (1.0, 2.0), "frame_seconds": [1.0, 2.0], "reward_terms": {"correct": 1.0}}
PLAYED = Trajectory(
    "q",
    1,
    [
        Turn(Decision(Sample(0.0, 5.0, 2), "look"), 0.0, dict(INFO)),
        Turn(Decision(Answer("A"), "A"), 1.0, {"stop_reason": "answered", "correct": True}),
    ],
    {"frame_seconds": [0.0]},
    terminated=True,
).to_json()
ODD: tuple[Any, ...] = ("x", [None], {"a": [None]}, [[]], 10**400, [1], True)
PLACES = [
    ("item_id",), ("error",), ("start_info",), ("start_info", "frame_seconds"),
    *(("turns", 0, key) for key in ("text", "reward", "env_reward", "info")),
    *(("turns", 0, "info", key) for key in ("span", "box", "reward_terms", "stop_reason")),
    ("turns", 1, "info", "correct"), ("turns", 1, "info", "credit"),
    *(("turns", 0, "info", key) for key in ("spent", "told", "tool_calls", "judge_words")),
    *(("conditions", key) for key in ("max_turns", "max_frames", "temperature", "whole_video")),
    ("conditions", "policy_version"),
]  # fmt: skip


def changed(place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    data = copy.deepcopy(json.loads(json.dumps(PLAYED)))
    inner: Any = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return data


def test_what_was_played_is_read_back() -> None:
    assert Trajectory.from_json(json.loads(json.dumps(PLAYED))).to_json() == PLAYED


@pytest.mark.parametrize("place", PLACES)
def test_a_value_of_another_type_is_refused(place: tuple[Any, ...]) -> None:
    refused = 0
    for value in ODD:
        try:
            Trajectory.from_json(changed(place, value))
        except (KeyError, TypeError, ValueError, AttributeError):
            refused += 1
    suits = {"text": 1, "error": 1, "item_id": 1, "stop_reason": 1, "correct": 1}
    suits |= {"info": 1, "start_info": 1}
    more = {"reward": 1, "env_reward": 1, "credit": 1, "frame_seconds": 1}
    more |= {"told": 1, "judge_words": 1, "policy_version": 1, "whole_video": 1}
    assert refused >= len(ODD) - (suits | more).get(str(place[-1]), 0)
