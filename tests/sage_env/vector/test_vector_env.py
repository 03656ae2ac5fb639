"""Laws of `sage_env.vector`: many give what single ones give; one that fails stops no other."""

from __future__ import annotations

import gc
import math
import threading
import time
import warnings
from copy import deepcopy
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import (
    ClipReward,
    DictInfoToList,
    FilterObservation,
    RecordEpisodeStatistics,
)

import sage_env
from sage_env import (
    Answer,
    Invalid,
    QAItem,
    Sample,
    Skip,
    VideoQAEnv,
    VideoQAVectorEnv,
    Zoom,
)
from sage_env.deadlines.call_threads import end_idle_threads
from sage_env.errors import DatasetError, MissingExtra, ResetNeeded, VideoError
from sage_env.vector.sharing import KeyedLock, SharedDataset
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.process_cache import shared_cache
from sage_env.video.video_file import open_video

NEXT, SAME, DISABLED = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED
ID = "sage_env:SageVideoQA-v0"
SIZE = (16, 24)
CLIPS = ["one-gop", "short-gops", "two-a-second", "vp9"]
NOT_SINGLE = ("num_envs", "autoreset_mode", "vectorization_mode")
CHOICES = ("moon", "star", "drop", "ring")


@pytest.fixture(scope="module")
def clips(clip):
    return [clip(name) for name in CLIPS]


MADE = []


@pytest.fixture(autouse=True)
def closing():
    """Close what a test has made."""
    yield
    while MADE:
        MADE.pop().close()


def questions(paths, *, evidence=True):
    """Two questions about each video; the evidence is where few looks find it."""
    return [
        QAItem(f"{path.stem}{n}", path, f"Où {n}?", CHOICES, CHOICES[n], "mcq",
               ((0.7, 0.75),) if evidence and n else ())
        for path in paths
        for n in range(2)
    ]  # fmt: skip


def make(paths, num_envs=3, **arguments):
    defaults = {"dataset": questions(paths), "frame_size": SIZE, "max_turns": 4, "max_frames": 40}
    defaults |= {"frames_per_turn": 6, "overview_frames": 2, "reward": "efficient"}
    MADE.append(gym.make_vec(ID, num_envs=num_envs, **{**defaults, **arguments}))
    return MADE[-1]


def row(infos, i):
    """Return the information of one environment."""
    return {
        key: row(value, i) if isinstance(value, dict) and key != "final_obs" else value[i]
        for key, value in infos.items()
        if not key.startswith("_") and infos[f"_{key}"][i]
    }


def batched(space, observations):
    """Stack by hand what Gymnasium batches."""
    return {
        key: tuple(o[key] for o in observations)
        if isinstance(subspace, sage_env.UnicodeText)
        else np.array([o[key] for o in observations], subspace.dtype)
        for key, subspace in space.items()
    }


def singles(num_envs, mode, actions, **arguments):
    """Yield what single environments give when each is played as the mode says."""
    envs = [gym.make(ID, **arguments) for _ in range(num_envs)]
    first = [env.reset(seed=5 + i) for i, env in enumerate(envs)]
    yield [(observation, 0.0, False, False, info) for observation, info in first]
    ended = [False] * num_envs
    for batch in actions:
        turns = []
        for i, (env, action) in enumerate(zip(envs, batch, strict=True)):
            if ended[i] and mode is not SAME:
                observation, info = env.reset()
            if ended[i] and mode is NEXT:
                turn = (observation, 0.0, False, False, info)
            else:
                turn = env.step(action)
            ended[i] = turn[2] or turn[3]
            if ended[i] and mode is SAME:
                observation, info = env.reset()
                info = {"final_obs": turn[0], "final_info": turn[4], **info}
                turn = (observation, *turn[1:4], info)
            turns.append(turn)
        yield turns


@pytest.mark.parametrize("mode", [NEXT, SAME, DISABLED])
def test_many_give_exactly_what_single_ones_give(clips, mode):
    num_envs, steps = 4, 250
    envs = make(clips, num_envs, autoreset_mode=mode)
    arguments = {k: v for k, v in envs.spec.kwargs.items() if k not in NOT_SINGLE}
    space = sage_env.ActionSpace(4.0, 9, seed=3)  # the clips are this short
    actions = [tuple(space.sample() for _ in range(num_envs)) for _ in range(steps)]
    actions[7] = (Invalid("?", "why"), *actions[7][1:])

    expected = singles(num_envs, mode, actions, **arguments)
    observations, infos = envs.reset(seed=5)
    got = [(observations, np.zeros(num_envs), None, None, infos)]
    for batch in actions:
        if mode is DISABLED and len(got) > 1 and (got[-1][2] | got[-1][3]).any():
            envs.reset(options={"reset_mask": got[-1][2] | got[-1][3]})
        got.append(envs.step(batch))
    assert sum(g[2].any() for g in got[1:]) > 50
    for turns, (observations, rewards, terminated, truncated, infos) in zip(
        expected, got, strict=True
    ):
        wanted = batched(envs.single_observation_space, [turn[0] for turn in turns])
        assert data_equivalence(observations, wanted, exact=True)
        assert rewards.tolist() == [turn[1] for turn in turns]
        if terminated is not None:
            assert terminated.tolist() == [turn[2] for turn in turns]
            assert truncated.tolist() == [turn[3] for turn in turns]
        for i, turn in enumerate(turns):
            assert data_equivalence(row(infos, i), turn[4], exact=True)
    assert observations in envs.observation_space


@pytest.mark.parametrize("mode", [NEXT, SAME])
def test_gymnasiums_own_vector_environment_agrees(clips, mode):
    """Without evidence: Gymnasium's arrays cannot hold a number beside a `None`."""
    dataset = questions(clips, evidence=False)
    ours = make(clips, dataset=dataset, autoreset_mode=mode)
    theirs = make(
        clips, dataset=dataset, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}
    )
    assert theirs.observation_space == ours.observation_space
    assert theirs.action_space == ours.action_space
    ours.action_space.seed(2)
    seeds = [9, None, 4]
    a, b = ours.reset(seed=seeds)[0], theirs.reset(seed=seeds)[0]
    for key in a:
        assert np.array_equal(a[key][0], b[key][0]) and np.array_equal(a[key][2], b[key][2])
    assert data_equivalence(ours.reset(seed=9)[0], theirs.reset(seed=9)[0], exact=True)
    for _ in range(60):
        actions = ours.action_space.sample()
        assert data_equivalence(ours.step(actions)[:4], theirs.step(actions)[:4], exact=True)
    assert ours.metadata["autoreset_mode"] is theirs.metadata["autoreset_mode"] is mode


def test_make_vec_makes_it_and_its_samples_can_be_played():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = gym.make_vec(ID, num_envs=8)
    assert type(envs) is VideoQAVectorEnv and envs.metadata["autoreset_mode"] is NEXT
    assert len(envs.action_space.sample()) == envs.num_envs == 8
    assert envs.observation_space["frames"].shape == (8, 16, 64, 64, 3)
    assert len({id(env.unwrapped._items) for env in envs.envs}) == 1
    assert (envs.render_mode, envs.render()) == (None, None)
    envs.close()


def test_seeds_follow_each_other_or_are_listed(clips):
    envs = make(clips, 3)
    envs.reset(seed=11)
    assert envs.np_random_seed == (11, 12, 13)
    envs.reset(seed=[3, None, np.int64(3)])
    assert envs.np_random_seed == (3, 12, 3)
    draws = [random.integers(1000) for random in envs.np_random]
    assert draws[0] == draws[2] != draws[1]
    with pytest.raises(ValueError, match="one for each of 3, got 2"):
        envs.reset(seed=[1, 2])


def test_options_choose_questions_for_all_or_for_each(clips):
    envs = make(clips, 3)
    ids = [item.id for item in questions(clips)]
    assert envs.reset(options={"item_id": ids[3]})[1]["item_id"].tolist() == [ids[3]] * 3
    assert envs.reset(options={"index": 2})[1]["item_id"].tolist() == [ids[2]] * 3
    options = {"index": np.array([4, 0, 1])}
    assert envs.reset(options=options)[1]["item_id"].tolist() == [ids[4], ids[0], ids[1]]
    free = envs.reset(seed=4, options={"item_id": [None, ids[5], None]})[1]["item_id"].tolist()
    assert free[1] == ids[5] and free[::2] == envs.reset(seed=4)[1]["item_id"][::2].tolist()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"index": [1, 2]}, ValueError, "must be one or 3, got 2"),
        ({"index": [0, 1, 8]}, ValueError, "from 0 to 7, got 8"),
        ({"index": True}, ValueError, "from 0 to 7, got True"),
        ({"item_id": ["a0", "nope", "a1"]}, DatasetError, "'nope'"),
        ({"item": 1}, ValueError, "with or without 'reset_mask'"),
        ({"item_id": "a0", "index": 0}, ValueError, "with or without 'reset_mask'"),
        ({"reset_mask": [True, False, True]}, ValueError, r"bool array of shape \(3,\)"),
        ({"reset_mask": np.array([True, False])}, ValueError, r"bool array of shape \(3,\)"),
        ({"reset_mask": np.zeros(3, bool)}, ValueError, "with a True in it"),
    ],
)
def test_wrong_options_are_refused_before_anything_happens(clips, options, error, words):
    envs = make(clips, 3)
    envs.reset(seed=0)
    with pytest.raises(error, match=words):
        envs.reset(options=options)
    assert envs.step([Skip(1)] * 3)[0]["turns_left"].tolist() == [3, 3, 3]


def test_wrong_actions_are_refused_before_anything_happens(clips):
    envs = make(clips, 2)
    envs.reset(seed=0)
    for actions in ([Skip(1)], Skip(1), "ab"):
        with pytest.raises(ValueError, match="a sequence of 2 actions"):
            envs.step(actions)
    with pytest.raises(TypeError, match="got str for environment 1: read text with"):
        envs.step([Skip(1), "skip"])
    assert envs.step([Skip(1), Answer("A")])[0]["turns_left"].tolist() == [3, 3]
    assert envs.step([Skip(1), None])[0]["turns_left"].tolist() == [2, 4]  # None is ignored


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_envs": 0}, "num_envs must be a whole number >= 1"),
        ({"num_envs": 2.0}, "num_envs must be a whole number >= 1"),
        ({"autoreset_mode": "next"}, r"\['NextStep', 'SameStep', 'Disabled'\], got 'next'"),
        ({"max_turns": 0}, "max_turns must be"),
        ({"render_mode": "human"}, "render_mode='rgb_array' and wrap them in .*HumanRendering"),
    ],
)
def test_wrong_arguments_are_named(clips, arguments, words):
    with pytest.raises(ValueError, match=words):
        make(clips, **arguments)


# Who is reset, and when


def test_a_mask_resets_some_and_leaves_the_others_where_they_are(clips):
    envs = make(clips, 3, autoreset_mode="Disabled")
    mask = np.array([True, False, True])
    with pytest.raises(ResetNeeded, match="without an episode"):
        envs.reset(options={"reset_mask": mask})
    envs.reset(seed=0)
    before = envs.step([Answer("A"), Skip(1), Answer("B")])[0]
    with pytest.raises(ResetNeeded, match=r"environments \[0, 2\] have ended"):
        envs.step([Skip(1)] * 3)
    options = {"reset_mask": mask, "item_id": ["a0", "nobody's", "b1"]}
    after, infos = envs.reset(options=options)
    assert list(options) == ["reset_mask", "item_id"]  # the caller's own
    assert infos["item_id"].tolist() == ["a0", None, "b1"]
    assert infos["_item_id"].tolist() == mask.tolist()
    assert after["turns_left"].tolist() == [4, 3, 4]
    assert np.array_equal(after["frames"][1], before["frames"][1])
    assert envs.step([Skip(1)] * 3)[0]["turns_left"].tolist() == [3, 2, 3]


@pytest.mark.parametrize("mode", [NEXT, SAME])
def test_what_was_returned_never_changes(clips, mode):
    envs = make(clips, 2, autoreset_mode=mode)
    envs.action_space.seed(0)
    kept = [envs.reset(seed=0)[0]]
    copies, finals = [deepcopy(kept[0])], 0
    for _ in range(40):
        observation, *_, infos = envs.step(envs.action_space.sample())
        new = [observation, *filter(None, infos.get("final_obs", ()))]
        finals += len(new) - 1
        kept += new
        copies += deepcopy(new)
    assert data_equivalence(kept, copies, exact=True) and bool(finals) is (mode is SAME)
    arrays = [o[key] for o in kept for key in ("frames", "seconds", "cursor")]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_without_copy_the_arrays_are_used_again(clips):
    envs = make(clips, 2, copy=False)
    first = envs.reset(seed=0)[0]
    second = envs.step([Sample(0, 2, 3)] * 2)[0]
    assert second["frames"] is first["frames"]
    assert np.array_equal(
        second["frames"][0], gym_single(clips, seed=0, action=Sample(0, 2, 3))["frames"]
    )


def gym_single(paths, seed, action):
    envs = make(paths, 1)
    envs.reset(seed=seed)
    return {key: value[0] for key, value in envs.step([action])[0].items()}


# Failures


def gone(tmp_path, clips):
    """Return the path of a video that is there until it is deleted."""
    path = tmp_path / "gone.mp4"
    path.write_bytes(clips[1].read_bytes())
    return path


def assert_nothing(observation, space, i):
    assert not observation["frames"][i].any() and (observation["seconds"][i] == -1).all()
    assert observation["num_frames"][i] == observation["frames_left"][i] == 0
    assert observation["question"][i] == observation["message"][i] == ""
    assert observation in space


@pytest.mark.parametrize("mode", [NEXT, SAME, DISABLED])
def test_a_step_that_fails_ends_its_episode_without_a_reward(tmp_path, clips, mode):
    path = gone(tmp_path, clips)
    envs = make([clips[0], path], 3, autoreset_mode=mode, overview_frames=0)
    envs.reset(options={"item_id": ["a0", "gone0", "a1"]}, seed=0)
    path.unlink()
    observation, rewards, terminated, truncated, infos = envs.step(
        [Answer("A"), Sample(0, 2, 3), Zoom(1, 2, 2)]
    )
    assert np.isnan(rewards).tolist() == truncated.tolist() == [False, True, False]
    assert terminated.tolist() == [True, False, False] and rewards[0] > 0.8
    assert observation["num_frames"][2] == 2
    told = infos["final_info"] if mode is SAME else infos
    assert told["_error"].tolist() == [False, True, False] and told["item_id"][1] == "gone0"
    assert told["error"][1].startswith(f"VideoError: {path}")
    if mode is SAME:
        assert not infos["final_obs"][1]["frames"].any()
        new = infos.get("_error", np.zeros(3, bool)) | (observation["turns_left"] == 4)
        assert new.tolist() == [True, True, False]  # the seed may pick the lost video again
        return
    assert_nothing(observation, envs.observation_space, 1)
    if mode is DISABLED:
        with pytest.raises(ResetNeeded, match=r"environments \[0, 1\]"):
            envs.step([Skip(1)] * 3)
        envs.reset(options={"reset_mask": terminated | truncated, "item_id": "a0"})
        observation, rewards, *_ = envs.step([Skip(1)] * 3)
        assert observation["turns_left"].tolist() == [3, 3, 2] and not rewards.any()


@pytest.mark.parametrize("mode", [NEXT, SAME, DISABLED])
def test_a_reset_that_fails_is_an_episode_that_ends_at_its_first_step(tmp_path, clips, mode):
    broken = tmp_path / "x.mp4"
    broken.write_bytes(b"no video")
    envs = make([clips[0], broken], 2, autoreset_mode=mode)
    observation, infos = envs.reset(options={"item_id": ["a0", "x1"]}, seed=0)
    assert infos["_error"].tolist() == [False, True] and infos["item_id"].tolist() == ["a0", None]
    assert infos["error"][1].startswith(f"VideoError: {broken}")
    assert_nothing(observation, envs.observation_space, 1)
    assert observation["question"][0] == "Où 0?" and observation["num_frames"][0] == 2
    observation, rewards, terminated, truncated, after = envs.step([Skip(1), Skip(1)])
    assert np.isnan(rewards).tolist() == truncated.tolist() == [False, True]
    assert not terminated.any() and observation["turns_left"][0] == 3
    told = after["final_info"] if mode is SAME else after
    assert told["error"].tolist() == infos["error"].tolist()
    if mode is DISABLED:
        only = {"reset_mask": np.array([False, True])}
        assert "error" in envs.reset(options={**only, "item_id": "x0"})[1]
        observation, infos = envs.reset(options={**only, "item_id": "a1"})  # and at once again
        assert observation["turns_left"].tolist() == [3, 4] and "error" not in infos
        observation, rewards, *_ = envs.step([Skip(1), Skip(1)])
        assert observation["turns_left"].tolist() == [2, 3] and rewards.tolist() == [0, 0]


@pytest.mark.parametrize("mode", [NEXT, SAME])
def test_a_reward_is_nan_exactly_where_there_was_no_question(tmp_path, clips, mode):
    """What a learner sees that knows nothing of `infos`, but skips the steps that reset."""
    broken = tmp_path / "x.mp4"
    broken.write_bytes(b"no video")
    envs = make([clips[0], broken], 2, autoreset_mode=mode)
    observation, skipped, rewarded = envs.reset(seed=1)[0], [False, False], []
    for _ in range(40):
        asked = [question != "" for question in observation["question"]]
        observation, rewards, terminated, truncated, _ = envs.step([Answer("A")] * 2)
        for i in range(2):
            if not skipped[i]:
                assert math.isnan(rewards[i]) is bool(truncated[i]) is not asked[i]
                assert terminated[i] == asked[i]
                rewarded.append(rewards[i])
            elif mode is NEXT:
                assert (rewards[i], terminated[i], truncated[i]) == (0, False, False)
        skipped = (terminated | truncated) & (mode is NEXT)
    assert np.isnan(rewarded).sum() > 10 and (np.array(rewarded) >= 0).sum() > 10


def test_a_dead_judge_stops_no_other(clips):
    def judge(item, text):
        raise TimeoutError("no reply")

    items = [QAItem("who", clips[0], "Who?", (), "the fox")]
    envs = make(clips, 2, dataset=items, judge=judge)
    envs.reset(seed=0)
    _, rewards, terminated, truncated, infos = envs.step([Answer("the fox"), Answer("a dog")])
    assert rewards[0] > 0 and math.isnan(rewards[1])
    assert terminated.tolist() == [True, False] and truncated.tolist() == [False, True]
    assert infos["correct"].tolist() == [True, None] and infos["_correct"].tolist() == [True, False]
    assert infos["error"][1].startswith("JudgeError:") and "no reply" in infos["error"][1]
    assert envs.envs[1].unwrapped.history.verdict is None  # not judged
    observation, rewards, _, truncated, infos = envs.step([None, None])
    assert observation["turns_left"].tolist() == [4, 4] and "error" not in infos
    assert rewards.tolist() == [0, 0] and not truncated.any()


def test_a_bug_is_raised_when_all_have_finished_and_all_must_be_reset(clips):
    finished = []

    def reward(item, action, history):
        time.sleep(0.1)
        finished.append(item.id)
        return {"answer": 0.0}

    envs = make(clips, 3, reward=reward)
    envs.reset(options={"index": [0, 2, 4]})
    shape = vars(envs.envs[1].unwrapped).pop("_shape")  # a bug in the environment
    with pytest.raises(AttributeError, match="_shape") as raised:
        envs.step([Sample(0, 1, 1)] * 3)
    assert sorted(finished) == ["a0", "b0", "e0"]
    assert raised.value.__notes__ == ["raised in environment 1 of 3"]
    envs.envs[1].unwrapped._shape = shape
    with pytest.raises(ResetNeeded):
        envs.step([Sample(0, 1, 1)] * 3)
    with pytest.raises(ResetNeeded):
        envs.reset(options={"reset_mask": np.array([True, True, False])})
    envs.reset()
    assert envs.step([Sample(0, 1, 1)] * 3)[0]["turns_left"].tolist() == [3, 3, 3]


def test_a_missing_package_is_raised(clips):
    """Each environment lacks it, and the caller can install it."""

    def reward(item, action, history):
        raise MissingExtra("pip install 'sage-video-qa[render]'")

    envs = make(clips, 2, reward=reward)
    envs.reset(seed=0)
    with pytest.raises(MissingExtra, match="pip install"):
        envs.step([Skip(1), Skip(1)])

    def opener(path):
        raise MissingExtra("pip install 'sage-video-qa[gpu]'")

    with pytest.raises(MissingExtra, match="pip install"):
        make(clips, 2, opener=opener).reset(seed=0)


class Drawn(VideoQAEnv):
    """Draws one grey, as bright as the turn."""

    def __init__(self, render_mode=None, **arguments):
        super().__init__(**arguments)
        self.render_mode = render_mode

    def render(self):
        return np.full((2, 2, 3), len(self.history.actions), np.uint8)


def test_each_is_drawn_but_one_whose_reset_has_failed(monkeypatch, tmp_path, clips):
    monkeypatch.setattr("sage_env.vector.vector_env.VideoQAEnv", Drawn)
    broken = tmp_path / "x.mp4"
    broken.write_bytes(b"no video")
    envs = make([clips[0], broken], 2, render_mode="rgb_array")
    assert envs.render_mode == "rgb_array"
    with pytest.raises(ResetNeeded):
        envs.render()
    envs.reset(options={"index": [0, 1]})
    envs.step([Skip(1), Skip(1)])
    assert [picture.max() for picture in envs.render()] == [1, 1]
    envs.reset(options={"item_id": ["a0", "x0"]})
    for turn in (0, 1):
        drawn, none = envs.render()
        assert drawn.max() == turn and none is None
        envs.step([Skip(1), Skip(1)])


# Information


def test_not_measured_stays_none_and_comes_as_it_was_given(clips):
    envs = make(clips, 3, reward="answer")
    envs.reset(options={"item_id": ["a1", "a1", "a0"]})  # a0 has no evidence
    envs.step([Zoom(0.6, 0.8, 4), Skip(1), Skip(1)])
    infos = envs.step([Answer("B")] * 3)[4]
    assert infos["evidence_hit_turn"].tolist() == [1, None, None]
    assert infos["evidence_recall"].tolist() == [1.0, 0.0, None]
    assert infos["correct"].tolist() == [True, True, False]
    assert infos["reward_terms"]["answer"].tolist() == [1.0, 1.0, 0.0]
    assert infos["spent"][0].frames_shown == 6 and infos["spent"][0] == infos["spent"][0]
    infos = envs.step([None] * 3)[4]
    assert "correct" not in infos and infos["reward_terms"] == {}


def test_the_wrappers_of_gymnasium_work(clips):
    envs = RecordEpisodeStatistics(make(clips, 2, reward="answer", autoreset_mode="Disabled"))
    envs = DictInfoToList(ClipReward(FilterObservation(envs, ["frames", "question"]), -1, 1))
    observation, infos = envs.reset(seed=0, options={"item_id": ["a0", "b0"]})
    assert set(observation) == {"frames", "question"} and observation in envs.observation_space
    assert [info["item_id"] for info in infos] == ["a0", "b0"]
    _, _, terminated, truncated, infos = envs.step([Answer("moon"), Skip(1)])
    assert infos[0]["episode"]["r"] == 1.0 and "episode" not in infos[1]
    assert infos[0]["correct"] is True and "correct" not in infos[1]
    envs.reset(options={"reset_mask": terminated | truncated})
    infos = envs.step([Skip(1), Answer("moon")])[4]
    assert infos[1]["episode"]["l"] == 2  # the mask left this episode alone


# Sharing


class SlowCache(FrameCache):
    """Takes its time over what it does not have, so that threads meet there."""

    def get(self, key):
        picture = super().get(key)
        if picture is None:
            time.sleep(0.02)
        return picture


def test_frames_that_all_look_at_are_decoded_once(clips):
    def decoded(num_envs):
        videos, cache = [], SlowCache(2**24)

        def opener(path):
            videos.append(open_video(path, cache=cache))
            return videos[-1]

        envs = make(clips, num_envs, opener=opener, overview_frames=6)
        envs.reset(options={"index": 0})
        envs.step([Zoom(1, 3, 4, (0, 0, 0.5, 0.5))] * num_envs)
        spent = envs.call("history")
        assert sum(h.spent.frames_decoded for h in spent) == sum(v.stats.decoded for v in videos)
        assert len(videos) == num_envs
        return sum(video.stats.decoded for video in videos)

    assert decoded(5) == decoded(1) > 0


def test_pictures_are_kept_in_the_cache_of_the_process(clips):
    envs = make(clips, 2)
    envs.reset(options={"index": 4})
    misses = shared_cache().misses
    again = make(clips, 2)
    again.reset(options={"index": [4, 5]})
    assert shared_cache().misses == misses


def test_a_file_is_made_once_while_others_wait_for_it(tmp_path, clips):
    class Made(list):
        frame_size = SIZE

        def prepare(self, item):
            if not item.video.exists():
                made.append(item.id)
                time.sleep(0.05)
                item.video.write_bytes(clips[0].read_bytes())

    made: list[str] = []
    paths = [tmp_path / "p.mp4", tmp_path / "q.mp4"]
    envs = make(clips, 6, dataset=Made(questions(paths)), frame_size=None)
    observation, infos = envs.reset(options={"index": [0, 0, 1, 2, 3, 3]})
    assert "error" not in infos and len(made) == 2
    assert observation["frames"].shape[2:4] == SIZE
    made.clear()
    SharedDataset(questions(paths)).prepare(questions(paths)[0])  # one that makes no files
    assert len(SharedDataset(questions(paths))) == 4 and not made


def test_a_keyed_lock_keeps_out_the_same_key_only_and_keeps_nothing():
    lock, inside, met = KeyedLock(), [], threading.Barrier(2, timeout=5)

    def enter(key):
        with lock.holding(key):
            assert key not in inside
            inside.append(key)
            if key != "same":
                met.wait()  # both of the others are inside at once
            time.sleep(0.01)
            inside.remove(key)

    threads = [threading.Thread(target=enter, args=(k,)) for k in ("a", "b", "same", "same")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not met.broken and len(lock) == 0 and not inside
    with pytest.raises(KeyError), lock.holding("a"):
        raise KeyError
    assert len(lock) == 0


def test_one_of_them_can_be_copied_and_played_apart(clips):
    envs = make(clips, 2)
    envs.reset(options={"index": [0, 2]})
    copy = deepcopy(envs.envs[1])
    mine, ours = copy.step(Zoom(1, 3, 4)), envs.step([Skip(1), Zoom(1, 3, 4)])
    assert np.array_equal(mine[0]["frames"], ours[0]["frames"][1])
    assert mine[4]["spent"] == ours[4]["spent"][1]
    copy.close()


# Closing


def test_close_ends_threads_and_closes_videos(clips):
    closed = []
    end_idle_threads()  # of other tests

    def opener(path):
        video = open_video(path)
        close = video.close
        video.close = lambda: (closed.append(path), close())
        return video

    before = set(threading.enumerate())
    envs = make(clips, 4, opener=opener)
    envs.reset(options={"index": [0, 2, 4, 6]})
    more = [thread.name for thread in set(threading.enumerate()) - before]
    # As many as were needed at once; the opener is called in threads of its own.
    assert 1 <= sum(name.startswith("sage-env") for name in more) <= 4
    assert sum(name == "sage-call" for name in more) <= 4
    envs.close()
    envs.close()
    assert set(threading.enumerate()) == before and sorted(closed) == sorted(clips)
    with pytest.raises(ClosedEnvironmentError, match="make new ones"):
        envs.reset()


def test_environments_that_are_dropped_leave_no_thread_behind(clips):
    end_idle_threads()  # of other tests
    before = set(threading.enumerate())
    make(clips, 3).reset(seed=0)
    MADE.pop()
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=5)
    assert set(threading.enumerate()) == before


def test_attributes_are_read_and_set_in_each(clips):
    envs = make(clips, 2)
    envs.reset(options={"index": [0, 2]})
    assert [history.item.id for history in envs.get_attr("history")] == ["a0", "b0"]
    envs.set_attr("mood", ["good", "bad"])
    assert envs.get_attr("mood") == ("good", "bad")
    envs.set_attr("mood", 3)
    assert envs.get_attr("mood") == (3, 3)
    with pytest.raises(ValueError, match="one value or 2, got 3"):
        envs.set_attr("mood", [1, 2, 3])


def test_a_failure_names_its_error_and_not_a_reward(tmp_path):
    """The law of the project: no number for what is not the agent's."""
    items = [QAItem("q", Path(tmp_path / "none.mp4"), "?", ("a", "b"), "a", "mcq")]
    envs = make([], 1, dataset=items)
    assert issubclass(VideoError, sage_env.SageEnvError)
    for _ in range(3):
        assert envs.reset()[1]["error"][0].startswith("VideoError: ")
        _, rewards, terminated, truncated, infos = envs.step([Answer("a")])
        assert math.isnan(rewards[0]) and truncated[0] and not terminated[0]
        assert not {"correct", "reward_terms", "stop_reason"} & set(infos)
