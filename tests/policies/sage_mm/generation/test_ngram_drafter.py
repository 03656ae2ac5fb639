"""Laws of `policies.sage_mm.generation.ngram_drafter`: drafts save passes and change no sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from policies.sage_mm.generation import ngram_drafter  # noqa: E402
from policies.sage_mm.generation.decode_row import DecodeRow  # noqa: E402
from policies.sage_mm.generation.ngram_drafter import MAX_DRAFT, NGramDrafter, written_actions  # noqa: E402
from sage_env.actions.action import Invalid  # noqa: E402
from sage_env.actions.action_text import parse_action  # noqa: E402
from tests.helpers.episodes import episode, stir  # noqa: E402

STOP = 7


@pytest.fixture(scope="module")
def model(tiny_folder):
    policy = SageMM.load(tiny_folder, lora=LoraSettings(r=4))
    stir(policy)
    return policy.model


def replies(policy, names, looks):
    """Let episodes of one to three turns play side by side; return all turns, and the passes."""
    passes, hidden = [], policy.model.hidden

    def count(*args):
        passes.append(args[0].shape)
        return hidden(*args)

    policy.model.hidden = count
    try:
        turns = []
        for turn in range(3):
            still = [n for n in names if turn < len(looks[n])]
            found = policy.act_batch([looks[n][turn] for n in still], still)
            turns += [(name, d.tokens) for name, d in zip(still, found, strict=True)]
    finally:
        del policy.model.hidden
    return turns, passes


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("known", ["all", "half", "wrong", "stop"])
def test_guesses_change_passes_and_nothing_else(model, temperature, known):
    looks = {name: episode(2 + name % 3, 1 + name % 3) for name in range(5)}
    plain = SageMM(model, temperature=temperature, max_new_tokens=12, draft_tokens=0)
    plain.reset(seed=3)
    expected, without = replies(plain, range(5), looks)
    assert plain.measures()["policy/tokens_per_step"] == 1

    policy = SageMM(model, temperature=temperature, max_new_tokens=12)
    policy.reset(seed=3)
    rng = np.random.default_rng(0)
    for _, tokens in expected:
        ids = tokens.completion.tolist()
        if known == "half":
            ids = [x if rng.random() < 0.7 else int(rng.integers(300)) for x in ids]
        if known == "wrong":
            ids = rng.integers(0, 300, 12).tolist()
        if known == "stop":
            ids = [x for token in ids for x in (token, policy.stop_token)]
        for _ in range(3):
            policy._drafter.observe(ids)
    found, passes = replies(policy, range(5), looks)

    for (name, tokens), (other, wanted) in zip(found, expected, strict=True):
        assert name == other
        assert tokens.completion.tolist() == wanted.completion.tolist()
        np.testing.assert_allclose(tokens.logprobs, wanted.logprobs, atol=2e-5)
    if known == "all":
        assert len(passes) < 0.7 * len(without)
    assert max(shape[1] for shape in passes[2:]) > 1, "something was guessed"
    per_step = policy.measures()["policy/tokens_per_step"]
    assert per_step > 1.5 if known == "all" else per_step >= 1


def test_a_policy_learns_from_its_own_replies_and_forgets_them(model):
    look = episode(3, 1)
    policy = SageMM(model, temperature=0.0, max_new_tokens=12, prefix_cache_bytes=0)
    counts = []
    for _ in range(2):
        policy.reset(seed=1)
        counts += [len(replies(policy, [name], {name: look})[1]) for name in ("a", "b")]
    first, second, again, _ = counts
    assert second < first, "greedy: the second episode says what the first said"
    assert again == first


sequences = st.lists(st.integers(0, 9), min_size=1, max_size=12)


@given(sampled=sequences, data=st.data())
def test_what_is_taken_is_what_would_have_been_sampled_one_by_one(sampled, data):
    """Places after a wrong guess are sampled from what never came: they must not be taken."""
    limit = len(sampled)
    one_by_one = sampled[: sampled.index(STOP) + 1] if STOP in sampled else sampled
    reply = DecodeRow(np.zeros(limit))
    while not reply.over:
        at = len(reply.ids)
        guess = data.draw(st.lists(st.integers(0, 9), max_size=limit - at - 1)) if at else []
        right = 0
        while right < len(guess) and guess[right] == sampled[at + right]:
            right += 1
        drawn = sampled[at : at + right + 1]
        rest = [data.draw(st.integers(0, 9)) for _ in range(len(guess) - right)]
        reply.draft = guess
        before = len(reply.ids)
        count = reply.accept(drawn + rest, [0.0] * (len(guess) + 1), STOP)
        assert count == len(reply.ids) - before >= 1
    assert reply.ids == one_by_one
    assert len(reply.logprobs) == len(reply.ids)


def test_a_guess_is_what_has_followed_most_often():
    drafter = NGramDrafter(tokens=64)
    drafter.observe([1, 2, 3, 4])
    assert drafter.propose([1], 1, 9) == [2, 3, 4]
    assert drafter.propose([9, 2], 1, 9) == [3, 4], "the longest known end counts"
    assert drafter.propose([], 1, 1) == [1], "a reply's start is known too"
    for _ in range(3):
        drafter.observe([1, 2, 5, 6])
    assert drafter.propose([1], 1, 9) == [2, 5, 6]
    assert drafter.propose([8], 1, 9) == []
    drafter.forget()
    assert drafter.propose([1], 1, 9) == []


def test_what_is_unclear_is_not_guessed():
    drafter = NGramDrafter(tokens=64)
    for last in (5, 6, 7):
        drafter.observe([1, 2, last])
    assert drafter.propose([1], 1, 9) == [2]


def test_guesses_fit_the_pass():
    drafter = NGramDrafter(tokens=16)
    drafter.observe(range(20))
    assert len(drafter.propose([0], 1, 99)) == MAX_DRAFT
    assert len(drafter.propose([0], 1, 3)) == 3
    assert len(drafter.propose([0], 4, 99)) == 3
    assert drafter.propose([0], 16, 99) == drafter.propose([0], 99, 99) == []
    assert NGramDrafter(tokens=0, examples=[[1, 2]]).propose([1], 1, 9) == []


def test_examples_are_known_from_the_start(model):
    tokens = model.tokens
    examples = written_actions(tokens)
    for ids in examples:
        assert not isinstance(parse_action(tokens.text(np.array(ids))), Invalid)
    drafter = NGramDrafter(64, examples)
    drafter.observe([1, 2])
    drafter.forget()
    assert drafter.propose([1], 1, 1) == []
    assert drafter.propose(examples[0][:1], 1, 1) == examples[0][1:2]


def test_what_was_seen_at_least_every_second_time_is_guessed():
    drafter = NGramDrafter(tokens=64)
    drafter.observe([1, 2])
    drafter.observe([1, 3])
    assert drafter.propose([1], 1, 9) == [2], "one half is enough, and the first seen stays"
    drafter.observe([1, 3])
    assert drafter.propose([1], 1, 9) == [3]
    drafter.observe([1, 4])
    assert drafter.propose([1], 1, 9) == [3], "two of four"
    drafter.observe([1, 5])
    assert drafter.propose([1], 1, 9) == []


def test_a_guess_looks_at_three_tokens_and_at_no_more():
    near, far = NGramDrafter(tokens=64), NGramDrafter(tokens=64)
    near.observe([1, 3, 4, 5])
    for _ in range(3):
        near.observe([2, 3, 4, 6])
    assert near.propose([1, 3, 4], 1, 1) == [5], "two tokens alone would say 6"
    far.observe([1, 2, 3, 4, 5])
    for _ in range(3):
        far.observe([9, 2, 3, 4, 6])
    assert far.propose([1, 2, 3, 4], 1, 1) == [6], "four tokens would say 5"


def test_what_was_counted_is_bounded(monkeypatch):
    monkeypatch.setattr(ngram_drafter, "MAX_ENTRIES", 2)
    drafter = NGramDrafter(64, [[7, 8]])  # three n-grams: start 7, start 7 8, 7 8
    drafter.observe([1, 2])
    assert drafter.propose([1], 1, 1) == [2] and drafter.propose([7], 1, 1) == [8]
    drafter.observe([3, 4])
    assert drafter.propose([1], 1, 1) == [], "beyond the bound all but the examples is forgotten"
    assert drafter.propose([3], 1, 1) == [4] and drafter.propose([7], 1, 1) == [8]
    monkeypatch.setattr(ngram_drafter, "MAX_ENTRIES", 6)
    drafter.observe([5, 6])
    assert drafter.propose([3], 1, 1) == [4], "at the bound nothing is"


def test_the_examples_are_every_kind_of_action_with_a_thought_and_without(model):
    texts = [model.tokens.text(np.array(ids)) for ids in written_actions(model.tokens)]
    found = [parse_action(text) for text in texts]
    assert [type(action).__name__ for action in found] == [
        kind for kind in ("Answer", "Zoom", "Sample", "Skip") for _ in range(2)
    ]
    assert ["thought" in text for text in texts] == [True, False] * 4
