"""Laws of `algos.recipe.step_credit`: what a look was worth, where it stands, when it is paid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from algos.batching.token_batches import collate
from algos.recipe.settings import Recipe
from algos.recipe.step_credit import mean_credit, paid, with_credit
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from sage_env import Answer
from tests.helpers.handmade import trajectory as handmade
from tests.helpers.toy import BLIND, FIRST_SEEN, ITEMS, TURN, ToyPolicy, cloned_policy, envs

torch.set_num_threads(1)


def played(policy: ToyPolicy, count: int = 4) -> list[Trajectory]:
    """Episodes of which some look and answer, some answer at once, some do not answer."""
    return collect(envs(), policy, [EpisodeSpec(name) for name in ITEMS] * count, seed=3)


def credited(policy: ToyPolicy, episodes: list[Trajectory], **settings) -> list[Trajectory]:
    return with_credit(policy, episodes, **{"micro_batch": 5, **settings})


def looked_and_answered(trajectory: Trajectory) -> bool:
    return trajectory.num_turns == 2 and isinstance(trajectory.turns[1].decision.action, Answer)


def by_hand(policy: ToyPolicy, trajectory: Trajectory) -> float:
    """Score the answer after what was seen and after nothing, token by token."""
    scores = []
    for blind in (False, True):
        ids: list[int] = []
        score = 0.0
        for k, turn in enumerate(trajectory.turns):
            tokens = turn.decision.tokens
            assert tokens is not None
            ids += [TURN, BLIND] if blind and k == 1 else tokens.prompt.tolist()
            for token in tokens.completion.tolist():
                if k == 1:
                    with torch.no_grad():
                        logits = policy._logits(policy.actor, torch.tensor([ids]))[0, -1]
                    score += float(logits.log_softmax(-1)[token])
                ids.append(token)
        scores.append(score)
    return scores[0] - scores[1]


def swayed_policy() -> ToyPolicy:
    """A policy to which what it sees makes some odd difference."""
    policy = cloned_policy(0)
    with torch.no_grad():
        table = policy.actor["embed"].weight
        random = torch.Generator().manual_seed(5)
        table[FIRST_SEEN:] += 2 * torch.randn(table[FIRST_SEEN:].shape, generator=random)
    return policy


def test_it_is_the_difference_of_two_scores() -> None:
    policy = swayed_policy()
    episodes = played(policy, 8)
    after = credited(policy, episodes)
    found = [t for t in after if looked_and_answered(t) and t.turns[0].info["frame_seconds"]]
    assert len(found) > 3
    for trajectory in found:
        assert trajectory.turns[0].info["credit"] == pytest.approx(
            by_hand(policy, trajectory), abs=1e-5
        )
    assert max(abs(t.turns[0].info["credit"]) for t in found) > 0.1


def test_it_is_zero_where_the_answer_does_not_depend_on_the_frames() -> None:
    policy = cloned_policy(0)
    with torch.no_grad():  # to this policy, every answer that was seen reads like none
        table = policy.actor["embed"].weight
        table[FIRST_SEEN:] = table[BLIND]
    credits = [t.turns[0].info["credit"] for t in credited(policy, played(policy)) if asked(t)]
    assert len(credits) > 5 and max(map(abs, credits)) < 1e-6


def asked(trajectory: Trajectory) -> bool:
    return "credit" in trajectory.turns[0].info


def test_only_looks_of_answered_episodes_have_one() -> None:
    policy = cloned_policy(0)
    names = ["q1"] * 20 + ["unreadable", "breaks"] * 8
    episodes = collect(envs(), policy, [EpisodeSpec(name) for name in names], seed=3)
    after = credited(policy, episodes)
    assert any(t.error for t in after)
    for before, now in zip(episodes, after, strict=True):
        has = [k for k, turn in enumerate(now.turns) if "credit" in turn.info]
        assert has == ([0] if looked_and_answered(before) and before.error is None else [])
        assert "credit" not in now.start_info
        assert [t.reward for t in now.turns] == [t.reward for t in before.turns]
    with_overview = credited(policy, episodes, overview=True)
    for before, now in zip(episodes, with_overview, strict=True):
        answered = before.turns and isinstance(before.turns[-1].decision.action, Answer)
        assert ("credit" in now.start_info) == bool(answered and before.error is None)


def test_the_cut_into_pieces_changes_nothing() -> None:
    policy = cloned_policy(0)
    episodes = played(policy)
    one, all_ = (credited(policy, episodes, micro_batch=size) for size in (1, 1000))
    pairs = [(a, b) for a, b in zip(one, all_, strict=True) if asked(a)]
    assert pairs and all(
        a.turns[0].info["credit"] == pytest.approx(b.turns[0].info["credit"], abs=1e-5)
        for a, b in pairs
    )


def test_it_is_scored_at_the_temperature_of_sampling() -> None:
    policy = swayed_policy()
    policy.temperature = 0.5
    episodes = played(policy)
    cold = [t.turns[0].info["credit"] for t in credited(policy, episodes) if asked(t)]
    policy.temperature = 1.0
    named = credited(policy, episodes, temperature=0.5)
    assert cold and cold == [t.turns[0].info["credit"] for t in named if asked(t)]
    warm = [t.turns[0].info["credit"] for t in credited(policy, episodes) if asked(t)]
    assert max(abs(a - b) for a, b in zip(cold, warm, strict=True)) > 0.1


def test_right_answers_pay_their_looks_on_their_own_tokens() -> None:
    policy = swayed_policy()
    recipe = Recipe(step_credit=0.1, step_credit_limit=0.2)
    before = [t for t in credited(policy, played(policy, 8)) if asked(t)]
    after = paid(before, recipe)
    kinds = set()
    for old, new in zip(before, after, strict=True):
        change = new.rewards - old.rewards
        right = old.turns[1].info["correct"]
        kinds.add(right)
        expected = 0.1 * float(np.clip(old.turns[0].info["credit"], -0.2, 0.2)) if right else 0.0
        assert new.ret - old.ret == pytest.approx(expected)
        tokens = old.turns[0].decision.tokens
        assert tokens is not None
        place = len(tokens.prompt) + len(tokens.completion) - 1
        assert old.sampled[place] and not np.delete(change, place).any()
        assert change[place] == pytest.approx(expected, abs=1e-7)
        if right:
            assert new.turns[0].info["reward_terms"]["step_credit"] == pytest.approx(expected)
    assert kinds == {True, False}
    old_batch, new_batch = collate(before, 1.0), collate(after, 1.0)
    assert torch.equal(old_batch.sampled, new_batch.sampled)
    assert not (new_batch.rewards[~new_batch.sampled] != 0).any()


def test_the_mean_is_over_looks() -> None:
    policy = cloned_policy(0)
    episodes = credited(policy, played(policy))
    credits = [t.turns[0].info["credit"] for t in episodes if asked(t)]
    assert mean_credit(episodes) == pytest.approx(np.mean(credits))
    assert mean_credit(played(policy)) is None


def test_a_policy_that_cannot_leave_frames_out_is_told_so() -> None:
    class Fixed(ToyPolicy):
        without_frames = None  # type: ignore[assignment]

    policy = cloned_policy(0)
    fixed = Fixed(0)
    fixed.load_state(policy.state())
    with pytest.raises(TypeError, match="Fixed has none: .*recipe.step_credit to 0"):
        credited(fixed, played(policy))


def test_what_was_sampled_stays_as_it_was() -> None:
    policy = cloned_policy(0)
    episodes = played(policy)
    for before, now in zip(episodes, credited(policy, episodes), strict=True):
        assert (
            replace(now, turns=[], start_info={}).to_json()
            == replace(before, turns=[], start_info={}).to_json()
        )
        assert np.array_equal(before.token_ids, now.token_ids)
        assert np.array_equal(before.logprobs, now.logprobs)


def test_what_was_not_wholly_answered_has_none() -> None:
    """Each reason alone, of an episode that else has one."""
    policy = cloned_policy(0)
    good = next(t for t in played(policy) if looked_and_answered(t))
    silent = replace(good.turns[0], decision=replace(good.turns[0].decision, tokens=None))
    for other in (
        replace(good, truncated=True),
        replace(good, error="JudgeError: no reply"),
        replace(good, turns=good.turns[:1]),
        replace(good, turns=[]),
        replace(good, turns=[silent, good.turns[1]]),
    ):
        found, whole = credited(policy, [other, good], overview=True)
        assert found is other and asked(whole)
    assert credited(policy, [replace(good, truncated=True)]) != []


def test_only_what_was_judged_right_is_paid_and_only_looks_with_a_credit() -> None:
    recipe = Recipe(step_credit=0.5, step_credit_limit=2.0)
    made = handmade("q", True, looks=((1.0,), (2.0,), (3.0,), (4.0,)))
    for turn, credit in zip(made.turns, (0.0, -3.0, 1.0, None), strict=False):
        if credit is not None:
            turn.info["credit"] = credit
    (found,) = paid([made], recipe)
    assert [turn.reward for turn in found.turns] == [0.0, -1.0, 0.5, 0.0, 1.0]
    assert found.turns[0].info["reward_terms"] == {"step_credit": 0.0}
    assert "reward_terms" not in found.turns[3].info
    assert mean_credit([found]) == pytest.approx(-2 / 3)
    for verdict in (False, None, 1):
        made.turns[-1].info["correct"] = verdict
        assert paid([made], recipe) == [made]
    assert paid([Trajectory("q")], recipe)[0].turns == []
