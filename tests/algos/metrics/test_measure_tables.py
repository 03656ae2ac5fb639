"""Laws of `algos.metrics.measure_tables` and `measure_texts`: nothing is lost in a table."""

from __future__ import annotations

from dataclasses import replace

from algos.evaluation.measures import measure_episodes, measures_of
from algos.metrics.any_horizon import any_horizon
from algos.metrics.benchmark_rules import accuracy_score, mlvu_score
from algos.metrics.budget_curves import curves_of
from algos.metrics.entry_lines import EntryLine
from algos.metrics.estimates import Estimate
from algos.metrics.evidence import evidence_of
from algos.metrics.measure_tables import (
    COUNTS_HEADER,
    area_cells,
    counts_cells,
    curve_cells,
    evidence_cells,
    gap_cell,
    horizon_cells,
    outcome_cells,
    percent_cell,
    plain_cell,
    rule_cells,
    rule_header,
)
from algos.metrics.measure_texts import measure_text
from tests.helpers.handmade import asked

CHOICE = {"kind": "mcq", "choices": 4}
EPISODES = [
    asked("a", True, **CHOICE),
    asked("b", True, **CHOICE),
    asked("c", False, **CHOICE),
    asked("d", False, missing=True, **CHOICE),
    asked("e", None, **CHOICE),
    asked("f", None, error="VideoError: gone", **CHOICE),
]


def test_right_wrong_unanswered_unjudged_failed_and_absent_are_apart() -> None:
    """2 of 4 judged are right; a guess for the one without answer is worth 1/4; of 10, 2 are."""
    cells = dict(zip(COUNTS_HEADER, counts_cells("x", measures_of(EPISODES), 10), strict=True))
    assert {key: value for key, value in cells.items() if key} == {
        "policy": "x",
        "right": "2",
        "wrong": "2",
        "of them no answer": "1",
        "not judged": "1",
        "failed": "1",
        "not there": "4",
        "accuracy": "50.0%",
        "a guess for no answer": "56.2%",
        "above chance": "33.3%",
        "all others wrong": "20.0%",
    }
    unknown = dict(zip(COUNTS_HEADER, counts_cells("x", measures_of(EPISODES)), strict=True))
    assert (unknown["not there"], unknown["all others wrong"]) == ("-", "33.3%")


def test_the_measures_behind_the_counts_by_hand() -> None:
    found = measures_of([*EPISODES, asked("open", True)])
    assert (found.right, found.wrong, found.chance) == (3, 2, 0.25)
    assert found.guessed == (3 + 0.25) / 5, "an open question has no chance, and was answered"
    assert found.corrected == (2 / 4 - 0.25) / 0.75, "of the questions with choices alone"
    assert found.of_all() == 3 / 7 and found.of_all(5) == 3 / 7, "fewer than asked is no number"
    mute = asked("mute", False, missing=True)
    lost = [asked("u", None, kind="mcq", choices=2), asked("v", None, error="x", choices=2)]
    more = measures_of([*EPISODES, mute, *lost])
    assert more.guessed == (2 + 0.25) / 5, "to an open question nothing can be guessed"
    assert more.chance == 0.25, "of those that were judged"
    only = measures_of([asked("a", True, kind="mcq", choices=1)])
    assert (only.chance, only.corrected) == (1.0, None)
    assert measures_of([]).of_all() is None


def test_a_question_of_several_values_is_counted_under_each() -> None:
    episodes = [asked("a", True, group={"type": "x | y"}), asked("b", False, group={"type": "y"})]
    rows = {(r.section, r.name): r.measures for r in measure_episodes(episodes)}
    assert rows["type", "x"].accuracy == 1.0 and rows["type", "y"].accuracy == 0.5
    assert ("type", "x | y") not in rows and rows["all", "all"].questions == 2


def test_cells_of_figures() -> None:
    assert percent_cell(Estimate(0.5, (0.25, 0.751), 9)) == "50.0 [25.0, 75.1]"
    assert gap_cell(Estimate(0.05, None, 9)) == "+5.0"
    assert plain_cell(Estimate(1234.5, (0.001, 2.0), 9)) == "1.23e+03 [0.001, 2]"
    assert percent_cell(Estimate(None, None, 0)) == "-"


def test_a_rule_has_accuracy_beside_it_where_it_is_another_figure() -> None:
    plain = accuracy_score(EPISODES, "accuracy")
    assert rule_header(plain) == ("by the rule accuracy", "", "questions", "score")
    assert rule_cells(plain) == [("accuracy", "", "4", "50.0")]
    tasks = [asked(str(k), k == 0, group={"task": "ab"[k > 2]}) for k in range(4)]
    score = mlvu_score(tasks)
    assert rule_header(score)[-1] == "accuracy"
    assert rule_cells(score)[0] == ("M-Avg", "", "4", "16.7", "25.0")
    assert all(len(cells) == len(rule_header(score)) for cells in rule_cells(score))


def test_what_is_not_known_has_no_line() -> None:
    assert [cells[0] for cells in horizon_cells(any_horizon(EPISODES))] == [
        "answers at once",
        "accuracy, at once",
    ]
    assert evidence_cells(evidence_of(EPISODES)) == []
    seen = [asked("a", True, evidence_seen=True, evidence_recall=1.0, hit_turn=0)]
    assert [cells[0] for cells in evidence_cells(evidence_of(seen))] == [
        "evidence seen",
        "evidence recall",
        "first seen in turn",
        "right, and seen (grounded)",
        "right, and not seen (lucky)",
    ]
    assert outcome_cells(evidence_of(seen)) == [("right", "", "1", "0"), ("wrong", "", "0", "0")]
    assert curve_cells([]) == area_cells([]) == []


def test_curves_beside_each_other_by_hand() -> None:
    """The agent has .5 and 1 at 8 and 16 frames, DIRECT 0 and .5: as dear, and less right."""
    lines = [
        EntryLine(f"{policy} {n}", [asked(f"q{k}", k < right, frames=n) for k in range(2)], name)
        for policy, n, right in (("agent", 8, 1), ("agent", 16, 2), ("direct", 8, 0),
                                 ("direct", 16, 1))
        for name in [policy if policy == "agent" else f"uniform:{n}:agent"]
    ]  # fmt: skip
    lines = [replace(one, budget=8 * (1 + k)) if k < 2 else one for k, one in enumerate(lines)]
    curves = curves_of(lines)
    assert [(cells[0], cells[2], cells[4], cells[5]) for cells in curve_cells(curves)] == [
        ("agent", "8", "50.0", "yes"), ("agent", "16", "100.0", "yes"),
        ("DIRECT, agent", "8", "0.0", ""), ("DIRECT, agent", "16", "50.0", ""),
    ]  # fmt: skip
    assert area_cells(curves) == [
        ("agent", "", "8.0 to 16.0", "75.0", "+50.0"),
        ("DIRECT, agent", "", "8.0 to 16.0", "25.0", "-"),
    ]


def typed(line):
    return [replace(e, group={"question_type": "x"}) for e in line.episodes]


def test_all_of_it_as_text() -> None:
    looked = [asked(f"q{k}", k < 3, f"v{k}", turns=1 + k % 2, frames=16, evidence_seen=k < 2,
                    evidence_recall=float(k < 2)) for k in range(6)]  # fmt: skip
    at_once = [asked(f"q{k}", k < 2, f"v{k}", frames=8) for k in range(6)]
    lines = [
        EntryLine("agent, 16 frames", looked, "agent", budget=16),
        EntryLine("agent, 8 frames", at_once, "agent", budget=8),
        EntryLine("uniform:8:agent", at_once, "uniform:8:agent"),
        EntryLine("uniform:16:agent", looked, "uniform:16:agent"),
        EntryLine("constant", at_once, "constant", control="constant"),
    ]
    text = measure_text("sage-synth", lines, 8)
    for words in (
        "all others wrong",
        "By the rule accuracy. Accuracy: right answers",
        "agent, 16 frames, beside uniform:16:agent",
        "gain of looking, over DIRECT",
        "evidence recall",
        "undominated",
        "minus DIRECT",
        "Accuracy: right answers among those that were judged",
    ):
        assert words in text, words
    whose = [line for line in lines if line.control is None]
    assert text.count("the policy above it") == len(whose), "a floor has no floor"
    assert text.count("By the rule") == 1 and "by the rule" not in text, "one sentence for all"
    native = measure_text("lvbench", [replace(one, episodes=typed(one)) for one in lines])
    assert native.count("by the rule accuracy") == 4, "a floor has no score of its own"
    assert native.count("question_type: x") == 4
    assert "None" not in text and "nan" not in text
