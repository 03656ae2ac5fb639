"""Laws of `algos.rollout.playing`: what an episode raises costs that episode; what ends all."""

from __future__ import annotations

import pytest

from algos.rollout.playing import EpisodeSpec, collect
from policies.base import Decision
from policies.errors import EpisodesFailed, InputEnded, MissingKey, ServiceRefused
from sage_env import Answer
from sage_env.errors import MissingExtra
from tests.helpers.toy import ITEMS, ToyEnv, ToyPolicy, envs

SPECS = [EpisodeSpec(name, seed, name=name) for seed, name in enumerate(ITEMS)]


class Fragile(ToyPolicy):
    """Raises for every batch that holds one of some episodes, on the second turn."""

    poison = {"q2", "q5"}
    error: Exception = ZeroDivisionError("a bug of the policy")

    def act_batch(self, observations, episodes):
        decisions = super().act_batch(observations, episodes)
        if self.poison & {e for e in episodes if len(self.ids[e]) > 4}:
            raise self.error
        return decisions


def tokens(played):
    return [trajectory.token_ids.tolist() for trajectory in played]


@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_bug_in_a_batch_costs_only_the_episodes_that_raise_it_alone(count) -> None:
    policy = Fragile()
    policy.poison = set()
    whole = collect(envs(count), policy, SPECS, seed=1)
    poison = {t.item_id for t in whole if t.num_turns == 2} & {"q0", "q2", "q3", "q5"}
    assert poison
    policy.poison, seen = poison, []
    played = collect(envs(count), policy, SPECS, seed=1, isolate=True, progress=seen.append)
    assert {t.item_id for t in played if t.error} == poison
    for one, other in zip(whole, played, strict=True):
        if other.error:
            assert other.error.startswith("ZeroDivisionError: a bug of the policy (")
            assert "test_isolation.py, line " in other.error
        else:
            assert tokens([one]) == tokens([other])
    assert sorted(t.item_id for t in seen) == sorted(ITEMS) and policy.ids == {}


def test_a_bug_of_the_environment_is_isolated_only_where_it_is_asked_for() -> None:
    specs = [EpisodeSpec("q0", 0), EpisodeSpec("bug", 0), EpisodeSpec("bug at reset", 0)]
    played = collect(envs(2), ToyPolicy(), specs, seed=0, isolate=True)
    assert [bool(t.error) for t in played] == [False, True, True]
    assert played[1].failed is not None
    with pytest.raises(ZeroDivisionError):
        collect(envs(2), ToyPolicy(), specs, seed=0)


@pytest.mark.parametrize("error", [ServiceRefused, MissingKey, InputEnded, MissingExtra])
@pytest.mark.parametrize("told", ["of all", "of one"])
def test_what_every_other_episode_would_meet_too_ends_the_play(error, told) -> None:
    class Refused(ToyPolicy):
        asked = 0

        def act_batch(self, observations, episodes):
            decisions = super().act_batch(observations, episodes)
            if "q4" not in episodes:
                return decisions
            self.asked += 1
            if told == "of all":
                raise error("no more")
            found = dict(zip(episodes, decisions, strict=True))
            raise EpisodesFailed({"q4": error("no more")}, found)

    for count in (1, 3):
        seen, policy = [], Refused()
        with pytest.raises(error, match="no more"):
            collect(envs(count), policy, SPECS, seed=1, isolate=True, progress=seen.append)
        assert policy.asked == 1 and {t.item_id for t in seen} < set(ITEMS)
        assert count > 1 or [t.item_id for t in seen] == ITEMS[:4]


def test_what_ended_before_an_exception_is_reported() -> None:
    """The bug of one slot came while the other's episode had just ended."""

    class Answers:
        def reset(self, *, seed=None):
            pass

        def act_batch(self, observations, episodes):
            return [Decision(Answer("a")) for _ in episodes]

        def end(self, episodes):
            pass

    seen = []
    specs = [EpisodeSpec("q0", 0), EpisodeSpec("bug", 0)]
    with pytest.raises(ZeroDivisionError):
        collect(envs(2), Answers(), specs, progress=seen.append)
    assert [t.item_id for t in seen] == ["q0"]


@pytest.mark.parametrize("choice", [None, "a", 3, Decision("a")])  # type: ignore[arg-type]
def test_what_is_no_action_fails_its_episode_and_can_be_written(choice, tmp_path) -> None:
    class Strange:
        def reset(self, *, seed=None):
            pass

        def act(self, observation):
            return choice

    class Strict(ToyEnv):
        def step(self, action):
            raise TypeError(f"no action: {action!r}")

    (played,) = collect([Strict()], Strange(), SPECS[:1], isolate=True)
    assert played.error is not None and "no action" in played.error and played.to_json()


def test_names_are_what_a_policy_knows_episodes_by() -> None:
    class Listens(ToyPolicy):
        heard: set[object] = set()

        def act_batch(self, observations, episodes):
            self.heard |= set(episodes)
            return super().act_batch(observations, episodes)

    policy = Listens()
    collect(envs(2), policy, [EpisodeSpec("q0", name="first"), EpisodeSpec("q1")])
    assert policy.heard == {"first", 1}
    with pytest.raises(ValueError, match="different names"):
        collect(envs(2), policy, [EpisodeSpec("q0", name="x"), EpisodeSpec("q1", name="x")])


def test_an_exception_without_a_text_costs_its_episode_alone() -> None:
    class Untold(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    class Raises(ToyPolicy):
        def act_batch(self, observations, episodes):
            if "q2" in episodes:
                raise Untold
            return super().act_batch(observations, episodes)

    played = collect(envs(2), Raises(), SPECS, seed=1, isolate=True)
    (failed,) = [t for t in played if t.error]
    assert failed.item_id == "q2"
    assert failed.error.startswith("Untold: its text cannot be made (ValueError) (")
