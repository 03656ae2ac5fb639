"""Laws of `sage_env.observation`, through the environment: `picture` is where the picture is."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sage_env  # noqa: F401  # registers the environment
from sage_env import QAItem, Sample, Skip, VideoQAEnv, Zoom, pictures
from sage_env.observation import observation_space, observe
from sage_env.testing import open_memory
from sage_env.video.video_file import open_video
from tests.helpers.clips import write_clip
from tests.helpers.real_clips import REAL_CLIPS
from tests.helpers.video.joined import joined

ID = "SageVideoQA-v0"
SHAPES = {  # (H, W) as coded, further arguments, (H, W) as shown
    "wide": ((36, 64), {}, (36, 64)),
    "tall": ((96, 48), {}, (96, 48)),
    "square": ((64, 64), {}, (64, 64)),
    "turned": ((36, 64), {"rotation": 90}, (64, 36)),
    "stretched": ((64, 64), {"aspect": Fraction(2)}, (64, 128)),
}
SIZE = (48, 56)
FITTED = {"wide": (32, 56), "tall": (48, 24), "square": (48, 48), "turned": (48, 27),
          "stretched": (28, 56)}  # fmt: skip


@pytest.fixture(scope="module")
def white(tmp_path_factory):
    """White videos, one of each shape: what is not black in a frame is picture."""
    folder = tmp_path_factory.mktemp("white")

    def draw(_, height, width):
        return np.full((height, width, 3), 255, np.uint8)

    paths = {}
    for name, (size, more, shown) in SHAPES.items():
        options = {"x264-params": "keyint=5"}
        paths[name] = write_clip(
            folder / f"{name}.mp4", range(0, 500, 25), size=size, options=options, draw=draw, **more
        )
        assert open_video(paths[name]).size == shown
    return paths


def asked(paths, names=tuple(SHAPES)):
    return [QAItem(name, paths[name], "What is it?", (), "a bar") for name in names]


def lit(frame):
    """Where a white picture lies in a frame, found by looking."""
    bright = (frame > 127).all(2)
    rows, columns = (np.flatnonzero(bright.any(axis)) for axis in (1, 0))
    return [int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1]


def assert_true(observation):
    """Every frame's `picture` is where it is lit; padding has none."""
    shown = int(observation["num_frames"])
    for frame, region in zip(observation["frames"], observation["picture"], strict=True):
        expected = lit(frame) if shown > 0 else [0, 0, 0, 0]
        assert region.tolist() == expected
        shown -= 1
    assert observation["picture"].dtype == np.int32


@pytest.mark.parametrize("name", SHAPES)
def test_the_picture_is_found_in_every_look(white, name):
    env = VideoQAEnv(dataset=asked(white), frame_size=SIZE, overview_frames=3, frames_per_turn=4)
    observation, _ = env.reset(options={"item_id": name})
    assert_true(observation)
    top, bottom, left, right = observation["picture"][0].tolist()
    assert (bottom - top, right - left) == FITTED[name]
    assert observation in env.observation_space
    # A box has a shape of its own: here half as wide, then half as high.
    for box in ((0.0, 0.0, 0.5, 1.0), (0.0, 0.5, 1.0, 1.0), None):
        observation = env.step(Zoom(0.0, 4.0, 2, box))[0]
        assert_true(observation)
        assert observation["num_frames"] == 2 and observation in env.observation_space
    narrow = env.step(Zoom(0.0, 4.0, 2, (0.0, 0.0, 0.25, 1.0)))[0]["picture"][0].tolist()
    assert narrow[3] - narrow[2] < right - left
    assert_true(env.step(Skip(2.0))[0])
    assert_true(env.step(Sample(2.0, 9.0, 4))[0])


def test_a_blind_start_shows_no_picture(white):
    env = VideoQAEnv(dataset=asked(white), frame_size=SIZE, overview_frames=0)
    observation, _ = env.reset(options={"item_id": "wide"})
    assert not observation["picture"].any() and pictures(observation) == []
    assert observation in env.observation_space


def test_pictures_from_caches_and_proxies_have_the_same_place(white, tmp_path):
    for more in (
        {"frame_store": tmp_path / "store"},
        {"frame_store": tmp_path / "store", "snap": True},
        {"overview_tolerance": "auto"},
        {"opener": lambda path: open_video(path, proxy_folder=tmp_path / "proxies")},
        {"opener": lambda path: open_video(path, proxy_folder=tmp_path / "proxies"),
         "overview_tolerance": "auto"},
    ):  # fmt: skip
        env = VideoQAEnv(dataset=asked(white), frame_size=SIZE, overview_frames=4, **more)
        for name in ("wide", "turned", "wide"):
            assert_true(env.reset(options={"item_id": name})[0])
            assert_true(env.step(Zoom(0.0, 9.0, 3, (0.1, 0.1, 0.4, 0.9)))[0])
        env.close()


@pytest.mark.parametrize("mode", ["default", "sync"])
def test_pictures_do_not_leak_between_the_episodes_of_a_vector_environment(white, mode):
    more = {} if mode == "default" else {"vectorization_mode": "sync"}
    envs = gym.make_vec(ID, num_envs=2, dataset=asked(white), frame_size=SIZE, overview_frames=3,
                        frames_per_turn=2, max_turns=2, **more)  # fmt: skip
    names = set()
    observations, infos = envs.reset(seed=3)
    for step in range(16):
        action = Zoom(0.0, 9.0, 1, (0.0, 0.0, 0.3, 1.0)) if step % 3 else Skip(1.0)
        for k in range(2):
            assert_true({key: value[k] for key, value in observations.items()})
        names |= set(infos["item_id"])
        assert observations in envs.observation_space
        observations, _, _, _, infos = envs.step((action, action))
    assert len(names) > 2  # videos of several shapes came one after the other
    envs.close()


def test_a_failure_shows_no_picture(tmp_path, white):
    items = [QAItem("broken", tmp_path / "missing.mp4", "?", (), "a"), *asked(white, ("wide",))]
    envs = gym.make_vec(ID, num_envs=1, dataset=items, frame_size=SIZE, overview_frames=2)
    observations, _ = envs.reset(options={"item_id": "wide"})
    assert observations["picture"].any()
    observations, infos = envs.reset(options={"item_id": "broken"})
    assert "error" in infos and not observations["picture"].any()
    envs.close()


def test_a_stream_whose_pictures_change_shape_loses_none_of_them(tmp_path):
    """Frames of the first shape have its bars; those of the other are taken whole."""
    shapes, parts = ((36, 64), (64, 36)), []
    for k, size in enumerate(shapes):
        parts.append(
            write_clip(tmp_path / f"{k}.ts", range(0, 20 * 3600, 3600), size=size,
                       time_base=Fraction(1, 90_000), options={"x264-params": "keyint=5"},
                       draw=lambda _, height, width: np.full((height, width, 3), 255, np.uint8))
        )  # fmt: skip
    items = [QAItem("a", joined(parts, tmp_path / "whole.ts"), "?", (), "a")]
    env = VideoQAEnv(dataset=items, frame_size=SIZE, overview_frames=8)
    observation, _ = env.reset()
    wide, tall = [8, 40, 0, 56], [0, 48, 14, 41]
    assert [lit(frame) for frame in observation["frames"][:8]] == [wide] * 4 + [tall] * 4
    assert observation["picture"][:8].tolist() == [wide] * 4 + [[0, 48, 0, 56]] * 4


def test_a_plug_in_video_without_a_size_is_all_picture():
    class Sizeless:
        fps, duration = 2.0, 20.0

        def __init__(self, path):
            self._video = open_memory("20.memory")

        def frames_at(self, seconds, *, size=None, box=None):
            return self._video.frames_at(seconds, size=size, box=box)

        def close(self):
            """Nothing is held."""

    items = [QAItem("a", Path("20.memory"), "?", (), "a")]
    for size, pixels, region in (
        ((64, 64), None, [0, 64, 0, 64]),
        ((32, 96), 2048, [0, 32, 16, 80]),  # taken to have the shape of the frame: 1 x 2 squares
    ):
        env = VideoQAEnv(dataset=items, opener=Sizeless, frame_size=size, frame_pixels=pixels,
                         overview_frames=2)  # fmt: skip
        observation, _ = env.reset()
        assert observation["picture"].tolist() == [region] * 2 + [[0] * 4] * 14


@pytest.mark.parametrize("name", SHAPES)
def test_under_a_budget_of_pixels_each_shape_has_its_own_size(white, name):
    """4096 pixels are 4 squares of 32: 1 x 4 or 2 x 2; 6144 are 6: 2 x 3 and 1 x 6 as well."""
    env = VideoQAEnv(dataset=asked(white), frame_size=(96, 96), frame_pixels=6144,
                     overview_frames=3)  # fmt: skip
    assert env.observation_space["frames"].shape == (16, 96, 96, 3)
    observation, _ = env.reset(options={"item_id": name})
    assert_true(observation)
    top, bottom, left, right = observation["picture"][0].tolist()
    expected = {"wide": (54, 96), "tall": (96, 48), "square": (64, 64), "turned": (96, 54),
                "stretched": (48, 96)}[name]  # fmt: skip
    assert (bottom - top, right - left) == expected
    (picture, *_) = pictures(observation)
    assert picture.shape[0] * picture.shape[1] <= 6144
    # the quarter of a wide picture that is a tall one gets the shape of a tall one
    zoomed = env.step(Zoom(0.0, 9.0, 2, (0.0, 0.0, 0.25, 1.0)))[0]
    assert_true(zoomed)
    high = zoomed["picture"][0]
    if name in ("wide", "stretched"):
        assert high[1] - high[0] > bottom - top and high[3] - high[2] < right - left


def test_a_budget_of_pixels_reads_the_pixels_of_a_frame_of_that_size(white):
    """Placing frames changes none of their pixels: the cut picture is that of the small frame."""
    small = VideoQAEnv(dataset=asked(white), frame_size=(64, 96), overview_frames=3)
    large = VideoQAEnv(dataset=asked(white), frame_size=(128, 160), frame_pixels=6144,
                       overview_frames=3)  # fmt: skip
    one, other = (env.reset(options={"item_id": "wide"})[0] for env in (small, large))
    assert [a.shape for a in pictures(one)] == [(64, 96, 3)] * 3
    for a, b in zip(pictures(one), pictures(other), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(one["frames"].shape, other["frames"].shape)


def test_gymnasium_accepts_the_environment_with_a_budget_of_pixels(white):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for more in ({"frame_size": SIZE}, {"frame_pixels": 2048}):
            env = gym.make(ID, dataset=asked(white), overview_frames=2, frames_per_turn=2, **more)
            check_env(env.unwrapped, skip_render_check=True)
            env.close()


def test_a_small_batch_stands_in_the_middle_of_black():
    batch = open_memory("9.memory").frames_at([1.0, 5.0], size=(3, 4))
    item = QAItem("a", Path("a"), "?", (), "a")
    space = observation_space(3, (6, 9), 4, 5)
    shown = observe(item, batch, shape=(3, 6, 9, 3), cursor=0.0, duration=9.0, turns_left=1,
                    frames_left=1, message="", native=(48, 64))  # fmt: skip
    assert shown in space and shown["picture"].tolist() == [[1, 4, 2, 6]] * 2 + [[0] * 4]
    assert np.array_equal(shown["frames"][:2, 1:4, 2:6], batch.pixels)
    assert shown["frames"].sum() == batch.pixels.sum(dtype=np.uint64)
    assert space["picture"].high.tolist() == [[6, 6, 9, 9]] * 3


@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="no filmed clips beside the checkout")
def test_a_filmed_clip_has_bars_above_and_below():
    path = REAL_CLIPS / "intel_bottle_detection.mp4"  # 640 x 360
    items = [QAItem("bottle", path, "What is it?", (), "a bottle")]
    env = VideoQAEnv(dataset=items, frame_size=(224, 224), overview_frames=2)
    observation, _ = env.reset()
    assert observation["picture"][:2].tolist() == [[49, 175, 0, 224]] * 2
    assert [shown.shape for shown in pictures(observation)] == [(128, 224, 3)] * 2
    env.close()
