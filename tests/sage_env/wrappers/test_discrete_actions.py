"""Laws of `sage_env.wrappers.action_grid`, `discrete_actions`: every index is always legal."""

from __future__ import annotations

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env import Answer, Invalid, ResetNeeded, Sample, Skip, Zoom
from sage_env.wrappers import ActionGrid, ChatObservations, DiscreteActions, NumericObservations
from tests.helpers.painted import ITEMS, make

GRIDS = [
    ActionGrid(),
    ActionGrid(max_choices=1, skips=(), samples=(), zooms=()),
    ActionGrid(max_choices=26, num_frames=99, zooms=(1.0, 1e-6, 1e-18)),
]
F32 = st.floats(0, 1, width=32)


def seen(cursor=0.0, duration=100.0, choices="a\nb\nc\nd"):
    return {"cursor": np.float32(cursor), "duration": np.float32(duration), "choices": choices}


@given(
    st.sampled_from(GRIDS),
    F32,
    st.floats(2**-20, 1e6, width=32),
    st.sampled_from(["", "a", "a\nb", "\n".join("abcdefghijklmnopqrstuvwxyzäö")]),
)
def test_every_index_is_a_legal_action_in_any_state(grid, fraction, duration, choices) -> None:
    cursor = np.float32(np.float32(fraction) * np.float32(duration))
    for index in range(len(grid)):
        action = grid.action(index, seen(cursor, duration, choices))
        if isinstance(action, Zoom):
            assert 0 <= action.start < action.end <= float(np.float32(duration)) * (1 + 1e-6) + 1e-9
            assert action.start <= float(cursor) <= action.end * (1 + 1e-6)
        if isinstance(action, Sample):
            assert action.start == float(cursor) < action.end
        if isinstance(action, Skip):
            assert 0 <= action.to <= float(np.float32(duration))


@given(st.lists(st.integers(0, 21), max_size=6), st.integers(0, 2))
@settings(max_examples=40)
def test_no_index_raises_in_any_state_that_can_be_reached(indices, item) -> None:
    env, raw = DiscreteActions(make()), make()
    observation, _ = env.reset(options={"index": item})
    raw.reset(options={"index": item})
    for index in indices:
        expected = raw.step(env.to_action(index, observation))
        observation, reward, terminated, truncated, info = env.step(index)
        assert observation in env.observation_space
        assert data_equivalence(observation, expected[0], exact=True)
        assert reward == expected[1] and info["action"] == expected[4]["action"]
        if terminated:
            break


def test_the_table_of_the_docstring_is_what_the_actions_do() -> None:
    grid, state = ActionGrid(), seen(cursor=16.0, duration=64.0)
    actions = [grid.action(index, state) for index in range(len(grid))]
    assert actions == [
        *(Answer(letter) for letter in "ABCD"),
        *(Skip(to) for to in (0.0, 48.0, 32.0, 24.0, 20.0)),
        *(Sample(16.0, end, 8) for end in (80.0, 48.0, 32.0, 24.0, 20.0)),
        *(Zoom(a, b, 8) for a, b in ((8, 24), (12, 20), (14, 18), (15, 17))),
        *(
            Zoom(15.0, 17.0, 8, (x, y, x + 0.5, y + 0.5))
            for x, y in ((0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5))
        ),
    ]
    assert len(grid.meanings) == len(grid) == 22 and len(set(grid.meanings)) == 22
    assert grid.meanings[1] == "answer B" and grid.meanings[4] == "skip to the start"
    assert grid.meanings[6] == "skip ahead by 1/4 of the video"


def test_a_letter_beyond_the_choices_costs_a_turn_and_says_why() -> None:
    env = DiscreteActions(make())
    for item, index, words in (
        ("two", 2, "has the choices A, B, and C was answered"),
        ("open", 0, "has no choices, and A was answered"),
    ):
        observation, _ = env.reset(options={"item_id": item})
        assert isinstance(env.to_action(index, observation), Invalid)
        observation, reward, terminated, _, info = env.step(index)
        assert words in observation["message"] and observation["turns_left"] == 5
        assert info["action"] == "invalid" and reward == 0 and not terminated


def test_the_right_letter_is_right() -> None:
    env = DiscreteActions(make())
    for item in ITEMS[:2]:
        env.reset(options={"item_id": item.id})
        assert env.step(np.int64(item.choices.index(item.answer)))[1] == 1.0


def test_what_is_no_index_is_refused_and_costs_nothing() -> None:
    env = DiscreteActions(make())
    with pytest.raises(ResetNeeded):
        env.step(0)
    env.reset(options={"index": 0})
    for wrong, error in ((22, IndexError), (-1, IndexError), (1.5, TypeError), ("A", TypeError)):
        with pytest.raises(error):
            env.step(wrong)
    assert env.step(np.array(4))[0]["turns_left"] == 5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_choices": 0}, "from 1 to 26"),
        ({"max_choices": 27}, "from 1 to 26"),
        ({"num_frames": 0}, "at least 1"),
        ({"skips": [0.5, 0.0]}, "skips must be fractions"),
        ({"zooms": [1.5]}, "zooms must be fractions"),
    ],
)
def test_illegal_settings_are_named(settings, words) -> None:
    with pytest.raises(ValueError, match=words):
        DiscreteActions(make(), **settings)


def test_the_wrong_order_is_named() -> None:
    for wrapper in (ChatObservations, NumericObservations):
        with pytest.raises(ValueError, match="before any wrapper that changes"):
            DiscreteActions(wrapper(make()))
    chat = ChatObservations(DiscreteActions(make()))
    chat.reset(options={"index": 0})


def test_it_is_a_gymnasium_environment_that_can_be_copied_and_remade() -> None:
    env = DiscreteActions(make(disable_env_checker=True), samples=[0.5], max_choices=3)
    assert env.action_space == gym.spaces.Discrete(3 + 5 + 1 + 4 + 4)
    assert env.action_meanings[8] == "sample the next 1/2 of the video"
    with pytest.warns(UserWarning, match="different from the unwrapped"):
        check_env(env, skip_render_check=True)
    env.close()
    again = gym.make(env.spec)
    assert isinstance(again, DiscreteActions) and again.grid == env.grid
    for other in (again, copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert other.action_space == env.action_space
        env.reset(seed=3)
        other.reset(seed=3)
        assert data_equivalence(env.step(9)[0], other.step(9)[0], exact=True)
        env.close()
        other.close()
