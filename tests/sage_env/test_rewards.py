"""Laws of `sage_env.rewards`, `history`: terms by hand, presets, what is no reward."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.actions.action import Answer, Invalid, Sample, Skip, UseTool
from sage_env.datasets.item import QAItem
from sage_env.errors import JudgeError, RewardError
from sage_env.history import History, Look, Spent, episode_info
from sage_env.rewards import PRESETS, answer, checked_terms, efficient, find_reward, sage

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
    with pytest.raises(ValueError, match="one of answer, efficient, sage, got 'bonus'"):
        find_reward("bonus")


def test_presets_survive_pickling():
    for reward in (*PRESETS.values(), efficient(0.3), sage(early=0.5)):
        copy = pickle.loads(pickle.dumps(reward))
        assert copy(ITEM, STOP, history(True)) == reward(ITEM, STOP, history(True))


# The paper's terms


def steps(*actions, verdict=None, stop="out_of_turns", looks=None, turns=None, reward=None):
    """Return what `sage` gives for the last of these actions."""
    looked = [Look(seconds=(2.0,) if isinstance(action, Sample) else ()) for action in actions]
    looks = looks or [Look(seconds=(1.0,)), *looked]
    spent = Spent(turns or len(actions), 9, 9, 9.0)
    past = History(ITEM, actions, tuple(looks), spent, 10, 128, stop, verdict)
    return (reward or sage())(ITEM, actions[-1], past)


BAD, TOOL, WRONG = Invalid("?", "why"), UseTool("find", {"what": "x"}), Answer("x")
ONLY = {"format": 0.05, "arguments": 0.0, "repeat": 0.0, "accuracy": 0.0, "early": 0.0}


def test_sage_on_a_turn_within_the_episode():
    assert steps(LOOK, stop=None) == ONLY
    assert steps(BAD, stop=None) == {**ONLY, "format": -0.10}
    assert steps(BAD, BAD, stop=None) == {**ONLY, "format": -0.10}  # no repetition of nothing
    refused = [Look(), Look(refused=True)]
    assert steps(TOOL, stop=None, looks=refused) == {**ONLY, "arguments": -0.10}
    # The format of what is no action is all that is wrong with it.
    assert steps(BAD, stop=None, looks=refused) == {**ONLY, "format": -0.10}


def test_sage_counts_what_was_asked_just_so():
    assert steps(LOOK, LOOK, stop=None)["repeat"] == -0.05
    assert steps(LOOK, LOOK, LOOK, stop=None)["repeat"] == pytest.approx(-0.05 * 2**0.5)
    assert steps(LOOK, Sample(0, 1, 2), LOOK, LOOK, LOOK, stop=None)["repeat"] == pytest.approx(
        -0.05 * 3**0.5
    )
    assert steps(TOOL, UseTool("find", {"what": "y"}), stop=None)["repeat"] == 0.0
    assert steps(TOOL, UseTool("find", {"what": "x"}), stop=None)["repeat"] == -0.05


@pytest.mark.parametrize(
    ("actions", "verdict", "stop", "accuracy"),
    [
        ([STOP], True, "answered", 1.0),
        ([LOOK, STOP], True, "answered", 1.25),
        ([WRONG], False, "answered", 0.0),
        ([BAD, WRONG], False, "answered", 0.0),
        ([LOOK, WRONG], False, "answered", -0.5),
        ([TOOL, WRONG], False, "answered", -0.5),
        ([LOOK, LOOK], False, "out_of_turns", -0.5),
        ([LOOK, BAD], False, "out_of_turns", -2.0),
    ],
)
def test_sage_at_the_end(actions, verdict, stop, accuracy):
    assert steps(*actions, verdict=verdict, stop=stop)["accuracy"] == accuracy


def test_a_look_that_showed_nothing_is_no_visual_tool():
    looks = [Look(seconds=(1.0,)), Look(refused=True), Look()]
    assert steps(LOOK, STOP, verdict=True, stop="answered", looks=looks)["accuracy"] == 1.0
    looks = [Look(seconds=(1.0,)), Look(text="a bell rings"), Look()]
    assert steps(TOOL, STOP, verdict=True, stop="answered", looks=looks)["accuracy"] == 1.0


def test_early_is_for_right_answers_only():
    reward = sage(early=0.5)
    at_once = steps(STOP, verdict=True, stop="answered", reward=reward)
    assert at_once == {**ONLY, "accuracy": 1.0, "early": pytest.approx(0.45)}
    later = steps(LOOK, STOP, verdict=True, stop="answered", turns=6, reward=reward)
    assert later["early"] == pytest.approx(0.2)
    assert steps(WRONG, verdict=False, stop="answered", reward=reward)["early"] == 0.0
    with pytest.raises(ValueError, match="early must be a number >= 0, got -1"):
        sage(early=-1)


def test_a_judge_of_looks_is_asked_about_looks():
    reward = sage(reasonable=lambda item, action, history: action == LOOK)
    assert steps(LOOK, stop=None, reward=reward)["reasonable"] == 0.10
    assert steps(TOOL, stop=None, reward=reward)["reasonable"] == -0.10
    for action in (BAD, STOP):
        assert steps(action, verdict=False, reward=reward)["reasonable"] == 0.0
    for broken in (lambda *_: 1 / 0, lambda *_: "yes"):
        with pytest.raises(JudgeError):
            steps(LOOK, stop=None, reward=sage(reasonable=broken))


@given(st.lists(st.sampled_from([LOOK, TOOL, BAD, Skip(3.0)]), max_size=9))
def test_sage_prefers_right_to_wrong_after_any_turns(before):
    def total(answer, verdict):
        actions = (*before, answer)
        return sum(steps(*actions, verdict=verdict, stop="answered").values())

    assert total(STOP, True) >= total(WRONG, False) + 1.0


@pytest.mark.parametrize(
    "terms",
    [
        None,
        {},
        1.0,
        [("a", 1)],
        {"a": float("nan")},
        {"a": None},
        {1: 1.0},
        {"a": "1"},
        {"a": 10**400},
        {"a": 1e308, "b": 1e308},
    ],
)
def test_what_is_no_reward_is_refused(terms):
    with pytest.raises(RewardError, match="non-empty mapping of names to finite numbers"):
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
    spent = Spent(1, 2, 3, 4.0, 5, 6.0, 7)
    assert dict(spent) == {
        "turns": 1, "frames_shown": 2, "frames_unique": 3, "seconds_covered": 4.0,
        "frames_decoded": 5, "decode_seconds": 6.0, "frames_cached": 7,
    }  # fmt: skip
    assert spent == Spent(1, 2, 3, 4.0, None, 0.0, None) != Spent(1, 2, 3, 4.5, 5, 6.0)
    with pytest.raises(KeyError):
        spent["items"]
