"""Laws of `algos.rollout.conditions`: what is known of a policy and a budget, and what is not."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from algos.rollout.conditions import Conditions, conditions_of
from policies.introspection import fingerprint

BUDGET = {"max_turns": 5, "max_frames": 0, "frames_per_turn": 4, "overview_frames": 2}
WEIGHTS = [torch.ones(2)]


def test_a_budget_is_taken_as_far_as_it_is_told() -> None:
    asked = Conditions(max_turns=9, temperature=0.5, episode="a")
    whole = asked.with_budget({**BUDGET, "others": 1})
    assert (whole.max_turns, whole.max_frames) == (5, 0)
    assert (whole.frames_per_turn, whole.overview_frames) == (4, 2)
    assert (whole.temperature, whole.episode) == (0.5, "a")
    assert asked.with_budget({}) == asked
    assert asked.with_budget({"max_frames": 3}) == Conditions(9, 3, temperature=0.5, episode="a")


def test_what_was_lowered_is_asked_for_again_and_0_is_not_none() -> None:
    assert Conditions().lowered == {}
    assert Conditions(max_turns=3, frames_per_turn=9).lowered == {"max_turns": 3}
    assert Conditions(max_frames=0).lowered == {"max_frames": 0}
    assert Conditions(max_turns=1, max_frames=2).lowered == {"max_turns": 1, "max_frames": 2}


def test_settings_are_those_of_the_policy_or_not_known() -> None:
    greedy = SimpleNamespace(temperature=0.0, top_k=3, top_p=0.5, max_new_tokens=7, version="v2")
    found = conditions_of(greedy, 4)
    assert found == Conditions(
        temperature=0.0, top_k=3, top_p=0.5, max_new_tokens=7, policy_version="v2", policy_seed=4
    )
    assert conditions_of(object(), None) == Conditions()
    assert conditions_of(object(), 0).policy_seed == 0


def test_a_version_is_of_the_weights_that_acted_where_there_are_any() -> None:
    learner = {"actor_parameters": lambda: WEIGHTS, "version": "named"}
    served = SimpleNamespace(**learner, fingerprint=lambda: "of the sampler")
    assert conditions_of(served, 0).policy_version == "of the sampler"
    assert conditions_of(SimpleNamespace(**learner), 0).policy_version == fingerprint(WEIGHTS)
    assert conditions_of(SimpleNamespace(version="named"), 0).policy_version == "named"
    assert conditions_of(SimpleNamespace(version=3), 0).policy_version is None
