"""Laws of `algos.evaluation.sample_rows` and `row_results`: a question as a flat row, None for what
is not known, and everything that measures are made of read from that row again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from algos.evaluation.measures import episode_result, measures_of
from algos.evaluation.row_results import result_of_row
from algos.evaluation.sample_rows import COST_KEYS, ENTRY_KEYS, sample_row
from algos.rollout.conditions import Conditions
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import Decision, TurnTokens
from sage_env import Answer, Invalid, Skip
from tests.helpers.handmade import item, trajectory

QUESTION = item("q", "videos/a.mp4")


def tokens(count: int) -> TurnTokens:
    return TurnTokens(np.arange(5), np.arange(count), np.zeros(count, np.float32))


def test_a_whole_episode_by_hand() -> None:
    played = trajectory("q", False, looks=((1.0, 2.0),), answer="no")
    look, answer = played.turns
    look.info["reward_terms"] = {"cost": -0.25}
    answer.info.update(reward_terms={"cost": -0.5, "answer": 1.0}, rule="exact")
    played.seconds = 1.5
    row = sample_row(QUESTION, played)
    assert row == {
        **dict(id="q", question="what is q?", gold="yes", prediction="no", verdict=False),
        **dict(rule="exact", turns=2, frames=4, seconds=1.5, tokens=None, error=None),
        **dict(judge=None, judge_words=None),
        **dict(reward_terms={"cost": -0.75, "answer": 1.0}, video=str(Path("videos/a.mp4"))),
        "group": {"family": "needle", "tier": "core"},
        **dict(kind="open", choices=0, gold_choice=None, chance=None, duration=100.0),
        **dict(answered=True, stop_reason="answered", invalid_actions=0, tool_calls={}),
        **dict(evidence=[[10.0, 20.0]], evidence_recall=0.0, evidence_precision=0.0),
        **dict(evidence_hit_turn=None, answer_spans=None, answer_iou=0.0, answer_iop=0.0),
        **dict.fromkeys((*COST_KEYS, *ENTRY_KEYS, "beliefs")),
        **dict(frames_unique=4, tool_tokens=0, tool_cost=0.0),
    }
    assert row["group"] is not QUESTION.group


def test_tokens_are_those_that_were_sampled_in_turns_that_have_any() -> None:
    played = trajectory("q", True, looks=((1.0,), (2.0,)))
    spoken = [
        replace(turn, decision=replace(turn.decision, tokens=said))
        for turn, said in zip(played.turns, (tokens(3), None, tokens(4)), strict=True)
    ]
    assert sample_row(QUESTION, replace(played, turns=spoken))["tokens"] == 7
    silent = replace(spoken[0], decision=replace(spoken[0].decision, tokens=tokens(0)))
    assert sample_row(QUESTION, replace(played, turns=[silent]))["tokens"] == 0, "0 is not None"


def test_an_answer_that_only_lacks_its_judge_is_not_judged_and_has_not_failed() -> None:
    unjudged = trajectory("q", None, looks=((1.0,),), error="JudgeError: no reply")
    unjudged.failed = Decision(Answer("blue"))
    row = sample_row(QUESTION, unjudged)
    assert (row["prediction"], row["verdict"], row["error"]) == ("blue", None, None)
    assert (row["judge"], row["judge_words"]) == (None, "JudgeError: no reply")
    assert (row["turns"], row["frames"], row["reward_terms"]) == (2, 3, {})
    assert (row["stop_reason"], row["answered"]) == ("answered", True)
    measured = measures_of([result_of_row(row)])
    assert (measured.questions, measured.unjudged, measured.failed) == (1, 1, 0)
    looked = sample_row(QUESTION, replace(unjudged, failed=Decision(Skip(3.0))))
    assert (looked["prediction"], looked["error"]) == (None, "JudgeError: no reply")
    late = sample_row(QUESTION, replace(unjudged, error="JudgeTimeout: 120 s"))
    assert late["error"] is None and late["judge_words"] == "JudgeTimeout: 120 s"


def test_an_episode_that_failed_says_what_was_answered_and_has_no_verdict() -> None:
    failed = trajectory("q", None, looks=((1.0,),), error="RewardError: nan")
    failed.failed = Decision(Answer("blue"))
    row = sample_row(QUESTION, failed)
    assert (row["prediction"], row["verdict"], row["error"]) == ("blue", None, "RewardError: nan")
    assert (row["turns"], row["frames"], row["judge_words"]) == (1, 3, None)
    nothing = sample_row(QUESTION, Trajectory("q", 0, error="VideoError: gone"))
    assert nothing["prediction"] is nothing["rule"] is nothing["seconds"] is None
    assert (nothing["turns"], nothing["frames"], nothing["tokens"]) == (0, 0, None)


def test_a_cost_of_0_is_known_and_one_that_is_not_told_is_not() -> None:
    row = sample_row(QUESTION, trajectory("q", True, overview=()))
    assert (row["frames"], row["cost"], row["tokens"]) == (0, None, None)
    spent = result_of_row(row | {"cost": 0.0, "retries": 0}).spent
    assert {name: spent[name] for name in ("frames", "cost", "retries")} == {
        "frames": 0, "cost": 0.0, "retries": 0
    }  # fmt: skip
    assert "tokens" not in spent and "cost" not in result_of_row(row).spent


def test_what_a_policy_saw_of_a_whole_video_is_not_known() -> None:
    """It is told the overview too, which says nothing of what it was sent."""
    played = trajectory("q", True, overview=(12.0, 75.0))
    played = replace(played, conditions=Conditions(whole_video=True))
    row = sample_row(item("q"), played)
    told = ("frames", "evidence_recall", "evidence_precision", "evidence_hit_turn")
    assert [row[name] for name in told] == [None] * 4
    assert row["evidence"] == [[10.0, 20.0]], "the gold is known all the same"
    assert sample_row(item("q"), replace(played, conditions=Conditions()))["frames"] == 2


def test_an_empty_answer_is_one_and_no_answer_is_none() -> None:
    assert sample_row(QUESTION, trajectory("q", False, answer=""))["prediction"] == ""
    out = Trajectory("q", 0, [Turn(Decision(Skip(1.0)), 0.0, {"stop_reason": "out_of_turns"})])
    row = sample_row(QUESTION, out)
    assert (row["prediction"], row["verdict"], row["rule"]) == (None, False, None)


def test_a_choice_and_its_evidence_by_hand() -> None:
    """Frames at 25 and 75, then 8, 12 and 15: two of five lie in [10, 20), none in [40, 50)."""
    asked = replace(
        item("q", evidence=((10.0, 20.0), (40.0, 50.0))),
        **dict(kind="mcq", choices=("no", "yes", "maybe"), answer="yes"),
    )
    played = trajectory("q", True, looks=((8.0, 12.0), (15.0,)))
    claimed = Answer("yes", evidence=((15.0, 25.0), (18.0, 30.0)))  # 15 s, of which 5 are gold
    last = replace(played.turns[-1], decision=Decision(claimed))
    lost = Turn(Decision(Invalid("?", "no action")), 0.0, {"frame_seconds": []})
    row = sample_row(asked, replace(played, turns=[lost, *played.turns[:-1], last]))
    assert (row["choices"], row["gold_choice"], row["chance"]) == (3, 1, 1 / 3)
    assert (row["evidence_recall"], row["evidence_precision"], row["evidence_hit_turn"]) == (
        0.5, 2 / 5, 2
    )  # fmt: skip
    assert (row["answer_iou"], row["answer_iop"]) == (5 / 30, 5 / 15)
    assert (row["invalid_actions"], row["turns"]) == (1, 4)


def test_evidence_in_the_overview_is_seen_in_turn_0() -> None:
    row = sample_row(item("q", evidence=((20.0, 30.0),)), trajectory("q", True, looks=((1.0,),)))
    assert (row["evidence_recall"], row["evidence_precision"], row["evidence_hit_turn"]) == (
        1.0, 1 / 3, 0
    )  # fmt: skip


def test_a_stretch_in_words_is_read_where_the_question_asks_for_one() -> None:
    asked = item("q", kind="ground")
    for said, spans in (
        ("10-20", [[10.0, 20.0]]),
        ("from 0:12 to 0:18.", [[12.0, 18.0]]),
        ("[18.5 s, 12 s]", [[12.0, 18.5]]),
        ("about the middle", None),
        ("at 12", None),
        ("12 to 12", None),
    ):
        assert sample_row(asked, trajectory("q", False, answer=said))["answer_spans"] == spans, said
    whole = sample_row(asked, trajectory("q", True, answer="10-20"))
    assert (whole["answer_iou"], whole["answer_iop"]) == (1.0, 1.0)
    assert sample_row(asked, trajectory("q", False, answer="?"))["answer_iou"] == 0.0
    gone = sample_row(asked, Trajectory("q", 0, error="VideoError: gone"))
    assert gone["answer_iou"] is gone["answer_iop"] is None  # a failure of ours is no wrong stretch
    assert sample_row(QUESTION, trajectory("q", True, answer="1-2"))["answer_spans"] is None


def test_a_row_is_read_as_what_it_was_made_of() -> None:
    """Also from a file, and also where it lacks what earlier versions did not write."""
    asked = item("q", kind="mcq", choices=("no", "yes"), group={"type": "a | b"})
    out = Trajectory("q", 0, [Turn(Decision(Skip(1.0)), 0.0, {"stop_reason": "out_of_turns"})])
    failed = trajectory("q", None, error="JudgeError: no reply")
    failed.failed = Decision(Answer("yes"))
    for played in (trajectory("q", True, looks=((12.0,),)), trajectory("q", None), out, failed):
        row = sample_row(asked, played)
        assert result_of_row(json.loads(json.dumps(row))) == episode_result(asked, played)
        kept = "id question gold prediction verdict rule turns frames error video group".split()
        older, now = result_of_row({key: row[key] for key in kept}), result_of_row(row)
        for name in ("item_id", "video", "correct", "frames", "turns", "error", "missing"):
            assert getattr(older, name) == getattr(now, name), name
        assert (older.duration, older.evidence_seen, older.chance) == (None, None, None)
    assert [episode_result(asked, t).missing for t in (out, failed)] == [True, False]


def test_the_entry_and_beliefs_are_read_back() -> None:
    played = trajectory("q", True)
    row = sample_row(QUESTION, played, {"policy": "random", "budget": 8, "repeat": 1})
    assert (row["policy"], row["control"], row["budget"], row["repeat"]) == ("random", None, 8, 1)
    told = result_of_row({**row, "beliefs": [[0.25, 0.75], None]})
    assert told.beliefs == ((0.25, 0.75), None)
