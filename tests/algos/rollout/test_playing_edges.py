"""Laws of `algos.rollout.playing`: what is optional in what environments and policies say."""

from __future__ import annotations

import pytest

from algos.rollout.playing import EpisodeSpec, collect
from policies.base import Decision
from policies.errors import EpisodesFailed
from sage_env import Answer
from tests.helpers.toy import ITEMS, ToyEnv, ToyPolicy, envs

SPECS = [EpisodeSpec(name, seed) for seed, name in enumerate(ITEMS[:4])]


class Answers:
    """A policy for batches that answers at once."""

    asked = 0

    def reset(self, *, seed=None):
        pass

    def act_batch(self, observations, episodes):
        self.asked += 1
        return [Decision(Answer("a")) for _ in episodes]

    def end(self, episodes):
        pass


@pytest.mark.parametrize("count", [1, 3])
def test_a_bug_of_the_policy_ends_the_play_where_nothing_is_isolated(count: int) -> None:
    class Buggy(Answers):
        def act_batch(self, observations, episodes):
            super().act_batch(observations, episodes)
            raise ZeroDivisionError("a bug of the policy")

    policy = Buggy()
    with pytest.raises(ZeroDivisionError, match="a bug of the policy"):
        collect(envs(count), policy, SPECS)
    assert policy.asked == 1, "nothing is played again"
    played = collect(envs(count), Buggy(), SPECS, isolate=True)
    assert all(t.error and t.error.startswith("ZeroDivisionError") for t in played)


@pytest.mark.parametrize("isolate", [False, True])
def test_a_bug_where_episodes_end_is_not_hidden_unless_the_policy_had_failed(isolate: bool) -> None:
    """A policy that failed before it knew an episode cannot forget it."""

    class Forgetful(Answers):
        fails = False

        def act_batch(self, observations, episodes):
            if self.fails:
                raise KeyError("not known yet")
            return super().act_batch(observations, episodes)

        def end(self, episodes):
            raise LookupError("no such episode")

    policy = Forgetful()
    with pytest.raises(LookupError, match="no such episode"):
        collect(envs(1), policy, SPECS[:1], isolate=isolate)
    policy.fails = True
    if isolate:
        played = collect(envs(2), policy, SPECS, isolate=True)
        assert all(t.error and t.error.startswith("KeyError") for t in played)


def test_a_failure_that_was_never_raised_has_no_place() -> None:
    class Refusing(Answers):
        def act_batch(self, observations, episodes):
            raise EpisodesFailed({e: ValueError("no") for e in episodes}, {})  # type: ignore[dict-item]

    (played,) = collect(envs(1), Refusing(), SPECS[:1], isolate=True)
    assert played.error == "ValueError: no"


class Telling(ToyEnv):
    """Says what its class says in the `info` of a reset."""

    says: dict[str, object] = {}

    def reset(self, **given):
        observation, _ = super().reset(**given)
        return observation, dict(self.says)


@pytest.mark.parametrize(
    ("says", "turns", "frames"),
    [
        ({}, 3, 9),
        ({"budget": None}, 3, 9),
        ({"budget": {}}, 3, 9),
        ({"budget": {"max_turns": 2, "max_frames": 0}}, 2, 0),
    ],
)
def test_the_budget_is_as_the_environment_lowered_it_or_as_it_was_asked_for(says, turns, frames):
    env = Telling()
    env.says = says
    (played,) = collect([env], Answers(), [EpisodeSpec("q1", 5, 3, 9, name="me")], seed=8)
    assert (played.conditions.max_turns, played.conditions.max_frames) == (turns, frames)
    assert (played.conditions.policy_seed, played.conditions.episode) == (8, "me")
    assert (played.item_id, played.seed) == ("q1", 5), "as it was asked for, where nothing is said"
    assert played.start_info == says


def test_the_item_is_the_one_that_was_picked() -> None:
    env = Telling()
    env.says = {"item_id": "picked"}
    (played,) = collect([env], Answers(), [EpisodeSpec(seed=1)])
    assert played.item_id == "picked" and played.conditions.max_turns is None


@pytest.mark.parametrize(
    ("name", "kept"), [(None, 0), (7, 7), ("x", "x"), (("x", 2), "('x', 2)"), (b"x", "b'x'")]
)
def test_a_name_is_kept_as_what_can_be_written(name, kept) -> None:
    (played,) = collect([ToyEnv()], ToyPolicy(), [EpisodeSpec("q0", name=name)])
    assert played.conditions.episode == kept


def test_an_episode_took_the_seconds_from_its_own_reset_to_its_end() -> None:
    played = collect([ToyEnv(jitter=0.01)], ToyPolicy(), [*SPECS, EpisodeSpec("unreadable")])
    for t in played:
        assert t.seconds is not None and 0 <= t.seconds < 20


def test_0_is_a_budget_and_a_name_and_none_is_neither() -> None:
    assert EpisodeSpec(max_turns=0).options == {"max_turns": 0}
    assert EpisodeSpec("q", max_frames=0).options == {"item_id": "q", "max_frames": 0}
    specs = [EpisodeSpec("q0", name=1), EpisodeSpec("q1", name=0)]
    heard: list[object] = []

    class Listens(Answers):
        def act_batch(self, observations, episodes):
            heard.extend(episodes)
            return super().act_batch(observations, episodes)

    assert [t.item_id for t in collect(envs(1), Listens(), specs)] == ["q0", "q1"]
    assert heard == [1, 0]
    with pytest.raises(ValueError, match="one name stands twice"):
        collect(envs(1), Listens(), [EpisodeSpec("q0"), EpisodeSpec("q1", name=0)])


def test_a_policy_may_return_an_action_or_a_decision() -> None:
    class Plain:
        def __init__(self, choice):
            self.choice, self.seeds = choice, []

        def reset(self, *, seed=None):
            self.seeds.append(seed)

        def act(self, observation):
            return self.choice

    bare, whole = Plain(Answer("a")), Plain(Decision(Answer("a"), "so"))
    for policy, text in ((bare, ""), (whole, "so")):
        played = collect(envs(1), policy, SPECS[:2], seed=3)
        assert [t.turns[0].decision.text for t in played] == [text] * 2
        assert all(t.turns[0].decision.action == Answer("a") for t in played)
    assert bare.seeds == whole.seeds and len(set(bare.seeds)) == 2


@pytest.mark.parametrize("count", [1, 3])
def test_an_episode_ends_where_it_is_over_or_cut(count: int) -> None:
    """Each alone is an end, told apart in the record; neither is none."""

    class Ends(ToyEnv):
        def step(self, action):
            self.turns += 1
            over, cut = self.item == "q0" and self.turns == 1, self.item == "q1" and self.turns == 1
            return {"seen": 0}, 1, over or self.turns == 3, cut, {"correct": None}

    played = collect([Ends() for _ in range(count)], Answers(), SPECS[:3])
    assert [(t.terminated, t.truncated, t.num_turns) for t in played] == [
        (True, False, 1), (False, True, 1), (True, False, 3)
    ]  # fmt: skip
    assert [type(turn.reward) for t in played for turn in t.turns] == [float] * 5
