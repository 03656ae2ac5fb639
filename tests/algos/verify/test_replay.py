"""Laws of `algos.verify.replay`: what is played again in another world is found to be another.

The world is a few lines: it shows one frame a turn and ends with the second action. The record is
made by `collect`; then one thing about the world, or about the record, is another.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from algos.exactness.check_result import CheckResult
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.verify.replay import replay
from policies.base import Decision, Observation, TurnTokens
from policies.introspection import PromptFrame
from sage_env import Answer, Sample, format_action, parse_action
from sage_env.errors import VideoError

ACTIONS = [format_action(Sample(0.0, 5.0, 1)), format_action(Answer("yes"))]


@dataclass
class World(gym.Env[dict[str, Any], Any]):
    """What a turn shows and pays."""

    reward: float = 1.0
    first_reward: float = 0.25
    second: float = 2.5
    picture: int = 7
    word: int = 40
    turns: int = 2
    breaks: bool = False
    observation_space = gym.spaces.Dict({})
    action_space = gym.spaces.Discrete(1)

    def reset(self, *, seed=None, options=None):
        if self.breaks:
            raise VideoError("the file is gone")
        self.asked, self.turn = options or {}, 0
        return self._show(0.5)

    def step(self, action: Any):
        self.turn += 1
        over = self.turn == self.turns
        observation, info = self._show(self.second)
        info["correct"] = True if over else None
        reward = self.first_reward if self.turn == 1 else self.reward
        return observation, reward, over, False, info

    def _show(self, second: float):
        info = {"item_id": self.asked.get("item_id", "q"), "frame_seconds": [second]}
        picture = self.picture if self.turn else 0
        return {"picture": picture, "word": self.word if self.turn else 40}, info


class Writer:
    """Says its actions letter by letter; an id is a letter, a prompt an id and a picture."""

    def reset(self, *, seed: int | None = None) -> None:
        self.turn = 0

    def act_batch(self, observations, episodes: Sequence[Hashable]) -> list[Decision]:
        (observation,) = observations
        prompt, keys = self.prompt(observation, np.zeros(0, np.int64))
        text = ACTIONS[min(self.turn, 1)]
        self.turn += 1
        ids = np.array([ord(letter) for letter in text])
        tokens = TurnTokens(prompt, ids, np.zeros(len(ids), np.float32), keys)
        return [Decision(parse_action(text), text, tokens)]

    def end(self, episodes: Iterable[Hashable]) -> None:
        pass

    def prompt(self, observation: Observation, said):
        return np.array([1, observation["word"]]), (bytes([observation["picture"]]),)

    def read_text(self, ids) -> str:
        return "".join(map(chr, ids))

    def read_frames(self, ids) -> list[PromptFrame]:
        return []

    def visual_tokens(self, keys: Sequence[bytes]) -> list[int]:
        return [1] * len(keys)


def played(world: World | None = None) -> list[Trajectory]:
    return collect([world or World()], Writer(), [EpisodeSpec("q", 3)], seed=0)


def again(world: World, record: list[Trajectory]) -> CheckResult:
    return replay(world, Writer(), record)


def test_the_same_world_shows_and_pays_the_same() -> None:
    result = again(World(), played())
    assert result.problem == "" and result.measured == "2 turns of 1 episodes"


@pytest.mark.parametrize(
    ("world", "said"),
    [
        (World(reward=0.5), "reward is 0.5, and was stored as 1"),
        (World(reward=1.001), "turn 1"),
        (World(first_reward=-0.25), "turn 0"),
        (World(second=2.6), "frames are shown at [2.6] seconds"),
        (World(picture=8), "the frames have other contents"),
        (World(word=41), "the prompt differs from token 1 on: stored [40]"),
        (World(turns=3), "the episode goes on after its last turn"),
        (World(turns=1), "the episode ends here"),
        (World(breaks=True), "cannot be played again: VideoError: the file is gone"),
    ],
)
def test_another_world_is_found(world: World, said: str) -> None:
    result = again(world, played())
    assert said in result.problem and "item 'q'" in result.problem


def test_another_action_than_the_tokens_spell_is_found() -> None:
    (record,) = played()
    for change in (
        {"action": Answer("no")},
        {"text": ACTIONS[0]},
    ):
        decision = replace(record.turns[1].decision, **change)
        turns = [record.turns[0], replace(record.turns[1], decision=decision)]
        problem = again(World(), [replace(record, turns=turns)]).problem
        assert "turn 1: its tokens spell" in problem


def test_the_first_offence_is_told_and_all_turns_are_counted() -> None:
    sound, spoilt = played(), played(World(reward=0.75))
    result = again(World(), [*sound, *spoilt, *played(World(picture=9))])
    assert result.measured == "6 turns of 3 episodes"
    assert "stored as 0.75" in result.problem and "contents" not in result.problem
    assert again(World(), []).measured == ""
