"""Laws of `sage_env.wrappers.numeric_features`, `numeric_observations`, `raw_space`: sizes."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env import Sample
from sage_env.observation import observation_space
from sage_env.wrappers import DiscreteActions, NumericFeatures, NumericObservations, TextActions
from sage_env.wrappers.numeric_features import hash_words
from tests.helpers.painted import make

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@st.composite
def observations(draw):
    """Draw any observation of an environment with five frames of 6 x 8 pixels."""
    count, duration = draw(st.integers(0, 5)), draw(st.floats(2**-10, 1e6, width=32))
    times = sorted(draw(st.lists(st.floats(0, 1), min_size=count, max_size=count)))
    seconds = np.full(5, -1, np.float32)
    seconds[:count] = np.array(times) * duration
    return {
        "frames": np.full((5, 6, 8, 3), draw(st.integers(0, 255)), np.uint8),
        "seconds": seconds,
        "num_frames": count,
        "cursor": np.array(draw(st.floats(0, 1)) * duration, np.float32),
        "duration": np.array(duration, np.float32),
        "turns_left": draw(st.integers(0, 6)),
        "frames_left": draw(st.integers(0, 20)),
        "question": draw(TEXT),
        "choices": "\n".join(draw(st.lists(TEXT, max_size=6))),
        "message": "",
        "text": "",
    }


FEATURES = NumericFeatures.of(observation_space(5, (6, 8), 6, 20))


@given(observations())
def test_every_observation_is_in_the_space(observation) -> None:
    encoded = FEATURES.encode(observation)
    assert encoded in FEATURES.space()
    assert encoded["shown"].sum() == observation["num_frames"]
    lines = observation["choices"].split("\n") if observation["choices"] else []
    assert encoded["has_choice"].sum() == min(4, len(lines))


@given(st.lists(st.integers(0, 21), max_size=6), st.integers(0, 2))
@settings(max_examples=25)
def test_every_observation_of_an_episode_is_in_the_space(indices, item) -> None:
    env = NumericObservations(DiscreteActions(make()))
    observation, _ = env.reset(options={"index": item})
    assert observation in env.observation_space
    for index in indices:
        observation, _, terminated, *_ = env.step(index)
        assert observation in env.observation_space
        if terminated:
            break


def test_the_sheet_holds_the_frames_in_order() -> None:
    features = NumericFeatures(5, (6, 8), 6, 20, tile=(18, 24))
    assert features.grid == (2, 3) and features.sheet_size == (36, 72)
    frames = np.zeros((5, 6, 8, 3), np.uint8)
    frames[:4] = np.arange(1, 5)[:, None, None, None] * 10
    frames[0, :3, :4] = 99  # the top left quarter
    observation = make().reset(seed=0)[0] | {"frames": frames, "num_frames": 4}
    sheet = features.encode(observation)["frames"]
    tiles = sheet.reshape(2, 18, 3, 24, 3).swapaxes(1, 2).reshape(6, 18, 24, 3)
    assert (tiles[0][:9, :12] == 99).all() and (tiles[0][9:] == 10).all()
    assert [tile[0, 0, 0] for tile in tiles[1:]] == [20, 30, 40, 0, 0]


def test_frames_are_averaged_down_to_their_tile() -> None:
    features = NumericFeatures(1, (80, 80), 1, 1, tile=(40, 40))
    board = np.indices((80, 80)).sum(0) % 2 * 200
    frames = np.repeat(board[None, ..., None], 3, axis=-1).astype(np.uint8)
    observation = make().reset(seed=0)[0] | {"frames": frames, "num_frames": 1}
    observation["seconds"] = observation["seconds"][:1]
    assert (features.encode(observation)["frames"] == 100).all()


def test_the_numbers_are_fractions() -> None:
    env = NumericObservations(make())
    env.reset(options={"index": 0})
    shown = env.step(Sample(0.0, 300.0, 3))[0]
    assert shown["cursor"] == pytest.approx([0.5]) and shown["turns_left"] == pytest.approx([5 / 6])
    assert shown["frames_left"] == pytest.approx([13 / 20])
    assert shown["seconds"] == pytest.approx([1 / 12, 1 / 4, 5 / 12, 0, 0], abs=1e-3)
    assert shown["shown"].tolist() == [1, 1, 1, 0, 0]
    assert shown["duration"] == pytest.approx([np.log1p(600) / np.log1p(86400)])


def test_words_hash_alike_everywhere() -> None:
    code = "from sage_env.wrappers.numeric_features import hash_words as h;"
    code += "print(h('Which star?', 64).nonzero()[0].tolist())"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert found == f"{hash_words('STAR, which star', 64).nonzero()[0].tolist()}\n"
    assert hash_words("", 64).sum() == 0
    symbols = {tuple(hash_words(f"symbol{k}", 128)) for k in range(100)}
    assert len(symbols) == 100


def test_the_default_tile_makes_a_sheet_that_networks_take() -> None:
    for count in range(1, 18):
        features = NumericFeatures.of(observation_space(count, (9, 9), 3, 3))
        assert min(features.sheet_size) >= 36 and min(features.tile) >= 32
        assert np.prod(features.grid) >= count


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tile": (8, 8)}, "make tile larger"),
        ({"tile": (0, 8)}, r"tile must be \(height, width\)"),
        ({"max_choices": 0}, "max_choices must be at least 1"),
        ({"hash_size": -1}, "hash_size must be at least 1"),
    ],
)
def test_illegal_settings_are_named(settings, words) -> None:
    with pytest.raises(ValueError, match=words):
        NumericObservations(make(), **settings)


def test_other_observations_are_named() -> None:
    with pytest.raises(ValueError, match="before any wrapper that changes"):
        NumericObservations(NumericObservations(make()))
    observation, _ = make(frame_size=(9, 9)).reset(seed=0)
    with pytest.raises(ValueError, match=r"expected frames of shape \(5, 6, 8, 3\), got \(5, 9"):
        FEATURES.encode(observation)


def test_it_is_a_gymnasium_environment_that_can_be_copied_and_remade() -> None:
    env = NumericObservations(DiscreteActions(make(disable_env_checker=True)), hash_size=32)
    with pytest.warns(UserWarning, match="different from the unwrapped"):
        check_env(env, skip_render_check=True)
    env.close()
    again = gym.make(env.spec)
    assert isinstance(again, NumericObservations) and again.features == env.features
    for other in (again, copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert other.observation_space == env.observation_space
        assert data_equivalence(env.reset(seed=3)[0], other.reset(seed=3)[0], exact=True)
        env.close()
        other.close()
    assert NumericObservations(TextActions(make())).reset(seed=0)[0]["shown"].sum() > 0
