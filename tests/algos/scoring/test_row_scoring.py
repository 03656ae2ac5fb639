"""Laws of `algos.scoring.row_scoring`: who decides, and what a row says before and after."""

from __future__ import annotations

from pathlib import Path

import pytest

from algos.scoring.row_scoring import (
    NamedJudge,
    score_answer,
    score_from_json,
    score_to_json,
    scored_row,
    to_be_scored,
)
from sage_env import QAItem
from sage_env.datasets.matching import Judged

ITEM = QAItem("q", Path("v.mp4"), "What?", answer="a ball")
NUMBER = QAItem("n", Path("v.mp4"), "How many?", answer="3")
CHOICE = QAItem("c", Path("v.mp4"), "Which?", ("red", "blue"), "blue", "mcq")


def says(verdict, name="j", asked=None):
    def judge(item, text):
        if asked is not None:
            asked.append(text)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    return NamedJudge(name, judge)


def test_rules_decide_first_and_options_numbers_and_places_never_reach_a_judge() -> None:
    asked = []
    wrong = says(False, asked=asked)
    assert score_answer(ITEM, "a ball", [wrong]).rule == "text"
    assert score_answer(NUMBER, "4", [says(True, asked=asked)]).verdict is False
    assert score_answer(CHOICE, "B", [wrong]).verdict is True
    assert score_answer(CHOICE, "red", [says(True, asked=asked)]).verdict is False
    where = QAItem("w", Path("v.mp4"), "When?", answer="then", kind="ground")
    assert score_answer(where, "later", [says(True, asked=asked)]).verdict is False
    assert asked == []
    assert score_answer(ITEM, "a sphere", [says(True, asked=asked)]).verdict is True
    assert asked == ["a sphere"]


def test_without_a_judge_what_no_rule_decides_is_wrong_and_says_so() -> None:
    found = score_answer(ITEM, "a sphere", [])
    assert (found.verdict, found.rule, found.judged) == (False, "undecided", ())


@pytest.mark.parametrize(
    ("verdicts", "verdict", "rule", "whole"),
    [
        ([True], True, "judge", True),
        ([None], None, "judge", False),
        ([RuntimeError("down")], None, "judge", False),
        ([True, True], True, "judge", True),
        ([True, False], None, "judges_differ", True),
        ([True, None], True, "judge", False),
        ([True, False, False], False, "judge", True),
    ],
)
def test_judges_decide_by_majority_and_an_outage_is_no_vote(verdicts, verdict, rule, whole) -> None:
    judges = [says(v, f"j{k}") for k, v in enumerate(verdicts)]
    found = score_answer(ITEM, "a sphere", judges)
    assert (found.verdict, found.rule, found.whole) == (verdict, rule, whole)
    assert [one.record["judge"] for one in found.judged] == [one.name for one in judges]


def row(**changes):
    base = {"id": "q", "prediction": "a sphere", "verdict": None, "rule": None, "error": None}
    return base | changes


def test_only_what_nothing_has_decided_is_scored_unless_all_is() -> None:
    open_rows = [
        row(),
        row(verdict=False, rule="undecided"),
        row(rule="judges_differ"),
    ]
    decided = [row(verdict=True, rule="text"), row(verdict=False, rule="judge")]
    never = [row(error="VideoError: gone"), row(prediction=None, verdict=False)]
    for everything in (False, True):
        assert all(to_be_scored(one, everything) for one in open_rows)
        assert all(to_be_scored(one, everything) is everything for one in decided)
        assert not any(to_be_scored(one, everything) for one in never)


def test_a_row_keeps_its_first_verdict_however_often_it_is_scored() -> None:
    judge = NamedJudge(
        "m",
        type(
            "J",
            (),
            {
                "judged": staticmethod(
                    lambda item, text: Judged(True, "it is one", {"model": "m-1"})
                )
            },
        )(),
    )
    first = scored_row(row(verdict=False, rule="undecided"), score_answer(ITEM, "x", [judge]))
    assert (first["verdict"], first["rule"]) == (True, "judge")
    assert first["judge"] == {"judge": "m", "model": "m-1"} and first["judge_words"] == "it is one"
    assert (first["played_verdict"], first["played_rule"]) == (False, "undecided")
    second = scored_row(first, score_answer(ITEM, "x", [says(False), says(False, "k")]))
    assert (second["verdict"], second["judge"], second["judge_words"]) == (False, None, None)
    assert [one["judge"] for one in second["judges"]] == ["j", "k"]
    assert (second["played_verdict"], second["played_rule"]) == (False, "undecided")


def test_a_score_is_read_as_it_was_written() -> None:
    found = score_answer(ITEM, "a sphere", [says(True), says(None, "k")])
    assert score_from_json(score_to_json(found)) == found
