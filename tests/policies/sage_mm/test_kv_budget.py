"""Laws of `policies.sage_mm.kv_budget` and `episode_sampler`.

Whatever the budget, replies are the same, and what is held stays within it.
"""

from __future__ import annotations

import logging

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from policies.errors import ContextFull  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM, episode_sampler  # noqa: E402
from policies.sage_mm.context import Context  # noqa: E402
from policies.sage_mm.generation import sampler  # noqa: E402
from policies.sage_mm.generation.rollout_memory import token_bytes  # noqa: E402
from policies.sage_mm.generation.sequence import Completion, PrefillState  # noqa: E402
from policies.sage_mm.kv_budget import KeyValueBudget, default_kv_bytes  # noqa: E402
from tests.helpers.episodes import episode, observe, play, stir  # noqa: E402

QUESTIONS, ROLLOUTS, TURNS, REPLY = 3, 2, 3, 6
EPISODES = {(q, r): episode(q, TURNS) for q in range(QUESTIONS) for r in range(ROLLOUTS)}


@pytest.fixture(scope="module")
def model(tiny_folder):
    policy = SageMM.load(tiny_folder, lora=LoraSettings(r=4))
    stir(policy)
    return policy.model


def rollout(policy, turns=range(TURNS)):
    """Play all episodes side by side: tokens of each turn by episode, and what stood beside."""
    policy.reset(seed=5)
    found = {name: [] for name in EPISODES}
    for turn in turns:
        looks = [observations[turn] for observations in EPISODES.values()]
        for name, decision in zip(EPISODES, policy.act_batch(looks, list(EPISODES)), strict=True):
            found[name].append(decision.tokens)
    return found


@pytest.fixture(scope="module")
def free(model):
    """The rollout where everything fits."""
    return rollout(SageMM(model, max_new_tokens=REPLY))


@pytest.fixture(scope="module")
def whole(model):
    """The bytes of an episode's keys and values at its end."""
    policy = SageMM(model, max_new_tokens=REPLY)
    rollout(policy)
    return max(len(c.ids) for c in policy._episodes.values()) * per_token(model)


def per_token(model):
    return token_bytes(model.config, model.dtype)


def assert_same(found, expected):
    for name, turns in expected.items():
        for one, other in zip(found[name], turns, strict=True):
            assert one.completion.tolist() == other.completion.tolist()
            np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-5)


def held_bytes(policy):
    """Bytes of the tensors that running episodes hold, each tensor once."""
    states = [c.kv_state for c in policy._episodes.values() if c.kv_state is not None]
    tensors = {s.keys_values.data_ptr(): s.nbytes for state in states for s in state.chain}
    return sum(tensors.values())


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("times", [2.2, 3.0, 20.0])
def test_replies_do_not_depend_on_the_budget_and_memory_stays_within_it(
    model, free, whole, monkeypatch, in_place, times
):
    limit = int(times * whole)
    policy = SageMM(model, max_new_tokens=REPLY, kv_bytes=limit, prefix_in_place=in_place)
    seen = []
    make = sampler.KeyValueCache

    def watched(*args, **settings):
        cache = make(*args, **settings)
        seen.append(held_bytes(policy) + cache.data.nbytes)
        return cache

    monkeypatch.setattr(sampler, "KeyValueCache", watched)
    assert_same(rollout(policy), free)
    measured = policy.measures()
    assert max(seen) <= measured["policy/kv_peak_bytes"] <= limit
    assert held_bytes(policy) <= limit
    assert (measured["policy/kv_states_dropped"] > 0) == (times < 20)


def test_a_prompt_is_held_once_for_all_rollouts_of_its_question(model):
    policy = SageMM(model, max_new_tokens=REPLY)
    played = rollout(policy)
    tokens = 0
    for question in range(QUESTIONS):
        rollouts = [policy._episodes[question, r] for r in range(ROLLOUTS)]
        roots = {id(context.kv_state.root) for context in rollouts}
        prompt = len(rollouts[0].opening.ids)
        assert len(roots) == 1 and len(rollouts[0].kv_state.root.ids) == prompt
        # the last token of a reply is not read before the next turn
        tokens += prompt + sum(len(context.ids) - 1 - prompt for context in rollouts)
        assert rollouts[0].kv_state.keys_values is not rollouts[1].kv_state.keys_values
    assert held_bytes(policy) == tokens * per_token(model)
    assert len(played[0, 0]) == TURNS


def test_a_rollout_that_begins_later_finds_the_prompt_with_those_that_run(model, free):
    """Also where the cache of prompts has no room for it."""
    policy = SageMM(model, max_new_tokens=REPLY, prefix_cache_bytes=0)
    policy.reset(seed=5)
    first, late = (0, 0), (0, 1)
    one = play(policy, EPISODES[first][:2], first)
    before = policy.measures()["policy/prefill_tokens"]
    two = play(policy, EPISODES[late][:1], late)
    assert policy.measures()["policy/prefill_tokens"] == before
    assert_same({first: one, late: two}, {first: free[first][:2], late: free[late][:1]})


@pytest.mark.parametrize("in_place", [False, True])
def test_an_episode_that_cannot_fit_is_refused_in_a_sentence(model, whole, in_place):
    policy = SageMM(model, max_new_tokens=REPLY, kv_bytes=whole // 3, prefix_in_place=in_place)
    policy.reset(seed=5)
    with pytest.raises(ContextFull, match=r"need [\d,]+ bytes while it is sampled, and kv_bytes"):
        play(policy, EPISODES[0, 0], "x")


def context_of(number: int, prompt: int, more: int, *, held: bool, root=None) -> Context:
    """An episode with a prompt, a reply of `more` tokens and a second prompt of one."""
    context = Context(np.random.default_rng(0))
    ids = np.full(prompt, number)
    context.show(ids, ())
    root = root or PrefillState(ids, torch.zeros(prompt), 0)
    state = PrefillState(np.arange(prompt + more - 1), torch.zeros(more - 1), 0, before=root)
    context.extend(Completion(np.full(more, 9), np.zeros(more, np.float32), state))
    context.show(np.array([8]), ())
    if not held:
        context.kv_state = None
    return context


def test_who_loses_a_state_first_by_hand():
    """Tokens of 4 bytes. The wave may hold 8 + 6 + 1 + 5 = 20 tokens, and so may its block."""
    shared = PrefillState(np.full(8, 1), torch.zeros(8), 0)
    wave = [context_of(1, 8, 6, held=True, root=shared)]
    idle, done = context_of(2, 8, 6, held=True), context_of(1, 8, 6, held=True, root=shared)
    others = [idle, done]
    budget = KeyValueBudget(4 * (20 + 20 + 13 + 5), 4, in_place=False)
    budget.make_room(wave, others, 5, 1)
    assert budget.dropped == 0 and budget.peak == 4 * 58, "13 of the idle one, 5 beside the prompt"
    budget.max_bytes -= 1
    budget.make_room(wave, others, 5, 1)
    assert idle.kv_state is not None and len(idle.kv_state.ids) == 8, "its prompt stays"
    assert done.kv_state is not None and len(done.kv_state.ids) == 13 and budget.dropped == 1
    budget.max_bytes = 4 * (20 + 20 + 8)
    budget.make_room(wave, others, 5, 1)
    assert done.kv_state is shared and idle.kv_state is not None and budget.dropped == 2
    budget.max_bytes = 4 * 40
    budget.make_room(wave, others, 5, 1)
    assert idle.kv_state is None and budget.dropped == 3
    assert done.kv_state is shared, "dropping it would free nothing"
    assert len(wave[0].kv_state.ids) == 13, "who is sampled keeps what it has"


def test_those_that_hold_states_are_sampled_first_where_not_all_fit():
    contexts = [context_of(n, 8, 6, held=n in (2, 3)) for n in range(1, 5)]
    roomy = KeyValueBudget(4 * 8 * 20, 4, in_place=False)
    assert roomy.next_wave(contexts, 5, 1) == [0, 1, 2, 3]
    tight = KeyValueBudget(4 * 60, 4, in_place=False)  # a block of one, and two states
    assert tight.next_wave(contexts, 5, 1) == [1, 2]
    alike = [context_of(1, 8, 6, held=False) for _ in range(3)]  # one prompt: 8 + 3 * 12 tokens
    assert KeyValueBudget(4 * (20 + 44), 4, in_place=False).next_wave(alike, 5, 1) == [0, 1, 2]
    assert KeyValueBudget(4 * (20 + 43), 4, in_place=False).next_wave(alike, 5, 1) == [0, 1]
    with pytest.raises(ContextFull, match="160 bytes while it is sampled, and kv_bytes allows 159"):
        KeyValueBudget(159, 4, in_place=False).next_wave(alike, 5, 1)


def test_after_a_wave_that_was_too_large_half_of_it_and_of_its_bytes_is_allowed():
    """By hand: 4 bytes a token, each of four episodes 8 + 11 tokens and a block of up to 20."""
    contexts = [context_of(n, 8, 6, held=False) for n in range(1, 5)]
    budget = KeyValueBudget(4 * 8 * 20 * 10, 4, in_place=False)
    assert budget.next_wave(contexts, 5, 1) == [0, 1, 2, 3]
    budget.make_room(contexts, (), 5, 1)
    reckoned = budget.peak
    budget.halve(4)
    assert budget.max_bytes == reckoned // 2, "of what that wave took, not of what was allowed"
    budget.max_bytes = 10 * reckoned
    assert len(budget.next_wave(contexts, 5, 1)) == 2, "though more would fit"
    budget.halve(1)
    assert len(budget.next_wave(contexts, 5, 1)) == 1, "one may always try"


def test_who_acted_least_recently_is_prefilled_again(model):
    """The first of three lacks a byte beside the others; a second turn would have made it newer."""

    def play_first_turns(kv_bytes):
        policy = SageMM(model, max_new_tokens=REPLY, prefix_cache_bytes=0, kv_bytes=kv_bytes)
        policy.reset(seed=5)
        for question in range(QUESTIONS):
            play(policy, EPISODES[question, 0][:1], question)
        return policy, [policy._episodes[question] for question in range(QUESTIONS)]

    _, free = play_first_turns(None)
    read = [context.length - 1 for context in free]  # no pass has read the last token
    prompt = len(free[2].opening.ids)
    needed = read[0] + read[1] + 2 * (prompt + REPLY)
    policy, held = play_first_turns(needed * per_token(model))
    assert [len(context.kv_state.ids) for context in held] == read
    policy, held = play_first_turns(needed * per_token(model) - 1)
    assert [len(context.kv_state.ids) for context in held] == [len(free[0].opening.ids), *read[1:]]
    assert policy.measures()["policy/kv_states_dropped"] == 1
    policy = SageMM(model, max_new_tokens=REPLY)
    policy.reset(seed=5)
    for question, turn in ((0, 0), (1, 0), (0, 1)):
        policy.act_batch([EPISODES[question, 0][turn]], [question])
    assert [policy._episodes[question].last_used for question in (0, 1)] == [3, 2]


def test_out_of_memory_costs_time_and_no_reply(model, free, monkeypatch, caplog):
    """A device that others use too may have less than was free at the start."""
    policy = SageMM(model, max_new_tokens=REPLY)
    calls = []
    real = episode_sampler.generate

    def full(model_, sequences, **settings):
        calls.append(len(sequences))
        if len(sequences) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(model_, sequences, **settings)

    monkeypatch.setattr(episode_sampler, "generate", full)
    with caplog.at_level(logging.WARNING):
        assert_same(rollout(policy), free)
    assert calls[0] == QUESTIONS * ROLLOUTS and calls[-1] <= 2
    assert "out of memory (CUDA out of memory): states of running episodes" in caplog.text
    monkeypatch.setattr(
        episode_sampler,
        "generate",
        lambda *_, **__: (_ for _ in ()).throw(torch.OutOfMemoryError("no. x")),
    )
    policy.reset(seed=1)
    with pytest.raises(ContextFull, match=r"one episode of \d+ tokens runs out of memory \(no\)"):
        play(policy, [observe(1)], "x")


def test_defaults_follow_the_device(model, monkeypatch, caplog):
    import os

    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert default_kv_bytes(torch.device("cpu")) == 2_048_000
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3500, 9000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 700)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 200)
    assert default_kv_bytes(torch.device("cuda")) == 3000
    policy = SageMM(model, kv_bytes=12)
    assert policy._sampler.budget.max_bytes == 12 and not policy._sampler._in_place
    with pytest.raises(ValueError, match="expected kv_bytes >= 1, got 0"):
        SageMM(model, kv_bytes=0)
    settings = episode_sampler.TurnSettings(sampling=None, max_new_tokens=1, max_batch=1, workers=3)
    assert policy._sampler._workers(settings) == 3
    monkeypatch.setattr(type(model), "device", torch.device("cuda"))
    assert policy._sampler._workers(settings) == 1
    with caplog.at_level(logging.WARNING):
        on_gpu = SageMM(model, workers=2)
    assert on_gpu._sampler._in_place and on_gpu._sampler.budget.max_bytes == 3000
    assert "workers=2 is for a CPU: cuda runs one batch" in caplog.text
