"""Laws of `sage_env.vector.sharing`, `sage_env.openers`: times on one grid, one folder."""

from __future__ import annotations

import pickle
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sage_env  # noqa: F401
from sage_env.actions.action import Answer, Sample, Zoom
from sage_env.datasets.item import QAItem
from sage_env.errors import VideoError
from sage_env.testing import open_memory
from sage_env.timeline import snapped
from sage_env.video.cache import process_cache
from sage_env.video.cache.process_cache import shared_cache

MINUTE = [QAItem("minute", Path("60.memory"), "Which?", ("a", "b"), "a", "mcq")]


def make(**arguments):
    defaults = {"dataset": MINUTE, "frame_size": (6, 8), "overview_frames": 0}
    return gym.make("sage_env:SageVideoQA-v0", **{**defaults, **arguments}).unwrapped


@given(st.integers(0, 40), st.integers(1, 20), st.integers(1, 16), st.booleans())
def test_snapped_looks_show_what_is_on_screen_at_times_of_the_grid(start, length, count, zoom):
    look = Zoom if zoom else Sample
    env, plain = make(opener=open_memory, snap=True), make(opener=open_memory)
    for each in (env, plain):
        each.reset(seed=0)
    observation, _, _, _, info = env.step(look(start, start + length, count))
    times = snapped(start, start + length, count)
    video = open_memory(Path("60.memory"))
    expected = np.unique(video.frames_at(times.tolist()).seconds)
    assert info["frame_seconds"] == expected.tolist()  # true times, not those of the grid
    assert info["span"] == (start, start + length)
    np.testing.assert_allclose(observation["seconds"][: len(expected)], expected, rtol=1e-6)
    middles = start + (np.arange(count) + 0.5) * length / count
    _, _, _, _, info = plain.step(look(start, start + length, count))
    assert info["frame_seconds"] == np.unique(video.frames_at(middles).seconds).tolist()


def seen(env):
    """Return the pictures of an episode, and what it has spent."""
    env.reset(seed=0)
    shown = [env.step(Sample(0, 4, 4))[0], env.step(Zoom(1, 3, 4, (0, 0, 0.5, 0.5)))[0]]
    _, _, _, _, info = env.step(Answer("a"))
    env.close()
    return np.stack([o["frames"] for o in shown]), info["spent"]


@pytest.fixture
def clip_question(clip):
    return [QAItem("clip", clip("short-gops"), "Which?", ("a", "b"), "a", "mcq")]


def test_another_process_decodes_nothing_that_is_in_the_folder(clip_question, tmp_path):
    arguments = {"dataset": clip_question, "frame_size": (32, 48), "frame_store": tmp_path}
    env = pickle.loads(pickle.dumps(make(**arguments)))
    pictures, spent = seen(env)
    assert spent.frames_decoded > 0 == spent.frames_cached
    process_cache._shared_cache.cache_clear()  # as a new process begins
    again, free = seen(make(**arguments))
    np.testing.assert_array_equal(again, pictures)
    assert (free.frames_decoded, free.frames_cached) == (0, spent.frames_shown)
    assert free == spent  # what the machine spent is no part of the record
    plain, _ = seen(make(dataset=clip_question, frame_size=(32, 48)))
    np.testing.assert_array_equal(plain, pictures)


def test_many_environments_share_through_the_folder_too(clip_question, tmp_path):
    arguments = {"dataset": clip_question, "frame_size": (32, 48), "frame_store": tmp_path}
    envs = gym.make_vec("sage_env:SageVideoQA-v0", num_envs=3, overview_frames=8, **arguments)
    envs.reset(seed=0)
    envs.close()
    stats = shared_cache(str(tmp_path)).stats
    assert (stats.misses, stats.hits + stats.coalesced) == (8, 16)
    assert len(list(tmp_path.glob("*.rgb"))) == 8


def test_a_folder_and_an_opener_exclude_each_other(tmp_path):
    with pytest.raises(ValueError, match="frame_store is for videos that the environment opens"):
        make(opener=open_memory, frame_store=tmp_path)


def test_a_tolerant_overview_decodes_less_and_tells_true_times_and_zooms_stay_exact(clip_question):
    arguments = {"dataset": clip_question, "frame_size": (32, 48), "overview_frames": 8}
    exact, near = make(**arguments), make(**arguments, overview_tolerance="auto")
    shown, spent = {}, {}
    for env in (exact, near):
        process_cache._shared_cache.cache_clear()
        _, info = env.reset(seed=0)
        shown[env], spent[env] = np.array(info["frame_seconds"]), info["spent"].frames_decoded
    step = exact.history.looks[0].span[1] / 8
    middles = (np.arange(8) + 0.5) * step
    assert spent[near] < spent[exact] / 2
    assert (np.abs(shown[near] - middles) <= step / 2).all()
    assert not np.array_equal(shown[near], shown[exact])
    zooms = [env.step(Zoom(1.0, 3.0, 8))[4]["frame_seconds"] for env in (exact, near)]
    assert zooms[0] == zooms[1]


def test_a_video_that_takes_no_tolerance_is_named():
    env = make(opener=open_memory, overview_frames=4, overview_tolerance=1.0)
    with pytest.raises(VideoError, match="60.memory: .*tolerance"):
        env.reset(seed=0)
