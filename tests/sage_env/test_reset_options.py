"""Laws of `sage_env.reset_options`: seeds and lowered budgets, in one environment and in many."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import sage_env  # noqa: F401
from sage_env.actions.action import Answer, Sample
from sage_env.env import VideoQAEnv
from sage_env.rewards import efficient
from sage_env.testing import open_memory
from sage_env.testing.episodes import ITEMS

MADE = {
    "dataset": ITEMS,
    "opener": open_memory,
    "frame_size": (8, 8),
    "max_turns": 5,
    "max_frames": 40,
    "overview_frames": 6,
    "frames_per_turn": 8,
}
LOOK, RIGHT = Sample(0.0, 50.0, 8), Answer("star")


def make(**arguments) -> VideoQAEnv:
    return VideoQAEnv(**{**MADE, **arguments})


def test_the_episode_has_the_budget_that_it_was_given() -> None:
    env = make()
    observation, _ = env.reset(options={"item_id": "which", "max_turns": 2, "max_frames": 10})
    assert observation in env.observation_space
    assert (observation["turns_left"], observation["frames_left"]) == (2, 4)
    observation, _, ended, *_ = env.step(LOOK)
    assert observation["num_frames"] == 4 and "Only 4 frames are left." in observation["message"]
    assert not ended
    observation, _, ended, _, info = env.step(LOOK)
    assert ended and info["stop_reason"] == "out_of_turns" and info["spent"]["frames_shown"] == 10
    history = env.history
    assert (history.max_turns, history.max_frames) == (2, 10)
    assert (history.env_turns, history.env_frames) == (5, 40)


def test_the_next_reset_has_the_whole_budget_again() -> None:
    env = make()
    env.reset(seed=0, options={"max_turns": 1, "max_frames": 6})
    observation, _ = env.reset(options={"index": 0})
    assert (observation["turns_left"], observation["frames_left"]) == (5, 34)


def test_the_seed_picks_the_same_question_whatever_the_budget() -> None:
    picked = []
    for options in (None, {"max_turns": 3}, {"max_frames": 7, "max_turns": 5}):
        env = make()
        ids = [env.reset(seed=3, options=options)[1]["item_id"]]
        picked.append(ids + [env.reset(options=options)[1]["item_id"] for _ in range(8)])
    assert picked[0] == picked[1] == picked[2]


def test_a_frame_costs_the_same_under_every_budget() -> None:
    def cost(options) -> float:
        env = make(reward=efficient(0.4, 0.1))
        env.reset(options={"item_id": "which", **options})
        env.step(Sample(0.0, 50.0, 4))
        return float(env.step(RIGHT)[4]["reward_terms"]["cost"])

    assert cost({}) == pytest.approx(-(0.4 * 10 / 40 + 0.1 * 2 / 5))
    assert cost({"max_frames": 10, "max_turns": 2}) == cost({})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_turns": 0}, r"options\['max_turns'\] must be a whole number from 1 to 5, got 0"),
        ({"max_turns": 6}, "from 1 to 5, got 6"),
        ({"max_frames": 5}, r"options\['max_frames'\] must be a whole number from 6 to 40, got 5"),
        ({"max_frames": 41, "index": 0}, "from 6 to 40, got 41"),
        ({"max_turns": None}, "got None"),
        ({"frames_per_turn": 4}, "with or without 'max_turns' and 'max_frames', got"),
    ],
)
def test_what_does_not_fit_is_refused(options, words) -> None:
    with pytest.raises(ValueError, match=words):
        make().reset(options=options)


def test_many_environments_have_a_budget_for_all_or_each() -> None:
    envs = gym.make_vec("SageVideoQA-v0", num_envs=3, **MADE)
    observations, _ = envs.reset(seed=0, options={"max_turns": 2})
    assert observations["turns_left"].tolist() == [2, 2, 2]
    observations, infos = envs.reset(
        options={"index": 1, "max_turns": [1, None, 4], "max_frames": np.array([6, 7, 40])}
    )
    assert infos["item_id"].tolist() == ["when"] * 3
    assert observations["turns_left"].tolist() == [1, 5, 4]
    assert observations["frames_left"].tolist() == [0, 1, 34]
    mask = np.array([False, True, False])
    observations, _ = envs.reset(options={"reset_mask": mask, "max_turns": [9, 3, 9]})
    assert observations["turns_left"].tolist() == [1, 3, 4]
    for options, words in (
        ({"max_turns": [1, 2]}, "must be one or 3, got 2"),
        ({"max_frames": [6, 6, 3]}, "from 6 to 40, got 3"),
        ({"max_looks": 3}, "'max_turns' and 'max_frames', got"),
    ):
        with pytest.raises(ValueError, match=words):
            envs.reset(options=options)
    assert envs.step([LOOK] * 3)[0]["turns_left"].tolist() == [0, 2, 3]
    envs.close()


@pytest.mark.parametrize(
    "seed", [-1, 1.0, True, "3", np.int64(-2), np.float64(1), [1], 2**64 - 0.5]
)
def test_a_seed_is_a_whole_number_of_0_or_more(seed) -> None:
    env = make()
    env.reset(seed=3)
    with pytest.raises(ValueError, match="seed must be a whole number >= 0, got"):
        env.reset(seed=seed)
    envs = gym.make_vec("SageVideoQA-v0", num_envs=1, **MADE)
    with pytest.raises(ValueError, match="seed must be a whole number >= 0, got"):
        envs.reset(seed=[seed])
    envs.close()


@pytest.mark.parametrize("seed", [0, np.int64(7), np.uint8(7), 2**64, 10**30])
def test_seeds_of_every_size_and_type_of_whole_number_are_taken(seed) -> None:
    picks = [
        [env.reset(seed=value)[1]["item_id"], *(env.reset()[1]["item_id"] for _ in range(9))]
        for env, value in ((make(), seed), (make(), int(seed)))
    ]
    assert picks[0] == picks[1]
    envs = gym.make_vec("SageVideoQA-v0", num_envs=2, **MADE)
    assert envs.reset(seed=seed)[1]["item_id"][0] == picks[0][0]
    envs.close()
