"""Laws of `policies.sage_mm.model.update_memory`: an update's bytes, by hand and as they come."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from benchmarks.published_shapes import published_config  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from policies.sage_mm.model import update_memory as module  # noqa: E402
from policies.sage_mm.model.live_bytes import LiveBytes  # noqa: E402
from policies.sage_mm.model.update_memory import EpisodeSize, update_bytes  # noqa: E402
from tests.helpers.episodes import as_batch, episode, play, stir  # noqa: E402
from tests.helpers.tiny_model import build_config, build_tokenizer  # noqa: E402

GIB = 2**30
FRAMES, PER_FRAME = 128, 14 * 14  # a frame of 448x448 pixels is 14x14 visual tokens
LONG = EpisodeSize(
    tokens=FRAMES * (PER_FRAME + 12) + 1500, visual=FRAMES * PER_FRAME, sampled=600, shared=3500
)
"""128 frames, each with a time and two markers; five turns of text."""
PARAMETERS = {"4B": 4_437_815_808, "8B": 8_767_123_696}
LAYERS, QUERY, VALUE = 36, 4096, 1024  # of both: 32 heads and 8 key-value heads of 128
HIDDEN, INNER = {"4B": 2560, "8B": 4096}, {"4B": 9728, "8B": 12_288}


@pytest.mark.parametrize("size", ["4B", "8B"])
def test_an_update_of_16_long_episodes_fits_into_80_gib(size) -> None:
    """128 frames of 448x448 each, two episodes in a pass, with a critic that is a head."""
    hidden, inner = HIDDEN[size], INNER[size]
    sides = 2 * (QUERY + hidden) + 2 * (VALUE + hidden) + 3 * (inner + hidden)
    found = update_bytes(published_config(size), LONG, episodes=16, in_pass=2, critic="head")
    assert found.total < 80 * GIB
    assert found.weights == pytest.approx(2 * PARAMETERS[size], rel=1e-6), "and a few buffers"
    assert found.trained == 16 * (LAYERS * 16 * sides + hidden**2)
    assert found.critic_features == 2 * 16 * 600 * hidden
    assert found.features == 2 * 4 * 2 * LONG.visual * hidden
    tokens = 2 * LONG.tokens - LONG.shared
    inputs = 2 * LAYERS * tokens * hidden
    assert inputs < found.kept < 1.15 * inputs, "a layer keeps its input, and hardly more is kept"
    assert found.scores < 0.5 * GIB, "never (N, V): that would be twice as much"
    assert 4 * 2 * 600 * 151_936 > 0.6 * GIB


@pytest.mark.parametrize("checkpointing", [pytest.param(False, marks=pytest.mark.slow), True])
def test_every_layer_adds_the_same(checkpointing) -> None:
    """What two models of few layers foretell is what a model of five takes, to the byte."""
    config = build_config(build_tokenizer(), layers=5)
    size = EpisodeSize(tokens=200, visual=60, sampled=30, shared=50)
    lora = LoraSettings(r=3)
    found = update_bytes(
        config, size, episodes=4, in_pass=2, lora=lora, checkpointing=checkpointing
    )
    base = module._trained_shape(config, 5, torch.bfloat16, lora, checkpointing)
    counts = module._pass_bytes(base, size, 2)
    assert found.kept == counts.kept and found.scores == counts.scores - counts.kept
    assert found.work == max(counts.forward, counts.backward) - counts.kept


@pytest.mark.parametrize("checkpointing", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_pass_that_trains_takes_what_was_foretold(tiny_folder, checkpointing) -> None:
    """An episode of the tiny model on the CPU, counted while it is scored and differentiated."""
    lora = LoraSettings(r=4)
    policy = SageMM.load(
        tiny_folder, lora=lora, max_new_tokens=40, temperature=1.0, checkpointing=checkpointing
    )
    stir(policy)
    policy.reset(seed=1)
    batch = as_batch([play(policy, episode(1, 4), 1)])
    visual = int((batch.ids == policy.model.tokens.frame_pad).sum())
    size = EpisodeSize(int(batch.attention.sum()), visual, int(batch.sampled.sum()))
    found = update_bytes(
        policy.model.base.config,
        size,
        episodes=1,
        dtype=torch.float32,
        lora=lora,
        checkpointing=checkpointing,
    )
    assert found.weights == sum(p.nbytes for n, p in _base_tensors(policy))
    assert found.trained == 16 * sum(p.numel() for p in policy.actor_parameters())
    with LiveBytes() as counted:
        loss = policy.evaluate(batch, entropy_gradient=False).logprobs.sum()
        kept = counted.live
        torch.autograd.grad(loss, policy.actor_parameters())
    # the tiny model's few logits are kept for the backward pass; a larger one's are not
    foretold = found.kept + max(found.work, found.scores) + found.features
    assert counted.peak == pytest.approx(foretold, rel=0.1)
    assert 0.9 * found.kept < kept < found.kept + found.scores


def _base_tensors(policy):
    named = [*policy.model.base.named_parameters(), *policy.model.base.named_buffers()]
    return [(name, x) for name, x in named if "lora_" not in name]


@pytest.mark.slow
def test_what_changes_an_estimate_changes_its_own_part() -> None:
    config = build_config(build_tokenizer(), layers=4)
    size = EpisodeSize(tokens=400, visual=90, sampled=40, shared=100)
    plain = update_bytes(config, size, episodes=4)
    parts = vars(plain)

    def changed(**settings) -> set[str]:
        found = vars(update_bytes(config, size, **({"episodes": 4} | settings)))
        return {name for name, value in found.items() if value != parts[name]}

    assert changed(episodes=8, critic="head", four_bit=True) == {
        "weights", "trained", "critic_features"
    }  # fmt: skip
    assert changed(episodes=8, critic="adapter") == {"trained"}
    assert changed(in_pass=2) == {"features", "kept", "work", "scores"}
    held = plain.weights + plain.trained + plain.critic_features + plain.features + plain.kept
    assert plain.total == held + max(plain.work, plain.scores)
    kept = update_bytes(config, size, episodes=4, checkpointing=False).kept
    assert kept > 3 * plain.kept


def test_a_mixture_of_experts_has_an_estimate_too() -> None:
    config = build_config(build_tokenizer(), layers=3, experts=4)
    size = EpisodeSize(tokens=400, visual=90, sampled=40)
    found = update_bytes(config, size, episodes=4)
    assert found.kept > 0 and found.work > 0
    attention = 3 * (2 * (64 + 64) + 2 * (32 + 64))
    assert found.trained == 16 * 16 * attention


def test_sizes_that_cannot_be_are_refused() -> None:
    for wrong in ({"sampled": 0}, {"sampled": 9}, {"visual": 9}, {"shared": 9}, {"visual": -1}):
        with pytest.raises(ValueError, match="expected 0 <"):
            replace(EpisodeSize(9, 3, 2, 4), **wrong)
