"""Laws of `algos.rollout.trajectory`: what a record keeps, and records that say less."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from algos.rollout.conditions import Conditions
from algos.rollout.trajectory import Trajectory, Turn, load_trajectories, save_trajectories
from policies.base import Decision, TurnTokens
from sage_env import Answer, Invalid, Sample

SPOKEN = TurnTokens(
    np.array([1, 2]), np.array([3]), np.array([-0.5], np.float32), (b"\x01f",), b"\x02c", 2, True
)


def of(*turns: Turn) -> Trajectory:
    return Trajectory("q", 0, list(turns))


def said(tokens: TurnTokens | None, reward: float = 0.0, **info) -> Turn:
    return Turn(Decision(Answer("a"), "a", tokens), reward, info)


def test_all_that_a_turn_says_of_its_tokens_comes_back() -> None:
    spread = np.array([0.25], np.float32)
    for tokens in (
        replace(SPOKEN, entropies=spread),
        replace(SPOKEN, fresh=False, dropped=0, context=b"", frames=()),
    ):
        row = json.loads(json.dumps(of(said(tokens)).to_json()))
        back = Trajectory.from_json(row).turns[0].decision.tokens
        assert back is not None
        for name in ("frames", "context", "dropped", "fresh"):
            assert getattr(back, name) == getattr(tokens, name), name
        assert (back.entropies is None) == (tokens.entropies is None)
        assert back.entropies is None or back.entropies.tolist() == [0.25]
        assert back.logprobs.dtype == np.float32 and back.prompt.dtype == np.int64


def test_only_later_turns_must_go_on_in_the_same_context() -> None:
    again, plain = said(SPOKEN), said(replace(SPOKEN, fresh=False))
    assert of(again, plain, plain).append_only and of(plain).append_only and of().append_only
    assert of(said(None), again, plain).append_only, "the first that has tokens"
    assert not of(plain, again).append_only and not of(again, plain, again).append_only


def test_a_record_of_a_version_that_kept_less_is_read() -> None:
    row = of(said(SPOKEN, 0.5), said(None, 1.0)).to_json()
    del row["conditions"]
    for turn in row["turns"]:
        del turn["env_reward"]
    back = Trajectory.from_json(row)
    assert back.conditions == Conditions()
    assert [turn.env_reward for turn in back.turns] == [0.5, 1.0]
    assert back.turns[1].decision.tokens is None and back.failed is None


def test_the_environments_own_reward_is_kept_beside_what_was_added() -> None:
    turn = said(None, 0.5)
    assert turn.env_reward == 0.5
    assert replace(turn, reward=2.0).env_reward == 0.5
    assert Turn(turn.decision, 1.0, {}, 0.0).env_reward == 0.0


def test_a_failed_episode_has_no_return_whatever_it_earned() -> None:
    earned = of(said(None, 0.5), said(None, 1.0))
    assert earned.ret == 1.5 and of().ret == 0.0
    assert math.isnan(replace(earned, error="VideoError: gone").ret)


def test_the_rule_is_that_of_the_last_turn_where_it_is_named() -> None:
    assert of(said(None, rule="exact"), said(None, rule="number")).rule == "number"
    assert of(said(None, rule="exact"), said(None)).rule is None
    assert of(said(None, rule=3)).rule is None and of().rule is None


@dataclass
class Spent:
    frames: int


def test_what_an_info_may_hold_becomes_plain_data() -> None:
    info = {"spent": Spent(2), "kind": Spent, "at": Path("a/b"), 3: (np.int64(1), [None, "x"])}
    (turn,) = of(said(None, **{"info": info})).to_json()["turns"]
    plain = {"spent": {"frames": 2}, "kind": Spent, "at": "a/b", "3": [1, [None, "x"]]}
    assert turn["info"] == {"info": plain}


def test_an_action_that_cannot_be_read_is_damage_and_what_was_invalid_is_not(tmp_path) -> None:
    invalid = Turn(Decision(Invalid("hm", "say one action"), "hm"), 0.0, {})
    look = Turn(Decision(Sample(0.0, 2.0, 1)), 0.0, {})
    path = tmp_path / "t.jsonl"
    save_trajectories(path, [of(invalid, look)])
    (back,) = load_trajectories(path)
    assert [t.decision.action for t in back.turns] == [
        Invalid("hm", "say one action"), Sample(0.0, 2.0, 1)
    ]  # fmt: skip
    row = of(invalid, look).to_json()
    row["turns"][1]["action"] = "look around"
    path.write_text(path.read_text() + json.dumps(row) + "\n")
    with pytest.raises(
        ValueError, match=r"line 2 is not a trajectory.*look around.*cannot be read"
    ):
        load_trajectories(path)


def test_an_unjudged_answer_is_kept_with_its_tokens() -> None:
    failed = Trajectory("q", 0, error="JudgeError: x", failed=Decision(Answer("b"), "b", SPOKEN))
    back = Trajectory.from_json(json.loads(json.dumps(failed.to_json())))
    assert back.failed is not None and back.failed.tokens is not None
    assert back.failed.action == Answer("b") and back.failed.tokens.completion.tolist() == [3]
