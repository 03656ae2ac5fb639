"""Laws of `sage_env.env` as Gymnasium asks them: its checker, determinism, copies."""

import pickle
import warnings
from copy import copy as shallow
from copy import deepcopy

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence

import sage_env  # noqa: F401
from sage_env.actions.action import Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.errors import ResetNeeded
from sage_env.rewards import PRESETS, sage
from sage_env.testing import open_memory
from sage_env.testing.episodes import ITEMS
from sage_env.video.video_file import open_video
from tests.helpers.clips import write_clip
from tests.helpers.tools_to_try import Blueness, Echo


def make(**arguments):
    defaults = {"dataset": ITEMS, "opener": open_memory, "frame_size": (6, 8)}
    return gym.make("sage_env:SageVideoQA-v0", **{**defaults, **arguments})


@pytest.mark.parametrize("reward", PRESETS)
@pytest.mark.parametrize("tools", [(), (Echo(), Blueness())], ids=["no-tools", "tools"])
@pytest.mark.parametrize("overview_frames", [16, 0], ids=["overview", "blind"])
def test_gymnasium_finds_nothing_to_warn_about(reward, tools, overview_frames):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make(reward=reward, tools=tools, overview_frames=overview_frames)
        check_env(env.unwrapped)
        used = set()
        for seed in range(12):
            env.reset(seed=seed)
            env.action_space.seed(seed)
            ended = False
            while not ended:
                action = env.action_space.sample()
                assert action in env.action_space
                used.add(type(action))
                _, _, ended, _, info = env.step(action)
        assert (UseTool in used) is bool(tools)
        env.close()
        env.close()


def play(env, actions, **reset):
    """Return everything that an episode of up to these actions gives."""
    record = [env.reset(**reset)]
    for action in actions:
        record.append(env.step(action))
        if record[-1][2]:
            break
    return record


ACTIONS = [
    Zoom(3, 9, 5, (0, 0, 0.5, 1)), UseTool("blueness", {"at": 4}), UseTool("echo", {"text": "é"}),
    Sample(2, 1e6, 99), UseTool("echo"), Skip(7), Invalid("?", "why"), Answer("B"),
]  # fmt: skip


@pytest.mark.parametrize("reward", PRESETS)
def test_same_seed_and_actions_give_the_same_of_everything(reward):
    env, other = (make(reward=reward, tools=[Echo(), Blueness()]) for _ in range(2))
    for seed in range(6):
        first = play(env, ACTIONS, seed=seed)
        assert data_equivalence(first, play(other, ACTIONS, seed=seed), exact=True)
        assert data_equivalence(first, play(env, ACTIONS, seed=seed), exact=True)
    picked = {env.reset(seed=seed)[1]["item_id"] for seed in range(40)}
    assert picked == {item.id for item in ITEMS}


# Copies

COPIES = [
    deepcopy,
    lambda env: pickle.loads(pickle.dumps(env)),
    lambda env: shallow(env.unwrapped),  # Gymnasium's wrappers share what they wrap
]


@pytest.mark.parametrize("copy", COPIES, ids=["deepcopy", "pickle", "copy"])
def test_a_copy_goes_on_in_the_same_way(copy):
    env = make(reward=sage(early=0.1), tools=[Echo(), Blueness()], max_turns=30)
    env.reset(seed=3)
    for action in ACTIONS:
        twin = copy(env)
        here, there = env.step(action), twin.step(action)
        assert data_equivalence(here, there, exact=True)
        assert env.unwrapped.history == twin.unwrapped.history
        env = twin
    assert here[2]  # the last copy of a copy has ended
    fresh, twin = make(), copy(make())
    assert data_equivalence(fresh.reset(seed=1), twin.reset(seed=1), exact=True)


def test_the_generator_of_questions_is_copied():
    env = make()
    env.reset(seed=0)
    twin = deepcopy(env)
    asked = [[e.reset()[1]["item_id"] for _ in range(8)] for e in (env, twin)]
    assert asked[0] == asked[1]


@pytest.mark.parametrize("copy", COPIES, ids=["deepcopy", "pickle", "copy"])
def test_a_copy_opens_the_file_anew_and_counts_on(copy, tmp_path):
    path = write_clip(tmp_path / "a.mp4", range(100))
    item = sage_env.QAItem("q", path, "?", (), "x")
    env = make(dataset=[item], overview_frames=4, opener=None)
    env.reset(seed=0)
    twin = copy(env)
    assert twin.unwrapped._viewer._video is None
    before = env.unwrapped.history.spent.frames_decoded
    first, second = env.step(Sample(0.3, 1.7, 5)), twin.step(Sample(0.3, 1.7, 5))
    assert data_equivalence(first, second, exact=True)
    assert first[4]["spent"].frames_decoded > before > 0
    assert second[4]["spent"].frames_decoded == before  # the cache of pictures is shared
    env.close()
    with pytest.raises(ResetNeeded):
        env.step(Skip(1))
    assert twin.step(Zoom(1, 2, 3))[0]["num_frames"] == 3


def test_a_shallow_copy_shares_what_never_changes_and_nothing_else():
    tools, judge = [Echo()], lambda item, text: False
    env = make(tools=tools, judge=judge).unwrapped
    env.reset(seed=0, options={"index": 0})
    twin = shallow(env)
    assert twin._items is env._items and twin.tools["echo"] is tools[0]
    assert twin._viewer is not env._viewer and twin._viewer._opener is env._viewer._opener
    twin.reset(seed=9, options={"index": 1})
    twin.close()
    assert env.history.item is ITEMS[0] and env.step(Sample(0, 9, 3))[0]["num_frames"] == 3
    assert env.np_random is not twin.np_random


def test_a_video_with_its_own_cache_does_not_hinder_copies(tmp_path):
    from functools import partial

    from sage_env.video.cache.frame_cache import FrameCache

    path = write_clip(tmp_path / "a.mp4", range(50))
    opener = partial(open_video, cache=FrameCache(10**6))
    env = make(dataset=[sage_env.QAItem("q", path, "?", (), "x")], opener=opener)
    env.reset(seed=0)
    for copy in COPIES:
        assert data_equivalence(copy(env).step(Zoom(0, 1, 3)), deepcopy(env).step(Zoom(0, 1, 3)))
