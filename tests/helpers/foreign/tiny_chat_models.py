"""Random tiny models of foreign families with their own processors, written in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    Gemma3TextConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipVisionConfig,
)

from sage_env.actions.grammar_text import JSON_INSTRUCTIONS

TEXTS = [
    JSON_INSTRUCTIONS,  # so that a prompt has a few hundred tokens
    '{"thought": "look", "action": "answer", "text": "a"} <12.5 seconds> Question: which? Choices:',
    "USER: ASSISTANT: turns left 9, frames left 112. picture 1",
]
# The layout of llava-1.5-hf: no system role (here it is refused, as Gemma's first templates do),
# and a message's pictures come before its texts.
PICTURES_FIRST = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{{ m.role.upper() + ': ' }}"
    "{% for part in m.content if part.type == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in m.content if part.type == 'text' %}{{ part.text }}{% endfor %}"
    "{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
# The layout of Idefics 3 and SmolVLM: parts in their places.
IN_PLACE = (
    "<|im_start|>{% for m in messages %}{{ m.role.capitalize() + ':' }}"
    "{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% else %}{{ '<image>' }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
PLAIN_REPLIES = (  # content of system and assistant is a text, as in templates made from a text's
    "{% for m in messages %}{{ m.role + ': ' }}"
    "{% if m.role == 'user' %}{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% else %}{{ '<image>' }}{% endif %}{% endfor %}"
    "{% else %}{{ m.content + '' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: <think>\n' }}{% endif %}"
)
BLIND = PICTURES_FIRST.replace("<image>\n", "")


def write_llava(
    folder: Path, *, template: str | None = PICTURES_FIRST, context: int = 8192
) -> Path:
    """Write a LLaVA: a CLIP tower that sees 28 x 28 pixels as four tokens, and a Llama.

    Args:
        folder: to write.
        template: its chat template; `None` for none.
        context: tokens of the model.
    """
    tokenizer = _tokenizer(["<pad>", "<s>", "</s>", "<image>"], bos="<s>", eos="</s>")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            **sizes, num_attention_heads=2, image_size=28, patch_size=14, projection_dim=32
        ),
        text_config=_llama(tokenizer, context),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    return _write(folder, LlavaForConditionalGeneration, config, processor)


def write_gemma3(folder: Path, *, context: int = 8192) -> Path:
    """Write a Gemma 3: a SigLIP tower that sees 28 x 28 pixels as four tokens, and a Gemma.

    Its language model attends within windows in every other layer, and to a picture as a whole.

    Args:
        folder: to write.
        context: tokens of the model.
    """
    named = {"image_token": "<soft>", "boi_token": "<image>", "eoi_token": "</image>"}
    special = ["<pad>", "<|im_start|>", "<end_of_utterance>", *named.values()]
    tokenizer = _tokenizer(special, bos="<|im_start|>", eos="<end_of_utterance>", named=named)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = Gemma3Config(
        vision_config=SiglipVisionConfig(
            **sizes, num_attention_heads=2, image_size=28, patch_size=14
        ),
        text_config=Gemma3TextConfig(
            **sizes,
            vocab_size=len(tokenizer) + 8,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            query_pre_attn_scalar=16,
            sliding_window=64,
            layer_types=["sliding_attention", "full_attention"],
            max_position_embeddings=context,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ),
        mm_tokens_per_image=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<soft>"),
        boi_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("</image>"),
    )
    processor = Gemma3Processor(
        Gemma3ImageProcessorPil(size={"height": 28, "width": 28}),
        tokenizer,
        image_seq_length=4,
        chat_template=IN_PLACE,
    )
    return _write(folder, Gemma3ForConditionalGeneration, config, processor)


def write_idefics3(folder: Path, *, template: str = IN_PLACE, context: int = 8192) -> Path:
    """Write an Idefics 3: a tower that sees 32 x 32 pixels as four tokens, and a Llama.

    Args:
        folder: to write.
        template: its chat template.
        context: tokens of the model.
    """
    special = ["<pad>", "<|im_start|>", "<end_of_utterance>", "<image>"]
    special += ["<fake_token_around_image>", "<global-img>"]
    tokenizer = _tokenizer(special, bos="<|im_start|>", eos="<end_of_utterance>")
    config = Idefics3Config(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        text_config=_llama(tokenizer, context),
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    processor = Idefics3Processor(
        Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32}),
        tokenizer,
        image_seq_len=4,
        chat_template=template,
    )
    return _write(folder, Idefics3ForConditionalGeneration, config, processor)


def _tokenizer(
    special: Sequence[str], *, bos: str, eos: str, named: Mapping[str, str] | None = None
) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on few texts; `special` begins with the padding."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=special[0],
        bos_token=bos,
        eos_token=eos,
        extra_special_tokens=dict(named or {"image_token": "<image>"}),
    )


def _llama(tokenizer: PreTrainedTokenizerFast, context: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer) + 8,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=context,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def _write(folder: Path, kind: Any, config: Any, processor: Any) -> Path:
    """Write a model with weights so large that its pictures and places make a difference."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = kind(config)
        for parameter in network.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.25)
    tokenizer = processor.tokenizer
    network.generation_config.eos_token_id = tokenizer.eos_token_id
    network.generation_config.pad_token_id = tokenizer.pad_token_id
    network.generation_config.repetition_penalty = 1.3  # as some checkpoints have one
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
