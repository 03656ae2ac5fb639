"""Laws of `sage_env.env`, `spaces` in Gymnasium's wrappers and vector environments: all are tried.

Those that do not take it say so when they are made. Nearly all of them want a `Box` to observe or
to act in; put `NumericObservations` or a `TransformObservation` that picks `frames` inside them.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import gymnasium as gym
import gymnasium.wrappers
import gymnasium.wrappers.vector
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector.utils import batch_differing_spaces, create_shared_memory
from gymnasium.wrappers.utils import create_zero_array

import sage_env  # noqa: F401
from sage_env import Answer, Invalid, Sample, UnicodeText
from sage_env.testing import open_memory
from sage_env.unicode_text import MAX_TEXT, SharedTexts
from sage_env.wrappers import ChatObservations, DiscreteActions, NumericObservations, TextActions
from tests.helpers.hard_texts import TEXTS

ID = "sage_env:SageVideoQA-v0"
ARGUMENTS: dict[str, Any] = {
    "dataset": "sage_env.testing.episodes:ITEMS",
    "opener": open_memory,
    "frame_size": (6, 8),
    "frames_per_turn": 4,
    "overview_frames": 4,
}
TEXT_KEYS = {"question", "choices", "message", "text"}
DRAWN = {"AddRenderObservation", "AddWhiteNoise", "ObstructView", "RenderCollection"}
DRAWN |= {"RecordVideo", "HumanRendering"}
WORKS: dict[str, dict[str, Any]] = {
    "AddRenderObservation": {"render_only": False},
    "AddWhiteNoise": {"probability_of_noise_per_pixel": 0.1},
    "Autoreset": {},
    "ClipReward": {"min_reward": 0, "max_reward": 1},
    "DelayObservation": {"delay": 1},
    "FilterObservation": {"filter_keys": ["frames", "question"]},
    "FlattenObservation": {},
    "FrameStackObservation": {"stack_size": 3, "padding_type": "zero"},
    "NormalizeReward": {},
    "ObstructView": {"obstructed_pixels_ratio": 0.1, "obstruction_width": 3},
    "OrderEnforcing": {},
    "PassiveEnvChecker": {},
    "RecordEpisodeStatistics": {},
    "RenderCollection": {},
    "RepeatAction": {"num_repeats": 2},
    "StickyAction": {"repeat_action_probability": 0.5},
    "TimeLimit": {"max_episode_steps": 5},
    "TransformAction": {"func": lambda action: action, "action_space": None},
    "TransformObservation": {"func": lambda shown: shown, "observation_space": None},
    "TransformReward": {"func": lambda reward: reward},
}
REFUSES: dict[str, tuple[dict[str, Any], str]] = {
    "ClipAction": ({}, "Box action space"),
    "DiscretizeAction": ({"bins": 3}, "Box continuous actions"),
    "DiscretizeObservation": ({"bins": 3}, "Box continuous observations"),
    "DtypeObservation": ({"dtype": np.float32}, "requires a Box"),
    "GrayscaleObservation": ({}, "requires a Box"),
    "MaxAndSkipObservation": ({}, "must have the shape"),
    "NormalizeObservation": ({}, "have a shape"),
    "RescaleAction": ({"min_action": 0, "max_action": 1}, "Box action space"),
    "RescaleObservation": ({"min_obs": 0, "max_obs": 1}, "requires a Box"),
    "ReshapeObservation": ({"shape": (3, 4)}, "requires a Box"),
    "ResizeObservation": ({"shape": (3, 4)}, "requires a Box"),
    "TimeAwareObservation": ({}, "TimeLimit"),
}
ELSEWHERE = {
    "vector": "a module",
    "AtariPreprocessing": "for Atari games",
    "RecordVideo": "needs MoviePy, see RecordRendering",
    "HumanRendering": "needs a screen, see test_rendering",
    "ArrayConversion": "turns texts into the repr of a generator, and takes no dataclasses",
    "JaxToNumpy": "as ArrayConversion",
    "JaxToTorch": "as ArrayConversion",
    "NumpyToTorch": "as ArrayConversion",
}
VECTOR_WORKS: dict[str, dict[str, Any]] = {
    "ClipReward": {"min_reward": 0, "max_reward": 1},
    "DictInfoToList": {},
    "FilterObservation": {"filter_keys": ["message", "question"]},
    "FlattenObservation": {},
    "NormalizeReward": {},
    "RecordEpisodeStatistics": {},
    "TransformAction": {"func": lambda actions: actions},
    "TransformObservation": {"func": lambda shown: shown},
    "TransformReward": {"func": lambda rewards: rewards},
    "VectorizeTransformAction": {
        "wrapper": gym.wrappers.TransformAction, "func": lambda a: a, "action_space": None
    },
    "VectorizeTransformObservation": {
        "wrapper": gym.wrappers.TransformObservation, "func": lambda o: o, "observation_space": None
    },
    "VectorizeTransformReward": {"wrapper": gym.wrappers.TransformReward, "func": lambda r: r},
}  # fmt: skip
VECTOR_REFUSES = {
    k: REFUSES[k]
    for k in (
        "ClipAction", "DtypeObservation", "GrayscaleObservation", "RescaleAction",
        "RescaleObservation", "ReshapeObservation", "ResizeObservation",
    )
}  # fmt: skip
VECTOR_ELSEWHERE = ELSEWHERE.keys() - {"vector", "AtariPreprocessing"} | {"NormalizeObservation"}


def make(**changes: Any) -> gym.Env[Any, Any]:
    return gym.make(ID, **ARGUMENTS | changes)


def many(mode: str, num_envs: int = 2, *, options: dict[str, Any] | None = None, **changes: Any):
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # forking beside threads, in Python 3.12
        return gym.make_vec(
            ID,
            num_envs=num_envs,
            vectorization_mode=mode,
            vector_kwargs=options or {},
            **ARGUMENTS | changes,
        )


def test_every_wrapper_of_gymnasium_is_in_one_of_the_tables() -> None:
    known = [WORKS.keys(), REFUSES.keys(), ELSEWHERE.keys()]
    assert sorted(name for names in known for name in names) == sorted(gym.wrappers.__all__)
    known = [VECTOR_WORKS.keys(), VECTOR_REFUSES.keys(), VECTOR_ELSEWHERE]
    vector = sorted(gym.wrappers.vector.__all__)
    assert sorted(name for names in known for name in names) == vector


@pytest.mark.parametrize("name", WORKS)
def test_a_wrapper_works_and_what_it_shows_is_in_its_space(name: str) -> None:
    inner = make(**({"render_mode": "rgb_array"} if name in DRAWN else {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = getattr(gym.wrappers, name)(inner, **WORKS[name])
    for seed in range(2):
        observation, _ = env.reset(seed=seed)
        assert observation in env.observation_space
        ended = False
        for action in (Sample(0.0, 5.0, 2), Invalid("?", "why not: é"), *[Answer("star")] * 5):
            if not ended:
                observation, _, ended, _, _ = env.step(action)
                assert observation in env.observation_space
        assert ended
    env.close()


@pytest.mark.parametrize("name", REFUSES)
def test_a_wrapper_that_cannot_work_says_so_when_it_is_made(name: str) -> None:
    arguments, words = REFUSES[name]
    with pytest.raises((TypeError, ValueError), match=words):
        getattr(gym.wrappers, name)(make(), **arguments)


def test_stacks_and_delays_hold_the_texts_of_their_turns() -> None:
    env = gym.wrappers.FrameStackObservation(make(), 2)
    env.reset(options={"item_id": "when"})
    shown = env.step(Invalid("?", "why not: é"))[0]
    assert shown["question"] == ("When does it rain?",) * 2
    assert shown["message"][0] == "" and "why not: é" in shown["message"][1]
    env = gym.wrappers.DelayObservation(make(), 1)
    assert env.reset(options={"item_id": "when"})[0]["question"] == ""
    assert env.step(Sample(0.0, 5.0, 2))[0]["question"] == "When does it rain?"


def test_a_flat_observation_gives_everything_back() -> None:
    env = gym.wrappers.FlattenObservation(make())
    flat, _ = env.reset(options={"item_id": "when"})
    back = gym.spaces.unflatten(env.env.observation_space, flat)
    expected, _ = make().reset(options={"item_id": "when"})
    for key in ("question", "choices", "message", "frames", "seconds"):
        assert data_equivalence(back[key], expected[key], exact=True), key


ALL_MODES = ["vector_entry_point", "sync"]


@pytest.mark.parametrize("mode", ALL_MODES)
@pytest.mark.parametrize("name", VECTOR_WORKS)
def test_a_vector_wrapper_works_and_what_it_shows_is_in_its_space(mode: str, name: str) -> None:
    env = getattr(gym.wrappers.vector, name)(many(mode), **VECTOR_WORKS[name])
    observations, _ = env.reset(seed=0)
    assert observations in env.observation_space and env.action_space.sample() in env.action_space
    for actions in [(Sample(0.0, 5.0, 2), Answer("a")), (Answer("b"), Sample(0.0, 5.0, 2))]:
        observations, *_ = env.step(actions)
        assert observations in env.observation_space
    env.close()


@pytest.mark.parametrize("mode", ALL_MODES)
@pytest.mark.parametrize("name", VECTOR_REFUSES)
def test_a_vector_wrapper_that_cannot_work_says_so(mode: str, name: str) -> None:
    arguments, words = VECTOR_REFUSES[name]
    with pytest.raises(TypeError, match=words):
        getattr(gym.wrappers.vector, name)(many(mode), **arguments)


OPTIONS = {
    "shared": {"shared_memory": True},
    "piped": {"shared_memory": False},
    "spawned": {"context": "spawn"},
    "differing": {"observation_mode": "different"},
    "live": {"copy": False},
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_async_gives_what_single_environments_give(kind: str) -> None:
    envs, alone = many("async", options=OPTIONS[kind]), [make() for _ in range(2)]
    try:
        shown, _ = envs.reset(seed=[3, 4])
        expected = [env.reset(seed=3 + i)[0] for i, env in enumerate(alone)]
        for actions in [
            (Sample(0.0, 5.0, 2), Invalid("?", "why not: 猫\0")),
            (Invalid("!", ""), Sample(1.0, 2.0, 1)),
            (Answer("x"), Answer("star")),
        ]:
            for i, one in enumerate(expected):
                for key, value in one.items():
                    same = np.array_equal(shown[key][i], value)
                    assert same if key not in TEXT_KEYS else shown[key][i] == value, key
            seen = copy.deepcopy(shown)
            assert seen in envs.observation_space
            shown, rewards, *_ = envs.step(actions)
            stepped = [env.step(a) for env, a in zip(alone, actions, strict=True)]
            expected = [one[0] for one in stepped]
            assert rewards.tolist() == [one[1] for one in stepped]
        assert isinstance(shown["question"], SharedTexts if kind == "live" else tuple)
    finally:
        envs.close()


@pytest.mark.parametrize("shared", [True, False])
def test_hard_texts_come_through_async_unchanged(shared: bool) -> None:
    changes = {"dataset": "tests.helpers.hard_texts:items", "overview_frames": 0}
    envs = many("async", options={"shared_memory": shared}, **changes)
    try:
        assert envs.single_observation_space["question"] == UnicodeText(MAX_TEXT + 7)
        for name, text in TEXTS.items():
            shown, infos = envs.reset(seed=0, options={"item_id": name})
            assert shown["question"] == (text, text) and shown["choices"] == (f"a\0b\n{text}",) * 2
            assert infos["item_id"].tolist() == [name] * 2
    finally:
        envs.close()


@pytest.mark.filterwarnings("ignore:.*(ERROR|Traceback)")
def test_a_text_beyond_the_space_is_refused_by_the_caller_of_async() -> None:
    def wrapped() -> gym.Env[Any, Any]:
        space = gym.spaces.Dict({"question": UnicodeText(5)})
        shrink = lambda shown: {"question": shown["question"]}  # noqa: E731
        return gym.wrappers.TransformObservation(make(disable_env_checker=True), shrink, space)

    envs = gym.vector.AsyncVectorEnv([wrapped])
    try:
        with pytest.raises(ValueError, match="at most 5 characters, got a text of 1[0-9]"):
            envs.reset(options={"item_id": "when"})
    finally:
        envs.close(terminate=True)


def test_conversations_go_through_pipes_and_not_through_shared_memory() -> None:
    def chat() -> gym.Env[Any, Any]:
        return ChatObservations(TextActions(make(disable_env_checker=True)))

    space = chat().observation_space
    assert create_zero_array(space) in space
    assert (create_zero_array(space),) * 2 in batch_differing_spaces([space, space])
    with pytest.raises(gym.error.CustomSpaceError):
        create_shared_memory(space)
    with pytest.raises(ValueError, match="shared_memory=False"):
        gym.vector.AsyncVectorEnv([chat])
    envs = gym.vector.AsyncVectorEnv([chat, chat], shared_memory=False)
    try:
        assert envs.reset(seed=0)[0] in envs.observation_space
        assert envs.step(('{"action": "skip", "to": 2}',) * 2)[0] in envs.observation_space
    finally:
        envs.close()


def test_numbers_and_indices_go_through_shared_memory() -> None:
    def numeric() -> gym.Env[Any, Any]:
        inner = make(disable_env_checker=True)
        return NumericObservations(DiscreteActions(inner), tile=(18, 18))

    envs = gym.vector.AsyncVectorEnv([numeric, numeric])
    try:
        assert envs.reset(seed=0)[0] in envs.observation_space
        assert envs.step(envs.action_space.sample())[0] in envs.observation_space
    finally:
        envs.close()


def test_what_gymnasium_stacks_passes_its_own_checker() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the wrapped is not the unwrapped
        for wrapped in (
            gym.wrappers.FrameStackObservation(make(), 2),
            gym.wrappers.DelayObservation(make(), 1),
        ):
            check_env(wrapped, skip_render_check=True)


def test_what_is_said_of_the_longest_reply_is_in_the_space() -> None:
    env = TextActions(make())
    env.reset(seed=0)
    keys = ", ".join(f'"k{k}": {k}' for k in range(20_000))
    for reply in ("é" * (2 * MAX_TEXT), f'{{"action": "skip", "to": 1, {keys}}}', "{" * MAX_TEXT):
        shown = env.step(reply)[0]
        assert shown["message"] and shown in env.observation_space
    env.reset(seed=0)
    assert env.unwrapped.step(Invalid("?", "é" * 99_999))[0] in env.observation_space
