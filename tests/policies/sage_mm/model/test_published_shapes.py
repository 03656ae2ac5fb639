"""Laws of `policies.sage_mm.model.adapters` and of the KV cache at the published sizes.

Models are on the meta device: all parameters, LoRA targets and cache sizes.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from peft.tuners.tuners_utils import BaseTunerLayer  # noqa: E402

from benchmarks.published_shapes import (  # noqa: E402
    cache_bytes,
    published_config,
    random_model,
)
from policies.sage_mm.generation.kv_cache import KeyValueCache  # noqa: E402
from policies.sage_mm.model.adapters import LoraSettings, lora_config, new_adapter  # noqa: E402

TOTAL = {"2B": 2_127_532_032, "4B": 4_437_815_808, "8B": 8_767_123_696}
"""Parameters of the published checkpoints."""
# layers, hidden, inner, query heads, key-value heads; vision: depth, hidden, inner, DeepStack maps
SHAPE = {
    "4B": (36, 2560, 9728, 32, 8, 24, 1024, 4096, 3),
    "8B": (36, 4096, 12288, 32, 8, 27, 1152, 4304, 3),
}
VOCABULARY, HEAD, PLACES = 151_936, 128, 2304


def linear(name, out, into, bias=True):
    return {f"{name}.weight": (out, into)} | ({f"{name}.bias": (out,)} if bias else {})


def norm(name, size, bias=True):
    return {f"{name}.weight": (size,)} | ({f"{name}.bias": (size,)} if bias else {})


def language(layers, hidden, inner, heads, kv):
    at = "model.language_model"
    named = {f"{at}.embed_tokens.weight": (VOCABULARY, hidden), f"{at}.norm.weight": (hidden,)}
    for i in range(layers):
        layer = f"{at}.layers.{i}"
        named |= norm(f"{layer}.input_layernorm", hidden, False)
        named |= norm(f"{layer}.post_attention_layernorm", hidden, False)
        for name, out, into in [
            ("self_attn.q_proj", heads * HEAD, hidden),
            ("self_attn.k_proj", kv * HEAD, hidden),
            ("self_attn.v_proj", kv * HEAD, hidden),
            ("self_attn.o_proj", hidden, heads * HEAD),
            ("mlp.gate_proj", inner, hidden),
            ("mlp.up_proj", inner, hidden),
            ("mlp.down_proj", hidden, inner),
        ]:
            named |= linear(f"{layer}.{name}", out, into, bias=False)
        named |= norm(f"{layer}.self_attn.q_norm", HEAD, False)
        named |= norm(f"{layer}.self_attn.k_norm", HEAD, False)
    return named


def vision(depth, hidden, inner, maps, out):
    at = "model.visual"
    named = {f"{at}.pos_embed.weight": (PLACES, hidden)}
    named[f"{at}.patch_embed.proj.weight"] = (hidden, 3, 2, 16, 16)
    named[f"{at}.patch_embed.proj.bias"] = (hidden,)
    for i in range(depth):
        block = f"{at}.blocks.{i}"
        named |= norm(f"{block}.norm1", hidden) | norm(f"{block}.norm2", hidden)
        named |= linear(f"{block}.attn.qkv", 3 * hidden, hidden)
        named |= linear(f"{block}.attn.proj", hidden, hidden)
        named |= linear(f"{block}.mlp.linear_fc1", inner, hidden)
        named |= linear(f"{block}.mlp.linear_fc2", hidden, inner)
    mergers = {f"{at}.merger": hidden}
    mergers |= {f"{at}.deepstack_merger_list.{i}": 4 * hidden for i in range(maps)}
    for name, normed in mergers.items():  # DeepStack normalises what is already joined
        named |= norm(f"{name}.norm", normed)
        named |= linear(f"{name}.linear_fc1", 4 * hidden, 4 * hidden)
        named |= linear(f"{name}.linear_fc2", out, 4 * hidden)
    return named


@pytest.fixture(scope="module", params=["4B", "8B"])
def built(request):
    return request.param, random_model(request.param, device="meta")


def test_every_parameter_of_the_published_shapes(built):
    size, model = built
    layers, hidden, inner, heads, kv, depth, width, wide, maps = SHAPE[size]
    expected = language(layers, hidden, inner, heads, kv)
    expected |= vision(depth, width, wide, maps, hidden)
    if size == "8B":  # the smaller ones read words out through the embedding
        expected["lm_head.weight"] = (VOCABULARY, hidden)
    found = {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert found == expected
    assert model.lm_head.weight.shape == (VOCABULARY, hidden)
    assert sum(p.numel() for p in model.parameters()) == TOTAL[size]
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_every_lora_target(built):
    size, model = built
    layers, hidden, inner, heads, kv, *_ = SHAPE[size]
    r = 2
    peft_model = new_adapter(model, lora_config(LoraSettings(r=r)), "actor")
    targets = {n for n, m in model.named_modules() if isinstance(m, BaseTunerLayer)}
    attention, dense = (
        ("q_proj", "k_proj", "v_proj", "o_proj"),
        ("gate_proj", "up_proj", "down_proj"),
    )
    assert targets == {
        f"model.language_model.layers.{i}.{part}.{name}"
        for i in range(layers)
        for part, names in (("self_attn", attention), ("mlp", dense))
        for name in names
    }
    query, value = heads * HEAD, kv * HEAD
    sides = 2 * (query + hidden) + 2 * (value + hidden) + 3 * (inner + hidden)
    lora = {n: p for n, p in peft_model.named_parameters() if ".lora_" in n}
    assert sum(p.numel() for p in lora.values()) == layers * r * sides
    assert {p.dtype for p in lora.values()} == {torch.float32}
    peft_model.unload()


def test_cache_sizes(built):
    size, model = built
    layers, hidden, _, _, kv, _, _, _, maps = SHAPE[size]
    config = model.config
    assert cache_bytes(config, torch.bfloat16, tokens=1) == layers * 2 * kv * HEAD * 2 == 147_456
    seen = cache_bytes(config, torch.bfloat16, visual=49)  # a frame of 224x224
    assert seen == 49 * (1 + maps) * hidden * 2
    cache = KeyValueCache(
        config.get_text_config(),
        [()] * 3,
        slots=1000,
        dtype=torch.bfloat16,
        device=torch.device("meta"),
    )
    assert cache.data.nbytes == 3 * 1000 * cache_bytes(config, torch.bfloat16, tokens=1)


def test_the_other_sizes():
    small = random_model("2B", device="meta")
    assert sum(p.numel() for p in small.parameters()) == TOTAL["2B"]
    moe = random_model("30B-A3B", device="meta")
    assert 30e9 < sum(p.numel() for p in moe.parameters()) < 32e9
    mixed = new_adapter(moe, lora_config(LoraSettings(r=2)), "actor")
    targets = {n for n, m in mixed.named_modules() if isinstance(m, BaseTunerLayer)}
    assert len(targets) == 48 * 4 and all("self_attn" in name for name in targets)
    assert cache_bytes(moe.config, torch.bfloat16, tokens=1) == 48 * 2 * 4 * HEAD * 2
    with pytest.raises(ValueError, match="one of the sizes"):
        published_config("3B")


@pytest.mark.gpu
@pytest.mark.parametrize("size", ["4B", "8B"])
def test_rollout_and_a_training_step_at_full_size(size):
    """Random weights: two episodes of two turns are played, re-scored and trained on."""
    from policies.sage_mm import SageMM
    from policies.sage_mm.model.sage_model import SageModel
    from policies.sage_mm.tokens.chat_tokens import ChatTokens
    from tests.helpers.episodes import as_batch, episode, play
    from tests.helpers.tiny_model import build_tokenizer

    tokens = ChatTokens(build_tokenizer().backend_tokenizer, "full")
    model = SageModel(random_model(size, device="cuda"), tokens, LoraSettings(r=16))
    policy = SageMM(model, max_new_tokens=16)
    policy.reset(seed=0)
    batch = as_batch([play(policy, episode(i, 2), i) for i in range(2)])
    found = policy.evaluate(batch).logprobs
    # bfloat16: the passes turn by turn round differently than the one over the whole episode
    assert (found - batch.old_logprobs.to(found.device)).abs().mean() < 0.1
    optimizer = torch.optim.AdamW(policy.actor_parameters(), lr=1e-5)
    (-found.sum() / batch.sampled.sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in policy.actor_parameters())
    optimizer.step()
    policy.values(batch).sum().backward()
