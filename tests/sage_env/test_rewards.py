from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.actions import Answer, Sample
from sage_env.datasets import QAItem
from sage_env.errors import RewardError
from sage_env.history import History, Look, Spent, episode_info
from sage_env.rewards import PRESETS, answer, checked_terms, efficient, find_reward

ITEM = QAItem("q", Path("v.mp4"), "Which?", ("x", "y"), "y", "mcq", ((10.0, 20.0), (50.0, 60.0)))
LOOK, STOP, BLIND = Sample(0, 1, 1), Answer("y"), (Look(),)


def history(verdict=None, stop="answered", turns=2, frames=32, looks=BLIND, item=ITEM):
    return History(
        item, (LOOK, STOP), looks, Spent(turns, frames, frames, 9.0), 10, 128, stop, verdict
    )


def test_the_answer_is_paid_on_the_last_step_only():
    assert answer(ITEM, LOOK, history(stop=None)) == {"answer": 0.0}
    assert answer(ITEM, STOP, history(True)) == {"answer": 1.0}
    assert answer(ITEM, STOP, history(False)) == {"answer": 0.0}


def test_looking_costs_only_those_who_are_right():
    reward = find_reward("efficient")
    assert reward(ITEM, STOP, history(True)) == {"answer": 1.0, "cost": pytest.approx(-0.07)}
    assert reward(ITEM, STOP, history(False)) == {"answer": 0.0, "cost": 0.0}
    assert reward(ITEM, LOOK, history(stop=None)) == {"answer": 0.0, "cost": 0.0}
    assert efficient(0.5, 0.0)(ITEM, STOP, history(True))["cost"] == pytest.approx(-0.125)


@given(st.integers(1, 10), st.integers(0, 128))
def test_right_beats_wrong_however_much_was_spent(turns, frames):
    right, wrong = (history(verdict, turns=turns, frames=frames) for verdict in (True, False))
    for reward in PRESETS.values():
        assert sum(reward(ITEM, STOP, right).values()) > sum(reward(ITEM, STOP, wrong).values())


def test_presets_by_name_and_functions_as_they_are():
    assert find_reward(answer) is answer
    with pytest.raises(ValueError, match="one of answer, efficient, got 'bonus'"):
        find_reward("bonus")


@pytest.mark.parametrize(
    "terms", [None, {}, 1.0, [("a", 1)], {"a": float("nan")}, {"a": None}, {1: 1.0}, {"a": "1"}]
)
def test_what_is_no_reward_is_refused(terms):
    with pytest.raises(RewardError, match="non-empty mapping of names to finite numbers, got"):
        checked_terms(terms)


def test_terms_become_plain_floats():
    terms = checked_terms({"a": np.float32(0.5), "b": 1})
    assert terms == {"a": 0.5, "b": 1.0}
    assert all(type(value) is float for value in terms.values())


def test_evidence_by_hand():
    looks = (Look((0, 60), None, (5.0, 20.0)), Look(), Look((50, 55), None, (50.0, 54.0)))
    seen = history(True, looks=looks)
    assert seen.evidence_recall == 0.5  # 20.0 is outside [10, 20), 50.0 inside [50, 60)
    assert seen.evidence_hit_turn == 2
    assert seen.seconds == (5.0, 20.0, 50.0, 54.0)
    assert seen.spans == ((0, 60), (50, 55))
    unseen = history(True, looks=looks[:1])
    assert (unseen.evidence_recall, unseen.evidence_hit_turn) == (0.0, None)
    overview = history(True, looks=(Look((0, 60), None, (10.0, 55.0)),))
    assert (overview.evidence_recall, overview.evidence_hit_turn) == (1.0, 0)


def test_without_evidence_it_is_not_measured():
    item = QAItem("q", Path("v.mp4"), "?", (), "y")
    info = episode_info(history(True, looks=(Look((0, 9), None, (1.0,)),), item=item))
    assert (info["evidence_recall"], info["evidence_hit_turn"]) == (None, None)


def test_spent_is_a_mapping_and_clocks_do_not_count():
    spent = Spent(1, 2, 3, 4.0, 5, 6.0)
    assert dict(spent) == {
        "turns": 1, "frames_shown": 2, "frames_unique": 3, "seconds_covered": 4.0,
        "frames_decoded": 5, "decode_seconds": 6.0,
    }  # fmt: skip
    assert spent == Spent(1, 2, 3, 4.0, None, 0.0) != Spent(1, 2, 3, 4.5, 5, 6.0)
    with pytest.raises(KeyError):
        spent["items"]
