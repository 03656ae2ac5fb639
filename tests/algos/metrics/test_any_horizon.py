"""Laws of `algos.metrics.any_horizon` and `evidence`: stopping and seeing, by hand."""

from __future__ import annotations

import pytest

from algos.metrics.any_horizon import any_horizon, anytime_accuracy, right_beliefs, stop_regret
from algos.metrics.evidence import evidence_of
from tests.helpers.handmade import asked

NO, YES = (0.9, 0.1), (0.2, 0.8)


def believing(name, right, *beliefs, **values):
    """Return a question whose second choice is right; its last turn is the answer."""
    values = {"turns": len(beliefs), "choices": 2, "gold_choice": 1, **values}
    return asked(name, right, beliefs=tuple(beliefs), **values)


def test_direct_episodes_are_those_whose_first_action_is_the_answer() -> None:
    episodes = [
        asked("a", True, turns=1),
        asked("b", False, turns=1),
        asked("c", True, turns=3),
        asked("d", None, turns=1),  # not judged: it is direct, and in no accuracy
        asked("e", False, turns=1, missing=True),  # out of one turn: no answer, not direct
        asked("f", None, turns=2, error="VideoError: gone"),
    ]
    found = any_horizon(episodes)
    assert found.direct_rate.mean == 3 / 4
    assert found.direct_precision.mean == 1 / 2
    assert found.iterate_accuracy.mean == 1.0
    assert found.looking_gain.mean is None and found.needs_tools == {}


def test_the_gain_of_looking_is_on_the_same_questions() -> None:
    """Of three questions looked at again, DIRECT has one right and the policy two; routing: 3/4."""
    ours = [asked("a", True, turns=2), asked("b", True, turns=4), asked("c", False, turns=2),
            asked("d", True, turns=1)]  # fmt: skip
    direct = [asked("a", False), asked("b", False), asked("c", True), asked("d", False)]
    found = any_horizon(ours, direct)
    assert found.looking_gain.mean == pytest.approx(1 / 3) and found.looking_gain.questions == 3
    assert found.routing_gap.mean == pytest.approx(1 / 4), "c had been right at once"
    far = [asked("x", True, duration=3000.0, turns=2), asked("y", False, turns=1)]
    needs = any_horizon(far, [asked("x", False, duration=3000.0), asked("y", True)]).needs_tools
    assert {bucket: gap.mean for bucket, gap in needs.items()} == {"60-180": -1.0, "2400+": 1.0}
    assert list(needs) == ["60-180", "2400+"]


def test_turns_after_the_evidence_are_overthinking() -> None:
    """Evidence in the overview and two looks more; in look 2 of 3; out of turns after look 1."""
    episodes = [
        asked("a", True, turns=3, hit_turn=0, evidence_seen=True),
        asked("b", True, turns=4, hit_turn=2, evidence_seen=True),
        asked("c", False, turns=4, hit_turn=1, evidence_seen=True, missing=True),
        asked("d", True, turns=9, evidence_seen=False),  # it never saw it: this is not overthinking
    ]
    found = any_horizon(episodes).overthinking
    assert (found.mean, found.questions) == ((2 + 1 + 3) / 3, 3)


def test_an_answer_before_the_evidence_that_is_wrong_is_underthinking() -> None:
    episodes = [
        asked("a", False, evidence_seen=False),
        asked("b", True, evidence_seen=False),  # lucky
        asked("c", False, evidence_seen=True),
        asked("d", False, evidence_seen=None),  # no evidence is known
        asked("e", False, evidence_seen=False, missing=True),  # it did not answer
    ]
    found = any_horizon(episodes).underthinking
    assert (found.mean, found.questions) == (1 / 3, 3)


def test_beliefs_before_each_turn() -> None:
    assert right_beliefs(believing("a", True, NO, YES)) == [False, True]
    assert right_beliefs(believing("a", True, NO, None, YES, None)) == [False, False, True, True]
    assert right_beliefs(believing("a", True, (0.5, 0.5))) == [False], "of equals, the first"
    assert right_beliefs(asked("a", True)) is None
    assert right_beliefs(believing("a", True, None, YES)) is None, "nothing to begin with"
    assert right_beliefs(believing("a", True, YES, gold_choice=None)) is None


def test_stop_regret_by_hand() -> None:
    """Right beliefs: 0110, 11, 0. Accuracy by turn: 1/3, 2/3, 2/3, 1/3; the best is turn 2."""
    episodes = [
        believing("a", False, NO, YES, YES, NO),
        believing("b", True, YES, YES),
        believing("c", False, NO),
    ]
    assert anytime_accuracy(episodes) == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1 / 3])
    regret, best = stop_regret(episodes)
    assert regret.mean == pytest.approx(2 / 3 - 1 / 3) and best == 2
    found = any_horizon(episodes)
    assert found.stop_gap.mean == pytest.approx(1 / 3)
    # a: right before turn 2, three looks: two after it; b: right before turn 1, one look; c: never
    assert (found.overthinking_belief.mean, found.overthinking_belief.questions) == (1.5, 2)
    nothing = any_horizon([asked("a", True)])
    assert nothing.stop_regret.mean is nothing.best_turn is nothing.stop_gap.mean is None


def test_more_turns_on_longer_videos_by_hand() -> None:
    """One turn more for each doubling."""
    episodes = [asked(str(k), True, duration=60.0 * 2**k, turns=k + 1) for k in range(6)]
    found = any_horizon(episodes).duration_slope
    assert found.mean == pytest.approx(1.0) and found.interval == pytest.approx((1.0, 1.0))
    alike = [asked(str(k), True, turns=k + 1) for k in range(6)]
    assert any_horizon(alike).duration_slope.mean is None, "all videos are equally long"


def test_evidence_by_hand() -> None:
    def seen(name, right, recall, precision, turn):
        return asked(name, right, evidence_seen=recall > 0, evidence_recall=recall,
                     evidence_precision=precision, hit_turn=turn)  # fmt: skip

    episodes = [
        seen("a", True, 1.0, 0.5, 0),
        seen("b", False, 0.5, 0.25, 2),
        seen("c", True, 0.0, 0.0, None),
        seen("d", False, 0.0, None, None),  # no frame was shown
        seen("e", None, 1.0, 1.0, 1),  # not judged
        asked("f", True),  # no evidence is known
        asked("g", None, error="VideoError: gone", evidence_seen=True, evidence_recall=1.0),
    ]
    found = evidence_of(episodes)
    assert found.hit_rate.mean == 3 / 5 and found.recall.mean == pytest.approx(2.5 / 5)
    assert (found.precision.mean, found.precision.questions) == (1.75 / 4, 4)
    assert found.hit_turn.mean == 1.0
    assert (found.grounded.mean, found.lucky.mean) == (1 / 4, 1 / 4)
    assert found.counts == (1, 1, 1, 1)
    blind = [seen(f"x{k}", True, 0.0, 0.0, None) for k in range(2)]
    missed = [seen(f"y{k}", False, 1.0, 1.0, 1) for k in range(3)]
    assert evidence_of([*episodes, *blind, *missed]).counts == (1, 1 + 2, 1 + 3, 1)
    assert evidence_of([]).recall.mean is None
