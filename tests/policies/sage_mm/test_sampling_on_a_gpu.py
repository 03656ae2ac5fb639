"""Laws of `policies.sage_mm.episode_sampler` and `generation.sampler` on a GPU: as on a CPU."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from policies.sage_mm.generation import sampler  # noqa: E402
from policies.sage_mm.generation.kv_cache import KeyValueCache  # noqa: E402
from policies.sage_mm.kv_budget import default_kv_bytes  # noqa: E402
from tests.helpers.episodes import as_batch, episode, observe, stir  # noqa: E402

EPISODES = {(q, r): episode(q, 3) for q in range(2) for r in range(3)}
CUDA = pytest.param("cuda", marks=pytest.mark.gpu)


def load(tiny_folder, device, **settings):
    settings = {"max_new_tokens": 12, "lora": LoraSettings(r=4)} | settings
    policy = SageMM.load(tiny_folder, device=device, **settings)
    stir(policy)
    return policy


def rollout(policy):
    policy.reset(seed=5)
    found = {name: [] for name in EPISODES}
    for turn in range(3):
        looks = [observations[turn] for observations in EPISODES.values()]
        for name, decision in zip(EPISODES, policy.act_batch(looks, list(EPISODES)), strict=True):
            found[name].append(decision.tokens)
    return found


def assert_same(found, expected, tolerance):
    for name, turns in expected.items():
        for one, other in zip(found[name], turns, strict=True):
            assert one.completion.tolist() == other.completion.tolist()
            np.testing.assert_allclose(one.logprobs, other.logprobs, atol=tolerance)


@pytest.fixture(scope="module")
def on_cpu(tiny_folder):
    """Rows with copies of their prompts, no drafts: as plain as it gets."""
    return rollout(load(tiny_folder, "cpu", draft_tokens=0, prefix_in_place=False))


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"prefix_in_place": True},
        {"prefix_in_place": False},
        {"prefix_in_place": True, "draft_tokens": 0, "max_batch": 2},
        {"prefix_in_place": True, "kv_bytes": 700_000},
        {"prefix_in_place": True, "prefix_cache_bytes": 0},
    ],
    ids=["default", "in place", "copied", "plain", "tight", "no prompts kept"],
)
def test_replies_are_the_same_in_float32_whatever_the_device(tiny_folder, on_cpu, device, settings):
    assert_same(rollout(load(tiny_folder, device, **settings)), on_cpu, 1e-5)


@pytest.mark.parametrize("in_place", [False, True])
def test_prompts_that_are_read_without_a_mask_are_read_the_same(tiny_folder, monkeypatch, in_place):
    """Prompts of several lengths in one pass, the shorter ones padded; what runs has a mask."""
    asked = ["what is it?", "what colour is the small star?", "who is it, and where is it seen?"]
    turns = [[observe(10 * k + t, 2, question=q) for k, q in enumerate(asked)] for t in range(2)]

    def replies():
        policy = load(tiny_folder, "cpu", prefix_in_place=in_place)
        policy.reset(seed=5)
        return {t: [d.tokens for d in policy.act_batch(turns[t], range(3))] for t in range(2)}

    expected = replies()
    made = []
    real = KeyValueCache.set_write_slots

    def watched(cache, first, starts, counts, **settings):
        mask = real(cache, first, starts, counts, **settings)
        made.append((len(set(counts.tolist())) > 1, bool(starts.any()), mask.shape[-1]))
        return mask

    monkeypatch.setattr(sampler, "FLASH_DEVICES", ("cpu",))
    monkeypatch.setattr(KeyValueCache, "set_write_slots", watched)
    assert_same(replies(), expected, 1e-5)
    assert all((width == 0) == (not runs) for _, runs, width in made)
    assert (True, False, 0) in made, "one pass had prompts of several lengths"


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_grammar_rules_with_shared_prompts_too(tiny_folder, device, in_place):
    pytest.importorskip("llguidance")
    settings = {"max_new_tokens": 40, "constrained": True, "prefix_in_place": in_place}
    policy = load(tiny_folder, device, **settings)
    turns = list(rollout(policy).values())
    batch = as_batch(turns)
    found = policy.evaluate(batch).logprobs  # refuses what the grammar does not allow
    torch.testing.assert_close(found, batch.old_logprobs, atol=2e-5, rtol=0)


@pytest.mark.gpu
def test_weights_adapters_and_replies_are_where_they_belong(tiny_folder):
    policy = load(tiny_folder, "cuda")
    rollout(policy)
    states = [s for c in policy._episodes.values() for s in c.kv_state.chain]
    assert all(s.keys_values.is_cuda for s in states)
    assert 0 < policy._sampler.budget.max_bytes <= torch.cuda.get_device_properties(0).total_memory
    assert default_kv_bytes(torch.device("cuda")) > 0


@pytest.mark.gpu
def test_a_token_waits_for_the_device_once(tiny_folder, monkeypatch):
    """One copy to the host per pass: that of the tokens which were drawn."""
    policy = load(tiny_folder, "cuda")
    policy.reset(seed=5)
    looks = [observations[0] for observations in EPISODES.values()]
    policy.act_batch(looks, list(EPISODES))
    steps = []
    real = type(policy.model).hidden

    def watched(model, ids, positions, frames, mask=None, cache=None, spans=None):
        if frames:
            return real(model, ids, positions, frames, mask, cache, spans)
        torch.cuda.set_sync_debug_mode("error")
        try:
            steps.append(len(ids))
            return real(model, ids, positions, frames, mask, cache, spans)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(type(policy.model), "hidden", watched)
    policy.act_batch([observations[1] for observations in EPISODES.values()], list(EPISODES))
    assert steps
