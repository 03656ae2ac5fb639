"""A random tiny Qwen2.5-VL with its tokenizer, written as a checkpoint folder in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from tests.helpers.tiny_model import SPECIAL, build_tokenizer


def write_tiny_qwen2_5(folder: Path, *, style: str = "brief", sliding: bool = False) -> Path:
    """Write a model whose tower has two layers with windows of 4 x 4 patches and one without.

    Args:
        folder: to write.
        style: of the prompt.
        sliding: whether its language model attends within windows.
    """
    tokenizer = build_tokenizer()
    index = {name: tokenizer.convert_tokens_to_ids(token) for name, token in SPECIAL.items()}
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer) + 8,
            "hidden_size": 64,
            "intermediate_size": 192,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 32768,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 3, 3],
            },
            "use_sliding_window": sliding,
            "sliding_window": 8 if sliding else None,
            "max_window_layers": 0 if sliding else 3,
            "pad_token_id": index["pad"],
            "eos_token_id": index["im_end"],
            "bos_token_id": None,
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": 3,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 4,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 56,
            "fullatt_block_indexes": [1],
            "out_hidden_size": 64,
            "tokens_per_second": 4,
        },
        image_token_id=index["image"],
        video_token_id=index["video"],
        vision_start_token_id=index["vision_start"],
        vision_end_token_id=index["vision_end"],
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Qwen2_5_VLForConditionalGeneration(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.1)
            elif parameter.ndim == 1 and float(parameter.detach().abs().max()) == 0:  # biases
                torch.nn.init.normal_(parameter, std=0.1)
        with torch.no_grad():
            model.lm_head.weight[tokenizer.eos_token_id] *= 8
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "sage_mm.json").write_text(json.dumps({"prompt": style}))
    return folder
