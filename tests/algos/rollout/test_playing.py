"""Laws of `algos.rollout.playing`, `trajectory`: the rollout loop and the record that it leaves."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.rollout.conditions import Conditions
from algos.rollout.playing import EpisodeSpec, collect, play
from algos.rollout.trajectory import Trajectory, Turn, load_trajectories, save_trajectories
from algos.seeds import subseed
from policies.base import Decision, TurnTokens
from policies.errors import EpisodesFailed
from sage_env import Answer, Invalid, Sample
from sage_env.errors import VideoError
from tests.helpers.toy import FIRST_ANSWER, ITEMS, STOP, WORDS, ToyEnv, ToyPolicy, envs

torch.set_num_threads(1)
JOBS = [EpisodeSpec(item, seed) for seed, item in enumerate(ITEMS * 3)]


def tokens(trajectory: Trajectory) -> list[int]:
    return trajectory.token_ids.tolist()


class Looker:
    """A plain policy: looks, then answers with a letter drawn from its own generator."""

    def reset(self, *, seed=None):
        self.rng = np.random.default_rng(seed)
        self.turns = 0

    def act(self, observation):
        self.turns += 1
        if self.turns == 1:
            return Sample(0.0, 1.0, 1)
        return Answer(WORDS[FIRST_ANSWER + self.rng.integers(4)])


def test_the_mask_spells_exactly_the_sampled_text_and_the_stop_token() -> None:
    for trajectory in collect(envs(4), ToyPolicy(), JOBS, seed=1):
        for k, turn in enumerate(trajectory.turns):
            mine = trajectory.sampled & (trajectory.turn == k)
            ids = trajectory.token_ids[mine]
            assert " ".join(WORDS[i] for i in ids if i != STOP) == turn.decision.text
            assert turn.decision.tokens is not None
            assert ids.tolist() == turn.decision.tokens.completion.tolist()


def test_some_sampled_turns_end_with_a_stop_token() -> None:
    played = collect([ToyEnv()], ToyPolicy(), JOBS, seed=1)
    assert any(t.token_ids[t.sampled][-1] == STOP for t in played)


@pytest.mark.parametrize("slots", [3, 8, 50])
def test_the_result_does_not_depend_on_the_number_of_environments(slots: int) -> None:
    alone = collect([ToyEnv()], ToyPolicy(), JOBS, seed=5)
    together = collect([ToyEnv(jitter=1e-3) for _ in range(slots)], ToyPolicy(), JOBS, seed=5)
    for one, other, spec in zip(alone, together, JOBS, strict=True):
        assert one.item_id == other.item_id == spec.item_id
        assert one.seed == other.seed == spec.seed
        assert tokens(one) == tokens(other)
        assert [t.info for t in one.turns] == [t.info for t in other.turns]
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-6)


def test_another_seed_samples_something_else() -> None:
    first, second = (collect(envs(8), ToyPolicy(), JOBS, seed=s) for s in (1, 2))
    assert [tokens(t) for t in first] != [tokens(t) for t in second]


def test_episodes_of_the_same_job_differ() -> None:
    played = collect(envs(8), ToyPolicy(), [EpisodeSpec("q0", 3)] * 16, seed=1)
    assert len({tuple(tokens(t)) for t in played}) > 1


def test_a_plain_policy_is_played_one_episode_at_a_time_and_reset_for_each() -> None:
    for count in (1, 2):
        played = collect(envs(count), Looker(), JOBS, seed=0)
        assert [t.num_turns for t in played] == [2] * len(JOBS)
    answers = {t.turns[1].decision.action for t in played}
    assert len(answers) > 1, "every episode got the same seed"
    again = collect([ToyEnv()], Looker(), JOBS, seed=0)
    assert [t.turns[1].decision.action for t in played] == [
        t.turns[1].decision.action for t in again
    ]


def test_without_a_seed_a_policy_is_reset_without_one() -> None:
    class Seeds(Looker):
        def reset(self, *, seed=None):
            super().reset(seed=seed)
            seeds.append(seed)

    seeds: list[int | None] = []
    collect([ToyEnv()], Seeds(), JOBS[:3])
    assert seeds == [None] * 3
    collect([ToyEnv()], Seeds(), JOBS[:3], seed=0)
    assert len(set(seeds[3:])) == 3 and None not in seeds[3:]


def test_a_policy_that_fails_some_episodes_plays_the_others_on() -> None:
    """Its failures are ours: recorded, not played, and their place is taken by the next episode."""
    refused = [3, 8]

    class Refusing(ToyPolicy):
        def act_batch(self, observations, episodes):
            decisions = dict(zip(episodes, super().act_batch(observations, episodes), strict=True))
            errors = {k: VideoError(f"no {k}") for k in refused if k in decisions}
            if not errors:
                return list(decisions.values())
            kept = {k: v for k, v in decisions.items() if k not in errors}
            raise EpisodesFailed(errors, kept)

    heard: list[Trajectory] = []
    for count in (1, 4):
        ended: list[int] = []
        policy = Refusing()
        forget = policy.end
        policy.end = lambda names: ended.extend(names) or forget(names)  # noqa: B023
        played = collect(envs(count), policy, JOBS, seed=1, progress=heard.append)
        sound = collect(envs(4), ToyPolicy(), JOBS, seed=1)
        for number, (found, expected) in enumerate(zip(played, sound, strict=True)):
            if number in refused:
                assert found.error == f"VideoError: no {number}" and found.turns == []
                assert found.item_id == JOBS[number].item_id and math.isnan(found.ret)
            else:
                assert tokens(found) == tokens(expected) and found.error is None
        assert sorted(ended) == list(range(len(JOBS))), "what is held for it must be freed too"
    assert len(heard) == 2 * len(JOBS)


def test_a_privileged_policy_is_told_the_item_of_every_episode() -> None:
    class Told(ToyPolicy):
        def inform(self, episode, item):
            items[episode] = item

    class Telling(ToyEnv):
        @property
        def history(self):
            return SimpleNamespace(item=self.item)

    items: dict[int, str] = {}
    collect([Telling(), Telling()], Told(), JOBS, seed=1)
    assert items == {number: job.item_id for number, job in enumerate(JOBS)}


def test_play_is_collect_of_one_job() -> None:
    one = play(ToyEnv(), ToyPolicy(), seed=4, item_id="q2")
    other = collect([ToyEnv()], ToyPolicy(), [EpisodeSpec("q2", 4)], seed=4)[0]
    assert tokens(one) == tokens(other)
    assert one.start_info["item_id"] == one.item_id == "q2"
    assert one.terminated and not one.truncated


def test_failures_of_the_environment_are_recorded_and_the_others_play_on() -> None:
    items = ["q0", "unreadable", "breaks", "unjudged", "q1"]
    played = collect(envs(2), Looker(), [EpisodeSpec(i, 0) for i in items], seed=0)
    assert [t.error for t in played] == [
        None,
        "VideoError: no such file",
        "VideoError: packet 7 is damaged",
        "JudgeError: no reply",
        None,
    ]
    assert [t.num_turns for t in played] == [2, 0, 0, 1, 2]
    assert [math.isnan(t.ret) for t in played] == [False, True, True, True, False]


def test_an_answer_that_could_not_be_judged_is_kept() -> None:
    trajectory = collect([ToyEnv()], Looker(), [EpisodeSpec("unjudged", 0)], seed=0)[0]
    assert trajectory.failed is not None and isinstance(trajectory.failed.action, Answer)


def test_a_bug_is_not_an_episode() -> None:
    for item in ("bug", "bug at reset"):
        with pytest.raises(ZeroDivisionError):
            collect(envs(2), ToyPolicy(), [EpisodeSpec("q0"), EpisodeSpec(item)], seed=0)


def test_every_trajectory_is_announced_once_and_every_episode_ended() -> None:
    seen: list[Trajectory] = []
    policy = ToyPolicy()
    specs = [*JOBS, EpisodeSpec("unreadable"), EpisodeSpec("unjudged")]
    played = collect(envs(5), policy, specs, seed=0, progress=seen.append)
    assert {id(t) for t in seen} == {id(t) for t in played} and len(seen) == len(specs)
    assert policy.ids == {}


def test_misuse_is_explained() -> None:
    with pytest.raises(ValueError, match="at least one environment"):
        collect([], ToyPolicy(), JOBS)

    class Forgetful(ToyPolicy):
        def act_batch(self, observations, episodes):
            return super().act_batch(observations, episodes)[1:]

    with pytest.raises(ValueError, match="expected 4, got 3"):
        collect(envs(4), Forgetful(), JOBS)
    assert collect([ToyEnv()], ToyPolicy(), []) == []


def test_seeds_differ_by_purpose_and_stay() -> None:
    assert subseed(7, "rollout", 3) == subseed(7, "rollout", 3)
    paths = [(7, "rollout", 3), (7, "rollout", 4), (8, "rollout", 3), (7, "torch", 3), (7, 3)]
    assert len({subseed(*path) for path in paths}) == len(paths)


def test_episodes_act_in_the_order_of_their_numbers_whichever_thread_has_them() -> None:
    class Ordered(ToyPolicy):
        def act_batch(self, observations, episodes):
            assert list(episodes) == sorted(episodes)
            return super().act_batch(observations, episodes)

    class Uneven(ToyEnv):
        def reset(self, **kwargs):
            time.sleep(2e-3 * np.random.random())
            return super().reset(**kwargs)

    collect([Uneven(jitter=2e-3) for _ in range(6)], Ordered(), JOBS, seed=5)


@st.composite
def turns(draw: st.DrawFn) -> Turn:
    prompt, completion = draw(st.lists(st.integers(0, 99))), draw(st.lists(st.integers(0, 99)))
    scores = draw(st.lists(st.floats(-9, 0, width=32), min_size=len(completion)))
    spoken = TurnTokens(
        np.array(prompt, np.int64),
        np.array(completion, np.int64),
        np.array(scores[: len(completion)], np.float32),
        tuple(draw(st.lists(st.binary(max_size=4), max_size=2))),
    )
    action = draw(
        st.sampled_from([Answer("b"), Sample(0.0, 2.5, 3), Invalid("so", "not an action")])
    )
    info = {"correct": None, "frame_seconds": np.array([0.5]), "n": np.int64(3)}
    silent = draw(st.booleans())
    return Turn(Decision(action, "so", None if silent else spoken), draw(st.floats(-1, 1)), info)


@given(st.lists(turns(), max_size=4))
@settings(max_examples=60, deadline=None)
def test_derived_sequences_line_up(played: list[Turn]) -> None:
    trajectory = Trajectory("q0", 0, played)
    length = len(trajectory.token_ids)
    for sequence in (
        trajectory.sampled,
        trajectory.turn,
        trajectory.logprobs,
        trajectory.rewards,
    ):
        assert sequence.shape == (length,)
    assert not trajectory.logprobs[~trajectory.sampled].any()
    assert not trajectory.rewards[~trajectory.sampled].any()
    for k, turn in enumerate(played):
        mine = (trajectory.turn == k) & trajectory.sampled
        spoken = turn.decision.tokens
        if spoken is None or not len(spoken.completion):
            assert not mine.any()
            continue
        assert trajectory.token_ids[mine].tolist() == spoken.completion.tolist()
        assert trajectory.logprobs[mine].tolist() == spoken.logprobs.tolist()
        assert trajectory.rewards[mine][:-1].tolist() == [0.0] * (mine.sum() - 1)
        assert trajectory.rewards[mine][-1] == np.float32(turn.reward)


@given(played=st.lists(turns(), max_size=3), failed=st.booleans())
@settings(max_examples=40, deadline=None)
def test_json_round_trip(tmp_path_factory, played: list[Turn], failed: bool) -> None:
    path = tmp_path_factory.mktemp("trajectories") / "t.jsonl"
    trajectory = Trajectory("q0", 7, played, {"frame_seconds": (0.5,)}, terminated=not failed)
    trajectory.conditions = Conditions(max_turns=3, temperature=0.5, policy_version="ab", episode=4)
    trajectory.turns = [replace(turn, reward=turn.reward + 0.1) for turn in played]
    if failed:
        trajectory.error, trajectory.failed = "JudgeError: no reply", Decision(Answer("b"), "so")
    save_trajectories(path, [trajectory, trajectory])
    back = load_trajectories(path)[1]
    assert back.to_json() == trajectory.to_json()
    assert [t.decision.action for t in back.turns] == [t.decision.action for t in played]
    assert tokens(back) == tokens(trajectory)
    assert back.logprobs.dtype == np.float32
    assert back.logprobs.tolist() == trajectory.logprobs.tolist()
    assert back.frames == trajectory.frames
    assert back.error == trajectory.error
    assert back.conditions == trajectory.conditions
    assert [turn.env_reward for turn in back.turns] == [turn.reward for turn in played]


def test_numbers_of_numpy_are_numbers_in_the_record(tmp_path) -> None:
    info = {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True), "d": np.arange(2)}
    played = Trajectory("q", 0, [Turn(Decision(Answer("a")), 1.0, info)], {"e": np.float64(2.0)})
    save_trajectories(tmp_path / "a.jsonl", [played])
    (found,) = load_trajectories(tmp_path / "a.jsonl")
    assert found.turns[0].info == {"a": 0.5, "b": 3, "c": True, "d": [0, 1]}
    assert found.start_info == {"e": 2.0} and isinstance(found.turns[0].info["b"], int)


def test_a_record_that_says_less_of_its_tokens_is_read() -> None:
    (played,) = collect([ToyEnv()], ToyPolicy(), JOBS[:1], seed=1)
    row = played.to_json()
    for name in ("context", "dropped", "fresh"):
        row["turns"][0]["tokens"].pop(name, None)
    found = Trajectory.from_json(row).turns[0].decision.tokens
    assert found is not None
    assert (found.context, found.dropped, found.fresh) == (b"", 0, False)


def test_a_damaged_line_is_named(tmp_path) -> None:
    path = tmp_path / "t.jsonl"
    save_trajectories(path, [Trajectory("q0", 7)])
    path.write_text(path.read_text() + '{"item_id": 3}\n')
    with pytest.raises(ValueError, match="t.jsonl, line 2 is not a trajectory"):
        load_trajectories(path)
