"""Laws of `sage_env.wrappers.text_actions`: what is written is read as `parse_action` reads it."""

from __future__ import annotations

import copy
import pickle

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from hypothesis import given
from hypothesis import strategies as st

from sage_env import Answer, Skip, UnicodeText, Zoom, format_action
from sage_env.wrappers import ChatObservations, NumericObservations, TextActions
from tests.helpers.painted import make


def untimed(info):
    """Return an `info` without the wall time in it."""
    return {key: value for key, value in info.items() if key != "spent"}


@pytest.mark.parametrize(
    "action", [Skip(3.0), Zoom(1.0, 4.0, 3, (0.0, 0.0, 0.5, 1.0)), Answer("B")]
)
def test_a_written_action_does_what_the_action_does(action) -> None:
    plain, text = make(), TextActions(make())
    plain.reset(options={"index": 0})
    text.reset(options={"index": 0})
    *ours, info = text.step(f"I think so.\n```json\n{format_action(action)}\n```")
    *theirs, expected = plain.step(action)
    assert data_equivalence(ours, theirs, exact=True)
    assert data_equivalence(untimed(info), untimed(expected), exact=True)


@given(st.text(max_size=40))
def test_any_text_costs_one_turn_at_most_and_none_raises(words: str) -> None:
    env = TextActions(make())
    env.reset(options={"index": 0})
    observation, reward, terminated, _, info = env.step(words)
    assert observation in env.observation_space
    assert info["action"] == "invalid" and observation["turns_left"] == 5
    assert "valid action" in observation["message"] and reward == 0 and not terminated


def test_what_was_passed_over_is_told_where_there_are_messages() -> None:
    text = '{"action": "skip", "to": 3, "speed": 2}'
    for wrap in (ChatObservations, NumericObservations, lambda env: env):
        env = TextActions(wrap(make()))
        env.reset(options={"index": 0})
        observation, *_ = env.step(text)
        assert observation in env.observation_space
    assert "speed" in observation["message"]


def test_what_is_no_text_is_refused_and_costs_nothing() -> None:
    env = TextActions(make())
    env.reset(options={"index": 0})
    with pytest.raises(TypeError, match="takes a string, got Skip"):
        env.step(Skip(1.0))
    assert env.step('{"action": "skip", "to": 2}')[0]["turns_left"] == 5


def test_it_is_a_gymnasium_environment_that_can_be_copied_and_remade() -> None:
    env = TextActions(make(disable_env_checker=True))
    assert env.action_space == UnicodeText(1 << 20)
    with pytest.warns(UserWarning, match="different from the unwrapped"):
        check_env(env, skip_render_check=True)
    env.close()
    again = gym.make(env.spec)
    assert isinstance(again, TextActions)
    for other in (again, copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        first, second = env.reset(seed=3), other.reset(seed=3)
        assert data_equivalence(first[0], second[0], exact=True)
        env.close()
        other.close()


def test_the_message_says_what_was_passed_over():
    env = TextActions(make())
    env.reset(seed=0)
    text = '{"action": "skip", "to": 0.25, "speed": 2} {"action": "skip", "to": 0.5}'
    observation, *_ = env.step(text)
    assert observation["cursor"] == 0.25
    assert "'speed' was ignored" in observation["message"]
    assert "another JSON object was ignored" in observation["message"]
