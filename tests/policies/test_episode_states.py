"""Laws of `policies.base.EpisodeStates` and `require_distinct`, and of the policies with them."""

from __future__ import annotations

import numpy as np
import pytest

from policies.base import Decision, EpisodeStates, require_distinct
from policies.errors import EpisodesFailed, PolicyError
from sage_env.actions.action import Skip


class Counts(EpisodeStates[int]):
    """Skips to the number of turns that an episode has had; fails at the question `bad`."""

    def reset(self, *, seed=None):
        self._episodes = {}

    def act_batch(self, observations, episodes):
        require_distinct(observations, episodes)
        decisions, errors = {}, {}
        for observation, name in zip(observations, episodes, strict=True):
            self._episodes[name] = self._episodes.get(name, 0) + 1
            decisions[name] = Decision(Skip(float(self._episodes[name])))
            if observation["question"] == "bad":
                errors[name] = PolicyError("no")
        if errors:
            raise EpisodesFailed(errors, {n: d for n, d in decisions.items() if n not in errors})
        return list(decisions.values())


@pytest.fixture
def policy():
    policy = Counts()
    policy.reset()
    return policy


def test_act_plays_one_episode_until_it_ends_or_all_are_forgotten(policy):
    look = {"question": "?"}
    assert [policy.act(look).action.to for _ in range(3)] == [1, 2, 3]
    policy.end([policy.ONLY, "never began"])
    assert policy.act(look).action.to == 1
    policy.reset()
    assert policy.act(look).action.to == 1


def test_act_raises_the_error_of_its_episode_and_shows_no_other(policy):
    with pytest.raises(PolicyError, match="^no$") as raised:
        policy.act({"question": "bad"})
    assert raised.value.__context__ is None and raised.value.__cause__ is None


def test_ending_one_episode_leaves_the_others(policy):
    look = {"question": "?"}
    policy.act_batch([look, look], ["a", "b"])
    policy.end(["a"])
    assert [d.action.to for d in policy.act_batch([look, look], ["a", "b"])] == [1, 2]


def test_episodes_that_do_not_pair_up_are_refused():
    require_distinct([], [])
    require_distinct([{}, {}], ["a", "b"])
    for observations, episodes in (([{}], ["a", "b"]), ([{}, {}], ["a"]), ([{}, {}], ["a", "a"])):
        with pytest.raises(ValueError, match="one observation per episode and no episode twice"):
            require_distinct(observations, episodes)


@pytest.mark.parametrize("kind", ["sage_mm", "sage_released", "scripted", "served"])
def test_the_four_policies_share_the_rules(kind, tiny_folder, monkeypatch):
    pytest.importorskip("peft")
    from policies.baselines.scripted import Scripted
    from policies.sage_mm import SageMM
    from policies.sage_released import SageReleased
    from policies.served.policy import ServedPolicy
    from tests.helpers.episodes import observe

    if kind == "served":
        policy = ServedPolicy.__new__(ServedPolicy)  # without a server: nothing is sent
        policy._workers, policy._seed, policy._episodes, policy._served = 2, 0, {}, True
        monkeypatch.setattr(policy, "_decide", lambda *_: Decision(Skip(1.0)), raising=True)
    elif kind == "scripted":
        model = SageMM.load(tiny_folder).model
        policy = Scripted(model.encoder, lambda features: [("red", "empty")] * len(features))
    else:
        policy = {"sage_mm": SageMM, "sage_released": SageReleased}[kind].load(tiny_folder)
        policy.max_new_tokens = 4
    assert isinstance(policy, EpisodeStates)
    # the name seeds what is random: with another one, stored runs would play differently
    assert policy.ONLY == (0 if kind == "scripted" else "the only episode")
    look = observe(1)
    with pytest.raises(ValueError, match="no episode twice"):
        policy.act_batch([look, look], ["x", "x"])
    policy.reset(seed=3)
    alone = policy.act(look)
    assert list(policy._episodes) == [policy.ONLY]
    policy.reset(seed=3)
    (same,) = policy.act_batch([look], [policy.ONLY])
    assert alone.action == same.action and alone.text == same.text
    if alone.tokens is not None:
        assert np.array_equal(alone.tokens.logprobs, same.tokens.logprobs)
    policy.end([policy.ONLY])
    assert not policy._episodes
