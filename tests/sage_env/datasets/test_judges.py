"""Laws of `sage_env.datasets.judges`, `sage_env.rewards.find_reward`: plug-ins by their names."""

import sys
from threading import Event
from types import ModuleType

import pytest

from sage_env import VideoQAEnv
from sage_env.actions.action import Answer
from sage_env.datasets.judges import find_judge, judge_in_time
from sage_env.errors import JudgeError, JudgeTimeout, RewardError
from sage_env.rewards import PRESETS, find_reward
from sage_env.testing.episodes import ITEMS
from sage_env.testing.memory_video import open_memory


def lenient(item, text):
    return text == "something else"


def paid(item, action, history):
    return {"mine": 0.25 * len(history.actions)}


@pytest.fixture
def module(monkeypatch):
    own = ModuleType("own_plug_ins")
    own.lenient, own.paid, own.number, own.Kind = lenient, paid, 3, type("Kind", (), {})
    monkeypatch.setitem(sys.modules, "own_plug_ins", own)


def test_a_judge_is_found_by_name_and_rule_is_nobody(module) -> None:
    assert find_judge("own_plug_ins:lenient") is lenient and find_judge(lenient) is lenient
    assert find_judge("rule") is None and find_judge(None) is None
    assert judge_in_time("rule", 1.0) is None


def test_a_judge_of_that_name_has_the_deadline_that_is_given(module) -> None:
    never = Event()
    with pytest.raises(JudgeTimeout, match="the judge"):
        judge_in_time(lambda item, text: never.wait(5), 0.05)(ITEMS[0], "x")
    never.set()
    assert judge_in_time("own_plug_ins:lenient", 5.0)(ITEMS[0], "something else") is True


@pytest.mark.parametrize("name", ["own_plug_ins:number", "own_plug_ins:Kind", "judge", 3])
def test_what_is_no_judge_is_refused(module, name) -> None:
    with pytest.raises(
        ValueError, match=r"judge must be 'rule', 'gemini\[:MODEL\]', 'openai:MODEL', a function"
    ):
        find_judge(name)


def test_a_name_that_leads_nowhere_is_an_error_of_its_side(module) -> None:
    with pytest.raises(JudgeError, match="no 'missing'"):
        find_judge("own_plug_ins:missing")
    with pytest.raises(RewardError, match="needs a module no_such_module"):
        find_reward("no_such_module:paid")


@pytest.mark.parametrize("name", ["own_plug_ins:number", "own_plug_ins:Kind", "efficent"])
def test_what_is_no_reward_is_refused(module, name) -> None:
    with pytest.raises(ValueError, match="reward must be a function, its 'package.module:name'"):
        find_reward(name)
    assert find_reward("sage") is PRESETS["sage"]


def test_the_environment_asks_the_judge_and_pays_the_reward_that_are_named(module) -> None:
    env = VideoQAEnv(
        dataset=ITEMS,
        opener=open_memory,
        frame_size=(8, 8),
        judge="own_plug_ins:lenient",
        reward="own_plug_ins:paid",
    )
    env.reset(options={"item_id": "who"})
    _, reward, _, _, info = env.step(Answer("something else"))
    assert info["correct"] is True and info["rule"] == "judge"
    assert reward == 0.25 and info["reward_terms"] == {"mine": 0.25}
