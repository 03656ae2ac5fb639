"""Laws of `policies.sage_mm.generation.rollout_memory` and `pass_memory`.

What is reckoned is what tensors come to: those of a small model, and those of the published shapes
on the meta device.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from benchmarks.published_shapes import published_config  # noqa: E402
from policies.errors import ModelError  # noqa: E402
from policies.sage_mm.generation import pass_memory  # noqa: E402
from policies.sage_mm.generation.kv_cache import KeyValueCache  # noqa: E402
from policies.sage_mm.generation.pass_memory import (  # noqa: E402
    decode_bytes,
    encode_bytes,
    prefill_bytes,
    weight_bytes,
)
from policies.sage_mm.generation.rollout_memory import (  # noqa: E402
    KV_SHARE,
    STAMP_TOKENS,
    RolloutShape,
    rollout_bytes,
    slots_for,
    slots_on,
    token_bytes,
)
from policies.sage_mm.generation.sampling import Sampling  # noqa: E402
from policies.sage_mm.model.adapters import LoraSettings, lora_config, new_adapter  # noqa: E402
from policies.sage_mm.model.default_dtype import default_dtype  # noqa: E402
from policies.sage_mm.model.language_model import language_states  # noqa: E402
from policies.sage_mm.model.packed_attention import use_packed_attention  # noqa: E402
from policies.sage_mm.model.pretrained import ARCHITECTURES  # noqa: E402
from policies.sage_mm.vision.batched_tower import BatchedTower  # noqa: E402
from policies.sage_mm.vision.frame_encoder import patchify  # noqa: E402
from tests.helpers.memory.live_bytes import LiveBytes  # noqa: E402

GIB = 1 << 30
META = torch.device("meta")


def two_layers(size):
    """The configuration of a published shape, but for all layers beyond the second."""
    config = published_config(size)
    config.text_config.num_hidden_layers = 2
    config._attn_implementation = "sdpa"
    return config


@pytest.fixture(scope="module", params=["4B", "8B"])
def shallow(request):
    """A published shape on the meta device, of two layers; a pass never needs two at once."""
    config = two_layers(request.param)
    with META, default_dtype(torch.bfloat16):
        model = ARCHITECTURES[config.model_type](config)
    new_adapter(model, lora_config(LoraSettings(r=16)), "actor")
    model.eval()
    use_packed_attention(model.config.get_text_config())
    return model


def cache_of(model, known, slots, prefixes=None):
    text = model.config.get_text_config()
    kind = {"dtype": torch.bfloat16, "device": META}
    return KeyValueCache(text, known, slots, prefixes=prefixes, **kind)


def run(model, cache, rows, width, start):
    """Run a pass of `width` tokens per row on the meta device."""
    mask = cache.set_write_slots(0, np.full(rows, start), np.full(rows, width))
    ids = torch.zeros(rows, width, dtype=torch.long, device=META)
    return language_states(model, ids, ids.expand(3, -1, -1), None, None, mask, cache)


@torch.inference_mode()
@pytest.mark.parametrize("start", [0, 60_000])
def test_a_pass_of_prefill_takes_what_was_reckoned(shallow, start):
    tokens = 2048
    cache = cache_of(shallow, [()], start + tokens + 1)
    cache._filled[:] = start
    with LiveBytes() as live:
        run(shallow, cache, 1, tokens, start)
    reckoned = prefill_bytes(shallow.config, torch.bfloat16, tokens, start + tokens, 0)
    assert live.peak <= reckoned <= 1.6 * live.peak


@torch.inference_mode()
def test_a_pass_of_decoding_takes_what_was_reckoned(shallow):
    rows, width, prefix, own = 8, 4, 6000, 3000
    text = shallow.config.get_text_config()
    shape = (text.num_hidden_layers, 2, text.num_key_value_heads, prefix, text.head_dim)
    shared = torch.empty(shape, dtype=torch.bfloat16, device=META)
    cache = cache_of(shallow, [()] * rows, own + width + 1, [shared] * rows)
    cache._filled[:] = own
    with LiveBytes() as live:
        run(shallow, cache, rows, width, prefix + own)
    sizes = {"rows": rows, "tokens": rows * width, "keys": prefix + own + width}
    reckoned = decode_bytes(shallow.config, torch.bfloat16, **sizes)
    # its scores: here they are in two parts, and the draw that is reckoned too comes afterwards
    draw = decode_bytes(shallow.config, torch.bfloat16, **sizes | {"keys": 0})
    assert live.peak <= reckoned and reckoned <= max(draw, 3 * live.peak)


@torch.inference_mode()
def test_a_draw_takes_what_was_reckoned():
    config = published_config("8B")
    vocabulary = config.get_text_config().vocab_size
    head = torch.nn.Linear(4096, vocabulary, bias=False, dtype=torch.bfloat16, device=META)
    states = torch.empty(100, 4096, dtype=torch.bfloat16, device=META)
    uniforms = torch.empty(100, dtype=torch.float64, device=META)
    banned = torch.zeros(vocabulary, dtype=torch.bool, device=META)
    with LiveBytes() as live:
        logits = head(states).float() / 0.7
        Sampling(0.7).draw(logits.masked_fill(banned, -1e9).log_softmax(-1), uniforms)
    reckoned = decode_bytes(config, torch.bfloat16, rows=100, tokens=100, keys=0)
    assert live.peak <= reckoned <= 2 * live.peak


@torch.inference_mode()
def test_a_pass_of_the_tower_takes_what_was_reckoned(shallow):
    tower = BatchedTower(shallow.model.visual)
    grid, frames = (28, 28), 5
    hidden, heads = tower.visual.config.hidden_size, tower.visual.config.num_heads
    turned = torch.empty(784, hidden // heads, dtype=torch.bfloat16, device=META)
    place = torch.empty(784, hidden, dtype=torch.bfloat16, device=META)
    tower._positions[grid] = place, turned, turned
    pixels = torch.empty(frames, 448, 448, 3, dtype=torch.uint8, device=META)
    with LiveBytes() as live:
        torch.stack(tower(patchify(pixels).to(torch.bfloat16), grid))
    reckoned = encode_bytes(shallow.config, torch.bfloat16, 784)
    assert live.peak <= reckoned <= 2 * live.peak


def test_weights_are_those_of_the_model(shallow):
    named = dict(shallow.named_parameters())
    lora = sum(p.nbytes for name, p in named.items() if "lora_" in name)
    base = sum(p.nbytes for name, p in named.items() if "lora_" not in name)
    config = two_layers({2560: "4B", 4096: "8B"}[shallow.config.get_text_config().hidden_size])
    assert weight_bytes(config, torch.bfloat16, 16) == (base, lora)
    linear = sum(
        m.base_layer.weight.numel()
        for name, m in shallow.named_modules()
        if hasattr(m, "base_layer") and "language_model" in name
    )
    four, _ = weight_bytes(config, torch.bfloat16, 16, four_bit=True)
    assert base - four == pytest.approx(linear * (2 - pass_memory.FOUR_BIT), rel=1e-6)


def test_keys_and_values_by_hand():
    """Two questions of two rollouts: 8 frames of 4 visual tokens, 3 of them in the overview."""
    config = two_layers("8B")
    shape = RolloutShape(
        slots=3,
        episodes_per_question=2,
        frames=8,
        overview_frames=3,
        frame_size=(64, 64),
        turns=4,
        max_new_tokens=10,
        opening_tokens=100,
        turn_tokens=7,
    )
    found = rollout_bytes(config, shape)
    opening, rest = 100 + 3 * (4 + STAMP_TOKENS), 5 * (4 + STAMP_TOKENS) + 3 * 7 + 4 * 10
    token = 2 * 2 * 8 * 128 * 2
    assert token_bytes(config.get_text_config(), torch.bfloat16) == token
    assert found.states == found.wanted == (2 * opening + 3 * rest) * token
    assert found.block <= 3 * (opening + 1) * token
    assert found.prefixes == 2 * opening * token and found.features == 0
    assert rollout_bytes(config, shape, feature_bytes=5).total == found.total + 5
    held = found.weights + found.adapters + found.states + found.block + found.prefixes
    assert found.total == held + max(found.prefill, found.decode, found.encode)
    lines = str(found).splitlines()
    assert len(lines) == 10 and lines[0].split() == ["weights", "4.1", "GiB"]
    alone = rollout_bytes(config, replace(shape, slots=1), kv_bytes=1)
    assert alone.states == 0 < alone.wanted


@pytest.mark.parametrize(("size", "side_by_side"), [("4B", 12), ("8B", 10)])
def test_64_episodes_of_128_frames_stay_under_80_gib(size, side_by_side):
    """At 448x448, all side by side within the budget, or as many as need nothing twice."""
    config, memory = published_config(size), 80 * GIB
    every = rollout_bytes(config, RolloutShape(slots=64), memory=memory)
    assert every.total < memory < every.wanted, "what does not fit is prefilled again"
    slots = slots_for(config, memory)
    some = rollout_bytes(config, RolloutShape(slots=slots), memory=memory)
    assert slots >= side_by_side and some.total < memory and some.states == some.wanted
    free = memory - some.weights - some.adapters
    assert some.states + some.block <= KV_SHARE * free
    one_more = rollout_bytes(config, RolloutShape(slots=slots + 1), memory=memory)
    assert one_more.states < one_more.wanted


def test_smaller_episodes_and_more_memory_give_more_slots():
    config = published_config("8B")
    base = RolloutShape(slots=256)
    found = slots_for(config, 80 * GIB, base)
    for shape in (replace(base, frame_size=(224, 224)), replace(base, overview_frames=64)):
        assert slots_for(config, 80 * GIB, shape) > found
    assert slots_for(config, 140 * GIB, base) > found
    assert slots_for(config, 80 * GIB, base, four_bit=True) > found
    small = replace(base, slots=6, frames=8, overview_frames=8, frame_size=(64, 64))
    assert slots_for(config, 80 * GIB, small) == 6, "no more than were asked for"


def test_what_cannot_fit_is_refused_in_a_sentence():
    with pytest.raises(ModelError, match=r"one episode needs .* weights\) and does not fit into 2"):
        slots_for(published_config("8B"), 20 * GIB)


def test_a_shape_that_no_rollout_has_is_refused():
    with pytest.raises(ValueError, match="at least one of everything"):
        RolloutShape(slots=0)
    with pytest.raises(ValueError, match="an overview of 0 to 8 frames, got 9"):
        RolloutShape(frames=8, overview_frames=9)


def test_a_gpu_gets_what_fits_into_what_is_free_and_a_cpu_what_was_asked_for(monkeypatch):
    config, shape = published_config("4B"), RolloutShape(slots=40)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (60 * GIB, 90 * GIB))
    assert slots_on(torch.device("cpu"), config, shape) == 40
    found = slots_on(torch.device("cuda:1"), config, shape)
    assert 1 < found == slots_for(config, 60 * GIB, shape) < 40
