"""Laws of `policies.sage_mm.beliefs`: a belief is what whole answers score, and changes nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from policies.base import TurnTokens, context_digest  # noqa: E402
from policies.errors import ModelError  # noqa: E402
from policies.introspection import BelievingPolicy  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM, scoring  # noqa: E402
from tests.helpers.episodes import episode, play, stir  # noqa: E402

CHOICES = ("red", "red star", "blue", 'a "blue\\ one"', "ärger")
WRITTEN = [
    '{"thought": "look for the \\"star\\" ", "action": "zoom", "start": 3.0, "end": 4.0}',
    '{"action": "skip", "to": 9.0}',
    '{"thought": "", "action": "answer", "text": "blue"}',
    "no JSON",
]
"""Replies that a model may write: with a thought, without one, with an empty one, with no sense."""


@pytest.fixture(scope="module")
def policy(tiny_folder):
    policy = SageMM.load(tiny_folder, max_new_tokens=6, lora=LoraSettings(r=4))
    stir(policy)
    return policy


@pytest.fixture(scope="module")
def written(policy):
    """Turns whose replies are those of `WRITTEN`, as if they had been sampled."""
    turns, said = [], np.zeros(0, np.int64)
    for observation, text in zip(episode(4, len(WRITTEN)), WRITTEN, strict=True):
        prompt, frames = policy.prompt(observation, said)
        completion = policy.model.tokens.completion(text)
        said = np.concatenate([said, prompt])
        context = context_digest(said)
        scores = np.zeros(len(completion), np.float32)
        turns.append(TurnTokens(prompt, completion, scores, frames, context))
        said = np.concatenate([said, completion])
    return turns


def scored(policy, turns, reply, after):
    """Score tokens with one plain pass over all that came before: the log-prob of those `after`."""
    before = [x for turn in turns[:-1] for x in (turn.prompt, turn.completion)]
    ids = torch.from_numpy(np.concatenate([*before, turns[-1].prompt, reply]))[None]
    frames = tuple(key for turn in turns for key in turn.frames)
    positions = policy.model.positions(ids, [ids.shape[1]], [frames])
    with torch.no_grad():
        hidden = policy.model.hidden(ids, positions, frames)[0]
        every = policy.model.log_probs(hidden[:-1], 1.0)
    every = every.gather(1, ids[0, 1:, None])[:, 0]
    return float(every[ids.shape[1] - len(reply) + after - 1 :].double().sum())


def by_hand(policy, turns, choices, head, opened):
    """Return the belief from whole answers, after the sampled tokens that lie within `head`."""
    tokens, sampled = policy.model.tokens, turns[-1].completion
    within = [n for n in range(len(sampled)) if head.startswith(tokens.text(sampled[:n]))]
    kept = sampled[: max(within)]
    left = head[len(tokens.text(kept)) :]
    totals = []
    for choice in choices:
        escaped = choice.replace("\\", "\\\\").replace('"', '\\"')
        spelled = f'"action": "answer", "text": "{escaped}"}}'
        rest = tokens.completion(left + (f'", {spelled}' if opened else "{" + spelled))
        totals.append(scored(policy, turns, np.concatenate([kept, rest]), len(kept)))
    weights = np.exp(np.array(totals) - max(totals))
    return weights / weights.sum()


HEADS = [('{"thought": "look for the \\"star\\" ', True), ("", False), ('{"thought": "', True)]
HEADS.append(("", False))


@pytest.mark.parametrize("turn", range(len(WRITTEN)))
def test_a_belief_is_the_share_of_each_whole_answer(policy, written, turn):
    found = policy.beliefs([written], [CHOICES])[0][turn]
    assert sum(found) == pytest.approx(1, abs=1e-12) and len(found) == len(CHOICES)
    expected = by_hand(policy, written[: turn + 1], CHOICES, *HEADS[turn])
    assert expected.max() > 1.5 / len(CHOICES), "the model must tell the choices apart"
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_beliefs_follow_the_order_of_the_choices(policy, written):
    order = [3, 0, 4, 2, 1]
    one = policy.beliefs([written], [CHOICES])[0]
    other = policy.beliefs([written], [[CHOICES[i] for i in order]])[0]
    for first, second in zip(one, other, strict=True):
        np.testing.assert_allclose([first[i] for i in order], second, atol=1e-6)


def test_many_episodes_are_read_as_one_is(policy, written):
    policy.reset(seed=1)
    others = [play(policy, episode(seed, 3), seed) for seed in (1, 2)]
    options = [CHOICES[:2], CHOICES, ("yes", "no")]
    episodes = [others[0], written, others[1]]
    together = policy.beliefs(episodes, options)
    assert [len(turns) for turns in together] == [3, 4, 3]
    for turns, choices, found in zip(
        [others[0], written, others[1]], options, together, strict=True
    ):
        for one, other in zip(policy.beliefs([turns], [choices])[0], found, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_what_is_played_goes_on_as_if_no_belief_had_been_read(policy):
    """Within an episode, to the last bit: contexts, keys and values, random numbers, drafts."""

    def played(read: bool) -> list[TurnTokens]:
        policy.reset(seed=5)
        turns = []
        for observation in episode(2, 5):
            turns.append(policy.act_batch([observation], ["x"])[0].tokens)
            if read:
                policy.beliefs([turns], [CHOICES])
        return turns

    for one, other in zip(played(read=False), played(read=True), strict=True):
        assert one.completion.tolist() == other.completion.tolist()
        assert one.logprobs.tobytes() == other.logprobs.tobytes()


def test_the_context_is_read_once_for_all_turns_and_choices(policy, written, monkeypatch):
    computed = []
    states = scoring.states_before_sampled

    def counting(model, batch):
        computed.append(scoring.pass_tokens(model, batch, list(range(len(batch)))))
        return states(model, batch)

    monkeypatch.setattr(scoring, "states_before_sampled", counting)
    policy.beliefs([written], [CHOICES])
    context = sum(len(turn.prompt) + len(turn.completion) for turn in written)
    assert len(computed) == 1  # twenty answers in one pass
    assert computed[0] <= context + sum(len(written) * (len(c) + 60) for c in CHOICES)


def test_there_is_no_belief_where_there_is_no_choice_or_no_whole_context(policy, written):
    assert policy.beliefs([written], [()]) == [[None] * 4]
    assert policy.beliefs([written], [("alone",)]) == [[None] * 4]
    assert policy.beliefs([], []) == []
    forgot = [*written[:3], replace(written[3], dropped=1, context=b"")]
    assert [belief is None for belief in policy.beliefs([forgot], [CHOICES])[0]] == [0, 0, 0, 1]


def test_a_turn_in_a_context_of_its_own_is_read_there(policy, written):
    fresh = replace(written[0], fresh=True)
    (found,) = policy.beliefs([[written[0], fresh]], [CHOICES])
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_tokens_of_another_episode_are_refused(policy, written):
    with pytest.raises(ModelError, match="belief cannot be read"):
        policy.beliefs([written[1:]], [CHOICES])


def test_a_reply_that_never_ended_its_thoughts_has_no_belief(policy, written, monkeypatch):
    thinking = policy.model.tokens.with_prefill("<think>\n")
    assert thinking.thinks_first
    monkeypatch.setattr(policy.model, "tokens", thinking)
    ended = thinking.completion('is it red? </think>{"thought": "so", "action": "skip", "to": 1.0}')
    never = thinking.completion("is it red? or")
    turns = [replace(written[0], completion=ids, logprobs=np.zeros(len(ids), np.float32))
             for ids in (ended, never)]  # fmt: skip
    assert policy.beliefs([turns[1:]], [CHOICES]) == [[None]]
    (found,) = policy.beliefs([turns[:1]], [CHOICES])[0]
    head = 'is it red? </think>{"thought": "so'
    expected = by_hand(policy, turns[:1], CHOICES, head, True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_policy_is_one_that_believes(policy):
    assert isinstance(policy, BelievingPolicy)
