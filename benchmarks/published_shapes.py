"""The shapes of the published Qwen3-VL checkpoints, without their weights.

They are those of the `config.json` of `Qwen/Qwen3-VL-2B-Instruct`, `-4B-`, `-8B-` and
`-30B-A3B-Instruct` on the Hugging Face hub (arXiv 2511.21631).
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from transformers import Qwen3VLConfig, Qwen3VLMoeConfig

from policies.sage_mm.model.default_dtype import default_dtype
from policies.sage_mm.model.pretrained import ARCHITECTURES

Size = Literal["2B", "4B", "8B", "30B-A3B"]

_ROPE = {
    "rope_type": "default",
    "rope_theta": 5_000_000.0,
    "mrope_section": [24, 20, 20],
    "mrope_interleaved": True,
}
_TEXT: dict[str, Any] = {
    "vocab_size": 151_936,
    "head_dim": 128,
    "max_position_embeddings": 262_144,
    "rms_norm_eps": 1e-6,
    "rope_parameters": _ROPE,
    "bos_token_id": 151_643,
    "eos_token_id": 151_645,
}
_TEXTS: dict[Size, dict[str, Any]] = {
    "2B": dict(
        hidden_size=2048,
        intermediate_size=6144,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
    ),
    "4B": dict(
        hidden_size=2560,
        intermediate_size=9728,
        num_hidden_layers=36,
        num_attention_heads=32,
        num_key_value_heads=8,
    ),
    "8B": dict(
        hidden_size=4096,
        intermediate_size=12_288,
        num_hidden_layers=36,
        num_attention_heads=32,
        num_key_value_heads=8,
    ),
    "30B-A3B": dict(
        hidden_size=2048,
        intermediate_size=6144,
        num_hidden_layers=48,
        num_attention_heads=32,
        num_key_value_heads=4,
        num_experts=128,
        num_experts_per_tok=8,
        moe_intermediate_size=768,
        decoder_sparse_step=1,
        norm_topk_prob=True,
        mlp_only_layers=[],
    ),
}
_SMALL_TOWER = dict(
    depth=24,
    hidden_size=1024,
    intermediate_size=4096,
    num_heads=16,
    deepstack_visual_indexes=[5, 11, 17],
)
_LARGE_TOWER = dict(
    depth=27,
    hidden_size=1152,
    intermediate_size=4304,
    num_heads=16,
    deepstack_visual_indexes=[8, 16, 24],
)
_TIED: frozenset[Size] = frozenset({"2B", "4B"})
"""Sizes whose output layer is the embedding; they have the smaller vision tower as well."""


def published_config(size: Size) -> Qwen3VLConfig | Qwen3VLMoeConfig:
    """Return the configuration of the published checkpoint of that size.

    Raises:
        ValueError: if there is none.
    """
    if size not in _TEXTS:
        raise ValueError(f"expected one of the sizes {list(_TEXTS)}, got {size!r}")
    text, tied = _TEXT | _TEXTS[size], size in _TIED
    vision = (_SMALL_TOWER if tied else _LARGE_TOWER) | {
        "out_hidden_size": text["hidden_size"],
        "hidden_act": "gelu_pytorch_tanh",
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "num_position_embeddings": 2304,
    }
    kind: Any = Qwen3VLMoeConfig if "num_experts" in text else Qwen3VLConfig
    config: Qwen3VLConfig | Qwen3VLMoeConfig = kind(
        text_config=text | {"tie_word_embeddings": tied},
        vision_config=vision,
        image_token_id=151_655,
        video_token_id=151_656,
        vision_start_token_id=151_652,
        vision_end_token_id=151_653,
        tie_word_embeddings=tied,
    )
    return config


def random_model(
    size: Size, *, device: str | torch.device, dtype: torch.dtype = torch.bfloat16, seed: int = 0
) -> Any:
    """Return a model of a published shape with random weights; on `meta` it takes no memory."""
    config = published_config(size)
    config._attn_implementation = "sdpa"
    place = torch.device(device)
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        with place, default_dtype(dtype):
            return ARCHITECTURES[config.model_type](config)


def cache_bytes(config: Any, dtype: torch.dtype, *, tokens: int = 0, visual: int = 0) -> int:
    """Return how many bytes a sequence takes beside the weights.

    A token has a key and a value per layer and key-value head; a visual token has one vector that
    it is embedded as, and one per DeepStack map (arXiv 2406.04334).

    Args:
        config: of a Qwen3-VL checkpoint.
        dtype: of keys, values and features.
        tokens: whose keys and values are held.
        visual: visual tokens whose features are held.
    """
    text = config.get_text_config()
    per_token = text.num_hidden_layers * 2 * text.num_key_value_heads * text.head_dim
    maps = 1 + len(config.vision_config.deepstack_visual_indexes)
    return int((tokens * per_token + visual * maps * text.hidden_size) * dtype.itemsize)
