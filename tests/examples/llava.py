"""A LLaVA of a few thousand random weights: a model and a processor that need no download."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

import policies

SIZE, PATCH = 32, 16
TOKENS_PER_IMAGE = (SIZE // PATCH) ** 2
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% else %}<|image_pad|>{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_llava(folder: Path) -> Path:
    """Write it; the tokenizer is that of the tiny model that comes with the project."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(Path(policies.__file__).parent / "sage_mm_tiny")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**SMALL, image_size=SIZE, patch_size=PATCH),
        text_config=LlamaConfig(
            **SMALL,
            vocab_size=len(tokenizer),
            max_position_embeddings=8192,
            eos_token_id=tokenizer.eos_token_id,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids(tokenizer.image_token),
        image_seq_length=TOKENS_PER_IMAGE,
        vision_feature_layer=-1,
    )
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    square = {"height": SIZE, "width": SIZE}
    LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": SIZE}, crop_size=square),
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    return folder
