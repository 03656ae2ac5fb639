"""Laws of `algos.evaluation.sample_rows`: a question as a flat row, None for what is not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from algos.evaluation.sample_rows import sample_row
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import Decision, TurnTokens
from sage_env import Answer, Skip
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
        **dict(rule="exact", turns=2, frames=4, seconds=1.5, tokens=None, cost=None, error=None),
        **dict(reward_terms={"cost": -0.75, "answer": 1.0}, video=str(Path("videos/a.mp4"))),
        "group": {"family": "needle", "tier": "core"},
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


def test_an_episode_that_failed_says_what_was_answered_and_has_no_verdict() -> None:
    unjudged = trajectory("q", None, looks=((1.0,),), error="JudgeError: no reply")
    unjudged.failed = Decision(Answer("blue"))
    row = sample_row(QUESTION, unjudged)
    assert (row["prediction"], row["verdict"], row["error"]) == (
        "blue", None, "JudgeError: no reply"
    )  # fmt: skip
    assert (row["turns"], row["frames"], row["reward_terms"]) == (1, 3, {})
    looked = replace(unjudged, failed=Decision(Skip(3.0)))
    assert sample_row(QUESTION, looked)["prediction"] is None
    nothing = sample_row(QUESTION, Trajectory("q", 0, error="VideoError: gone"))
    assert nothing["prediction"] is nothing["rule"] is nothing["seconds"] is None
    assert (nothing["turns"], nothing["frames"], nothing["tokens"]) == (0, 0, None)


def test_an_empty_answer_is_one_and_no_answer_is_none() -> None:
    assert sample_row(QUESTION, trajectory("q", False, answer=""))["prediction"] == ""
    out = Trajectory("q", 0, [Turn(Decision(Skip(1.0)), 0.0, {"stop_reason": "out_of_turns"})])
    row = sample_row(QUESTION, out)
    assert (row["prediction"], row["verdict"], row["rule"]) == (None, False, None)
