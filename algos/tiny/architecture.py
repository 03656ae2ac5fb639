"""The shape of `sage-mm-tiny`: Qwen3-VL in small, with its own tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from sage_env.storage.atomic_file import atomic_files

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
VOCABULARY = 640
"""Rows of the embedding, and most tokens that are learned.

The texts of the recipe yield 537: 8 special ones, 256 bytes and 273 merges, then no pair is left.
The other rows leave room for texts with more words, at 128 weights each. Revisit when a recipe's
tokenizer comes near 640."""
ROPE_THETA = 10000.0
"""Base of the rotary position embeddings, as in the paper (arXiv 2104.09864, section 3.2.2).

Qwen3-VL has 5,000,000, for contexts of 256k tokens. An episode here stays near a thousand (48
frames of about ten tokens, five replies), over which a larger base would leave more of the 32
dimensions all but constant. Not measured: revisit with longer contexts."""
# Normalised queries and keys of 32 dimensions reach a score of sqrt(32) = 5.7 at most: not enough
# to single out one token of hundreds. Their gains start higher: 1.7 on both sides allows 16.
ATTENTION_GAIN = 1.7
# What layers add starts small beside the embeddings, so that a token's identity survives to the
# output and can be copied. Revisit with another depth: the sum over layers is what must stay small.
OUTPUT_SCALE = 0.05
# Words with their leading space, a decimal with its point, single digits, the rest in runs: the
# punctuation between the keys of an action is one token, and times are spelled digit by digit.
# (Three digits per token were tried: a thousand rare tokens are harder to copy than ten common.)
_SPLIT = r" seconds>| ?\p{L}+|\.\p{N}|\p{N}|[^\p{L}\p{N}]+"
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}"
    "{% if part.type == 'text' %}{{ part.text }}"
    "{% else %}<|vision_start|><|video_pad|><|vision_end|>{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer with Qwen's special tokens on the given texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast: Any = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        extra_special_tokens={
            "image_token": "<|image_pad|>",
            "video_token": "<|video_pad|>",
            "vision_start_token": "<|vision_start|>",
            "vision_end_token": "<|vision_end|>",
        },
    )
    fast.chat_template = _CHAT
    tokenizer_of_qwen: PreTrainedTokenizerFast = fast
    return tokenizer_of_qwen


def make_config(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLConfig:
    """Return the configuration: 5 layers of width 128, a tower of depth 3, one DeepStack map.

    A frame of 64x64 pixels is one visual token: its 4x4 patches are merged.
    """
    ids: Any = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": VOCABULARY,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 5,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 32,
        "max_position_embeddings": 32768,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": ROPE_THETA,
            "mrope_section": [6, 5, 5],
            "mrope_interleaved": True,
        },
        "pad_token_id": ids("<|endoftext|>"),
        "bos_token_id": None,
        "eos_token_id": ids("<|im_end|>"),
        "tie_word_embeddings": True,
    }
    vision = {
        "depth": 3,
        "hidden_size": 96,
        "intermediate_size": 256,
        "num_heads": 4,
        "patch_size": 16,
        "spatial_merge_size": 4,
        "temporal_patch_size": 2,
        "out_hidden_size": 128,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [1],
    }
    return Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )


def build_model(config: Qwen3VLConfig, seed: int) -> Qwen3VLForConditionalGeneration:
    """Return a model with fresh weights, scaled for its small width."""
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(config)
    for name, weight in model.named_parameters():
        if "visual.pos_embed" in name:
            nn.init.normal_(weight, std=0.3)
        elif "embed_tokens" in name:
            nn.init.normal_(weight, std=0.1)
        elif "language_model" in name and name.endswith(("q_norm.weight", "k_norm.weight")):
            nn.init.constant_(weight, ATTENTION_GAIN)
        elif weight.ndim in (2, 5):
            adds = "language_model" in name and name.endswith(("o_proj.weight", "down_proj.weight"))
            std = weight[0].numel() ** -0.5 * (OUTPUT_SCALE if adds else 1.0)
            nn.init.normal_(weight, std=std)
    text: Any = config.text_config
    model.generation_config.pad_token_id = text.pad_token_id
    model.generation_config.eos_token_id = text.eos_token_id
    return model


def save_checkpoint(
    model: Qwen3VLForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    env_options: Mapping[str, Any],
) -> None:
    """Write a folder that `SageMM.load` and transformers' Auto classes read, in bfloat16.

    The tower's weights must be rounded to bfloat16 before the language model is trained on their
    features, or the shipped model would see other features than the trained one.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        folder: made when missing.
        env_options: what environments are made with for this model.
    """
    tensors = {name: tensor.bfloat16() for name, tensor in model.state_dict().items()}
    settings = {"prompt": "brief", "env": dict(env_options)}
    with atomic_files(folder) as partial:
        model.save_pretrained(partial, state_dict=tensors)
        tokenizer.save_pretrained(partial)
        (partial / "sage_mm.json").write_text(json.dumps(settings, indent=1) + "\n")
