"""Laws of `policies.baselines.oracle`: it sees all evidence, and answers or has another answer."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.rollout.playing import EpisodeSpec, collect, play
from policies.base import PrivilegedPolicy
from policies.baselines.oracle import Oracle, merged
from policies.baselines.random_policy import RandomPolicy
from policies.check.policy_check import check_policy
from policies.registry import load_policy
from sage_env import Answer, QAItem, VideoQAEnv, Zoom
from sage_env.testing import open_memory

SPANS = (((10.0, 12.0),), ((5.0, 7.0), (40.0, 44.0)), ((1.0, 2.0), (20.0, 22.0), (50.0, 51.0)))


def item(k, evidence, answer="b"):
    video = Path(f"{60 + k}.memory")
    return QAItem(f"q{k}", video, "which?", ("a", "b", "c"), answer, "mcq", evidence)


ITEMS = [item(k, spans) for k, spans in enumerate(SPANS)]


def make(items=ITEMS, **options):
    settings = {"frame_size": (64, 64), "overview_frames": 4, "max_turns": 5, "max_frames": 40}
    return VideoQAEnv(dataset=items, opener=open_memory, **(settings | options))


def test_it_sees_all_evidence_and_is_right() -> None:
    oracle = load_policy("oracle")
    assert isinstance(oracle, PrivilegedPolicy)
    specs = [EpisodeSpec(item.id, 0) for item in ITEMS]
    for trajectory, spans in zip(
        collect([make(), make()], oracle, specs, seed=0), SPANS, strict=True
    ):
        assert trajectory.ret == 1.0 and trajectory.error is None
        assert trajectory.turns[-1].info["evidence_recall"] == 1.0
        looks = [turn.decision.action for turn in trajectory.turns[:-1]]
        assert [(look.start, look.end) for look in looks if isinstance(look, Zoom)] == list(spans)


def test_it_keeps_the_contract() -> None:
    check_policy(Oracle(), make())
    check_policy(Oracle(RandomPolicy()), make())


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_it_answers_in_time_however_short_the_budget(turns: int) -> None:
    env = make(max_turns=turns, max_frames=6)
    for it in ITEMS:
        trajectory = play(env, Oracle(), seed=0, item_id=it.id)
        assert trajectory.ret == 1.0 and trajectory.num_turns <= turns


def test_an_item_without_evidence_is_a_failed_episode_and_no_reward() -> None:
    trajectory = play(make([item(0, ())]), Oracle(), seed=0)
    assert trajectory.error and "has no evidence spans" in trajectory.error
    assert trajectory.item_id == "q0" and not trajectory.turns


class Reader:
    """Remembers what it was shown, and says a."""

    env_options = {"frame_size": (32, 32)}
    temperature = 0.3

    def reset(self, *, seed=None):
        pass

    def act(self, observation):
        self.seen = observation
        return Answer("a")


def test_an_answerer_sees_the_frames_of_the_evidence_and_no_others() -> None:
    reader = Reader()
    oracle = Oracle(reader, look_frames=3)
    assert oracle.env_options == Reader.env_options and oracle.temperature == 0.3
    trajectory = play(make(overview_frames=30), oracle, seed=0, item_id="q1")
    assert trajectory.turns[-1].decision.action == Answer("a") and trajectory.ret == 0.0
    shown = reader.seen["num_frames"]
    seconds = reader.seen["seconds"][:shown].tolist()
    assert seconds == sorted(set(seconds)) and len(reader.seen["frames"]) == shown
    assert all(any(a <= s < b for a, b in SPANS[1]) for s in seconds)
    looked = {s for turn in trajectory.turns[:2] for s in turn.info["frame_seconds"]}
    assert looked <= set(seconds) and reader.seen["turns_left"] == 1


def test_an_answerer_is_told_where_the_picture_of_each_gathered_frame_is() -> None:
    class Marked(gym.ObservationWrapper):
        """Says of each frame that it ends in the row of its second."""

        def observation(self, observation):
            ends = np.floor(observation["seconds"]).astype(np.int32)
            observation["picture"][:, :] = np.stack([0 * ends, ends, 0 * ends, 0 * ends + 64], 1)
            return observation

    class Bare(gym.ObservationWrapper):
        """Says nothing of it, as an environment of somebody else's."""

        def observation(self, observation):
            return {key: value for key, value in observation.items() if key != "picture"}

    reader = Reader()
    play(Marked(make(overview_frames=30)), Oracle(reader, look_frames=3), seed=0, item_id="q2")
    ends = np.floor(reader.seen["seconds"]).astype(int).tolist()
    assert len(set(ends)) > 3
    assert reader.seen["picture"].tolist() == [[0, end, 0, 64] for end in ends]
    play(Bare(make(frame_size=(50, 40))), Oracle(reader, look_frames=3), seed=0, item_id="q1")
    assert reader.seen["picture"].tolist() == [[0, 50, 0, 40]] * reader.seen["num_frames"]


def test_it_must_be_told_the_item() -> None:
    with pytest.raises(ValueError, match="was not told the item"):
        Oracle().act_batch([make().reset(seed=0)[0]], ["x"])
    with pytest.raises(ValueError, match="must not know the answer"):
        Oracle(Oracle())
    with pytest.raises(ValueError, match="at least 1"):
        Oracle(look_frames=0)


span = st.tuples(st.integers(0, 90), st.integers(1, 9)).map(lambda x: (x[0], x[0] + x[1]))


@given(spans=st.lists(span, min_size=1, max_size=8), most=st.integers(0, 9))
def test_merged_spans_cover_all_and_are_few(spans, most) -> None:
    joined = merged(spans, most)
    assert len(joined) <= max(most, 1) and joined == sorted(joined)
    assert all(any(a <= start and end <= b for a, b in joined) for start, end in spans)
    assert all(before[1] < after[0] for before, after in zip(joined, joined[1:], strict=False))
    if most >= len(spans):
        assert sum(b - a for a, b in joined) == len({t for a, b in spans for t in range(a, b)})
