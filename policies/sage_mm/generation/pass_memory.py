"""Bytes of weights, and of what a pass holds for a moment, from a configuration alone.

Weights are counted on the meta device. Passes are formulas above what their tensors sum to: a pass
holds what one layer needs at its fullest moment, because nothing is kept for a backward pass.
"""

from __future__ import annotations

from typing import Any

import torch

from policies.sage_mm.generation.token_draw import DRAW_BYTES, DRAW_ENTRIES
from policies.sage_mm.model.default_dtype import default_dtype
from policies.sage_mm.model.pretrained import ARCHITECTURES
from policies.sage_mm.vision.frame_encoder import GPU_PATCHES

FOUR_BIT = 0.52
"""Bytes of a weight in NF4 with double quantisation (QLoRA, arXiv 2305.14314, section 3)."""
_SINGLE = 4  # bytes of a float32


def weight_bytes(
    config: Any, dtype: torch.dtype, lora_rank: int, *, four_bit: bool = False
) -> tuple[int, int]:
    """Return the bytes of a checkpoint, and those of one adapter on its language model, float32.

    Args:
        config: of a Qwen3-VL checkpoint.
        dtype: of the weights.
        lora_rank: of an adapter on every linear layer of the language model.
        four_bit: whether these layers are held in 4 bits.
    """
    with torch.device("meta"), default_dtype(dtype):
        model = ARCHITECTURES[config.model_type](config)
    linear = [m for m in model.model.language_model.modules() if isinstance(m, torch.nn.Linear)]
    total = sum(p.numel() for p in model.parameters()) * dtype.itemsize
    if four_bit:
        total -= sum(int(m.weight.numel() * (dtype.itemsize - FOUR_BIT)) for m in linear)
    adapter = sum(lora_rank * (m.in_features + m.out_features) for m in linear)
    return total, adapter * _SINGLE


def prefill_bytes(config: Any, dtype: torch.dtype, tokens: int, keys: int, visual: int) -> int:
    """Return what a pass of prefill holds for a moment.

    The adapters are float32: under a base of another dtype a layer's output is there in float32
    three times (the adapter's, scaled, and the sum), beside the base's own. A mixture of experts
    computes as many inner activations as experts are asked.

    Args:
        config: of the checkpoint.
        dtype: of the model.
        tokens: of the pass, padding included.
        keys: that its longest row may look at, the row's own tokens included.
        visual: visual tokens among them.
    """
    text, size = config.get_text_config(), dtype.itemsize
    hidden, queries = text.hidden_size, text.num_attention_heads * text.head_dim
    inner = text.intermediate_size
    if getattr(text, "num_experts", 0):
        inner = max(inner, text.num_experts_per_tok * text.moe_intermediate_size)
    mixed = 0 if size == _SINGLE else 3 * _SINGLE
    stream = tokens * hidden * (4 * size + _SINGLE)  # residuals, and the norm in float32
    network = tokens * inner * (3 * size + mixed)
    attention = tokens * queries * (5 * size + mixed)  # queries, keys, values, output, rotated
    # keys and values for every head, because kernels that take a mask take no groups; the mask
    # itself as booleans, as numbers, and once more where its width is no multiple of eight
    attention += keys * queries * 2 * size + tokens * keys * (1 + 2 * size)
    maps = 1 + len(config.vision_config.deepstack_visual_indexes)
    features = 2 * visual * hidden * maps * size  # as they come from the cache, and as a copy
    return int(stream + max(network, attention) + features)


def decode_bytes(config: Any, dtype: torch.dtype, *, rows: int, tokens: int, keys: int) -> int:
    """Return what a pass of decoding and the draw after it hold for a moment.

    Args:
        config: of the checkpoint.
        dtype: of the model.
        rows: sequences of the batch.
        tokens: of the pass, drafts included.
        keys: that its longest row may look at.
    """
    text = config.get_text_config()
    scores = 3 * tokens * text.num_attention_heads * keys * _SINGLE
    mask = tokens * text.num_attention_heads * keys * dtype.itemsize
    layer = prefill_bytes(config, dtype, tokens, 0, 0)
    entries = min(max(DRAW_ENTRIES, text.vocab_size), tokens * text.vocab_size)
    states = rows * text.hidden_size * dtype.itemsize
    return int(states + max(scores + mask + layer, entries * DRAW_BYTES))


def encode_bytes(config: Any, dtype: torch.dtype, patches: int) -> int:
    """Return what a pass of the vision tower holds for a moment.

    Args:
        config: of the checkpoint.
        dtype: of the tower.
        patches: of one frame; a pass has whole frames, about `GPU_PATCHES` patches.
    """
    vision, size = config.vision_config, dtype.itemsize
    rows = max(patches, GPU_PATCHES // patches * patches)
    pixels = 3 * vision.temporal_patch_size * vision.patch_size**2
    maps = 1 + len(vision.deepstack_visual_indexes)
    block = vision.hidden_size * 10 + vision.intermediate_size * 2
    merged = maps * vision.out_hidden_size // vision.spatial_merge_size**2
    return int(rows * (pixels * (2 * _SINGLE + size) + size * (block + 2 * merged)))
