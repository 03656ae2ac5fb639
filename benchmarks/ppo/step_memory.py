"""Memory of actor, critic and reference at the shape of Qwen3-VL-4B: bytes on the meta device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from policies.sage_mm.model.sage_model import SHIPPED, CriticKind, LoraSettings, SageModel
from policies.sage_mm.tokens.chat_tokens import ChatTokens

HIDDEN = 2560
PARTS = ("one model", "actor", "critic", "gradients", "Adam")


class MemoryCase(NamedTuple):
    """One choice of adapters.

    Attributes:
        name: in the table.
        rank: of LoRA, for actor and critic.
        critic: a head on the frozen base, or an adapter of its own.
    """

    name: str
    rank: int
    critic: CriticKind


CASES = (
    MemoryCase("rank 16, critic a head (default)", 16, "head"),
    MemoryCase("rank 16, critic an adapter", 16, "adapter"),
    MemoryCase("rank 32, critic a head", 32, "head"),
    MemoryCase("rank 32, critic an adapter", 32, "adapter"),
)


def config_4b() -> Qwen3VLConfig:
    """Return a configuration with the sizes of Qwen3-VL-4B."""
    text = {
        "vocab_size": 151936,
        "hidden_size": HIDDEN,
        "intermediate_size": 9728,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "tie_word_embeddings": True,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5e6,
            "mrope_section": [24, 20, 20],
            "mrope_interleaved": True,
        },
    }
    vision = {
        "depth": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "out_hidden_size": HIDDEN,
        "deepstack_visual_indexes": [5, 11, 17],
    }
    return Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True)


def size(parameters: Iterable[Tensor]) -> int:
    """Return the bytes of tensors; one that is listed twice counts once."""
    return sum({id(p): p.nbytes for p in parameters}.values())


def memory(case: MemoryCase) -> dict[str, int]:
    """Return the bytes of each of `PARTS`: the base in bf16, trained weights in float32.

    One base serves the actor, the critic and, with its adapters off, the reference.
    """
    with torch.device("meta"):
        base: Any = Qwen3VLForConditionalGeneration(config_4b())
        base = base.to(torch.bfloat16)
        one = size(base.parameters())
        # The shipped tokenizer stands in for Qwen's: token ids have no influence on sizes.
        tokens = ChatTokens(Tokenizer.from_file(str(SHIPPED / "tokenizer.json")))
        # The encoder hashes its weights for the keys of frames; on the meta device there are none.
        with patch("policies.sage_mm.vision.frame_encoder._weights_hash", lambda _: b""):
            model = SageModel(base, tokens, LoraSettings(r=case.rank), case.critic)
    actor, critic = model.actor_parameters(), model.critic_parameters()
    for parameter in (*actor, *critic):
        parameter.data = parameter.data.float()
    trained = size([*actor, *critic])
    sizes = (one, size(actor), size(critic), trained, 2 * trained)
    return dict(zip(PARTS, sizes, strict=True))
