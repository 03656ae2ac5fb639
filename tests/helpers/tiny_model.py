"""A random tiny Qwen3-VL with its tokenizer, written as a checkpoint folder in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeConfig,
    Qwen3VLMoeForConditionalGeneration,
)

SPECIAL = {
    "pad": "<|endoftext|>",
    "im_start": "<|im_start|>",
    "im_end": "<|im_end|>",
    "vision_start": "<|vision_start|>",
    "vision_end": "<|vision_end|>",
    "vision_pad": "<|vision_pad|>",
    "image": "<|image_pad|>",
    "video": "<|video_pad|>",
}
TEXTS = [
    '{"thought": "look for the star", "action": "zoom", "start": 312.0, "end": 340.0}',
    '{"action": "answer", "text": "blue"} turns left 9, frames left 112. <12.5 seconds>',
    "user\nvideo 600.0 seconds. What colour is the star?\nassistant\nred, green, blue, yellow",
]
QWEN_LAYOUT = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}"
    "{% else %}{{ '<|vision_start|><|video_pad|><|vision_end|>' }}{% endif %}{% endfor %}"
    "{% endif %}"
    "{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def build_tokenizer(vocab: int = 400) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE of Qwen's kind on three sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=SPECIAL["im_end"],
        pad_token=SPECIAL["pad"],
        extra_special_tokens={
            "image_token": SPECIAL["image"],
            "video_token": SPECIAL["video"],
            "vision_start_token": SPECIAL["vision_start"],
            "vision_end_token": SPECIAL["vision_end"],
        },
        padding_side="left",
    )


def build_config(
    tokenizer: PreTrainedTokenizerFast,
    hidden: int = 64,
    layers: int = 3,
    vocab: int | None = None,
    experts: int = 0,
) -> Qwen3VLConfig | Qwen3VLMoeConfig:
    """Every part of the architecture, as small as it goes; with experts, a mixture of them."""
    index = {name: tokenizer.convert_tokens_to_ids(token) for name, token in SPECIAL.items()}
    half = hidden // 4 // 2
    text = dict(
        vocab_size=vocab or len(tokenizer) + 8,
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=hidden // 4,
        max_position_embeddings=32768,
        rope_parameters=dict(
            rope_type="default",
            rope_theta=10000.0,
            mrope_section=[half - 2 * (half // 3), half // 3, half // 3],
            mrope_interleaved=True,
        ),
        pad_token_id=index["pad"],
        eos_token_id=index["im_end"],
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    vision = dict(
        depth=4,
        hidden_size=64,
        intermediate_size=128,
        num_heads=4,
        patch_size=16,
        spatial_merge_size=2,
        temporal_patch_size=2,
        out_hidden_size=hidden,
        num_position_embeddings=256,
        deepstack_visual_indexes=[0, 1, 2],  # three maps, as the published models have
    )
    if experts:
        text |= dict(num_experts=experts, num_experts_per_tok=2, moe_intermediate_size=hidden)
    return (Qwen3VLMoeConfig if experts else Qwen3VLConfig)(
        text_config=text,
        vision_config=vision,
        image_token_id=index["image"],
        video_token_id=index["video"],
        vision_start_token_id=index["vision_start"],
        vision_end_token_id=index["vision_end"],
        tie_word_embeddings=True,
    )


def write_tiny_model(
    folder: Path,
    *,
    style: str = "brief",
    seed: int = 0,
    template: str | None = None,
    **sizes: int,
) -> Path:
    """Write model, tokenizer and prompt style to a folder that `SageMM.load` reads.

    Weights are larger than usual, so that frames, positions and adapters make a difference to the
    logits that a test can see, and that of the stop token more so: now it is likely, now it is not.
    """
    tokenizer = build_tokenizer()
    tokenizer.chat_template = template
    config = build_config(tokenizer, **sizes)
    kind = (
        Qwen3VLMoeForConditionalGeneration
        if isinstance(config, Qwen3VLMoeConfig)
        else Qwen3VLForConditionalGeneration
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.1)
        with torch.no_grad():
            model.lm_head.weight[tokenizer.eos_token_id] *= 8
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "sage_mm.json").write_text(json.dumps({"prompt": style}))
    return folder
