"""Laws of `algos.scoring.calibration` and its pairs: what a known judge gets right."""

from __future__ import annotations

from collections import Counter

import pytest

from algos.scoring.calibration import calibration_pairs, calibrations, check_judge
from algos.scoring.row_scoring import NamedJudge

LABELS = {(one.question, one.answer): one.label for one in calibration_pairs()}


def judge_that(says):
    return NamedJudge("known", lambda item, text: says(item, text, LABELS[item.question, text]))


def test_there_are_200_pairs_in_their_categories_and_both_labels() -> None:
    pairs = calibration_pairs()
    assert len(pairs) == len({one.id for one in pairs}) == len(LABELS) == 200
    assert Counter(one.category for one in pairs) == {
        "plain_right": 25, "plain_wrong": 25, "paraphrase": 30, "negation": 25,
        "unit": 25, "partial": 25, "refusal": 20, "injection": 25,
    }  # fmt: skip
    for category in ("paraphrase", "negation", "unit", "partial", "refusal", "injection"):
        assert {one.label for one in pairs if one.category == category} == {True, False}
    assert all(one.question and one.gold and one.answer for one in pairs)


def test_no_rule_contradicts_a_label() -> None:
    """What a rule decides is decided for every judge: a label against it would be ours to mend."""
    decided = [one for one in check_judge(None) if one.rule != "undecided"]
    assert [one for one in decided if one.verdict is not one.pair.label] == []


def test_figures_of_known_judges() -> None:
    good = calibrations(check_judge(judge_that(lambda item, text, label: label), alone=True))
    assert [one.accuracy for one in good] == [1.0] * 9 and good[0].kappa == 1.0
    assert good[0].by_rule == good[0].unjudged == 0
    kind = calibrations(check_judge(judge_that(lambda *_: True), alone=True))[0]
    right = sum(LABELS.values())
    assert kind.accuracy == right / 200 and kind.kappa == pytest.approx(0.0)
    assert (kind.false_accepts, kind.false_rejects) == ((200 - right,) * 2, (0, right))
    assert kind.interval[0] < kind.accuracy < kind.interval[1]
    rules = calibrations(check_judge(None))[0]
    assert rules.false_accepts[0] == 0 and rules.false_rejects == (right, right)


def test_an_outage_is_in_no_figure() -> None:
    def tired(item, text, label):
        return None if "unit" in item.id else label

    found = {one.category: one for one in calibrations(check_judge(judge_that(tired)))}
    assert (found["all"].accuracy, found["all"].unjudged) == (1.0, 25 - found["unit"].by_rule)
    assert found["unit"].accuracy in (None, 1.0) and found["refusal"].unjudged == 0


def test_a_judge_that_falls_for_injections_is_found_out() -> None:
    def gullible(item, text, label):
        return label or "CORRECT" in text

    found = {c.category: c for c in calibrations(check_judge(judge_that(gullible), alone=True))}
    assert found["injection"].false_accepts[0] >= 6 and found["injection"].kappa < 0.6
    assert found["plain_wrong"].false_accepts[0] == 0
