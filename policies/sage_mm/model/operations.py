"""Floating-point operations of a language model's tokens, and what devices can do at most.

A multiplication and an addition count as two. Per token, a pass forward takes 2 operations per
weight of the matrices that it goes through (the embedding is a look-up), and 4 L d h for attention
over L tokens with h heads of size d, halved where a token looks back only. Backward through a
frozen base takes as much again, for the gradient of the inputs; LoRA's own matrices, 1 % of that,
are left out, and so is what activation checkpointing computes again: model operations, not
hardware's (PaLM, arXiv 2204.02311, appendix B).
"""

from __future__ import annotations

from typing import Any

BANDWIDTHS = {
    "H200": 4.8e12,
    "H100 NVL": 3.9e12,
    "H100 PCIe": 2.0e12,
    "H100": 3.35e12,
    "A100": 2.0e12,
    "L40S": 0.864e12,
    "RTX 4090": 1.008e12,
}
"""Bytes per second between memory and device, from the makers' data sheets."""
PEAKS = {
    "H200": 989e12,
    "H100 NVL": 835e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
}
"""Dense bfloat16 operations per second, from the makers' data sheets, by a part of the name."""


def weights(text: Any) -> int:
    """Return the weights of a dense text configuration that a token is multiplied with.

    All matrices of the layers, and the output layer; of a mixture of experts those in use.
    """
    hidden, heads = text.hidden_size, text.num_attention_heads
    width = text.head_dim
    attention = hidden * width * (2 * heads + 2 * text.num_key_value_heads)
    if getattr(text, "num_experts", 0):
        feed = 3 * hidden * text.moe_intermediate_size * text.num_experts_per_tok
        feed += hidden * text.num_experts  # the router
    else:
        feed = 3 * hidden * text.intermediate_size
    return int(text.num_hidden_layers * (attention + feed) + hidden * text.vocab_size)


def forward(text: Any, tokens: float, length: float) -> float:
    """Return the operations of a pass over tokens of causal sequences.

    Args:
        text: the text configuration.
        tokens: that are computed.
        length: of a sequence, in tokens.
    """
    looks = 4 * length * text.head_dim * text.num_attention_heads / 2
    return float(tokens * (2 * weights(text) + text.num_hidden_layers * looks))


def trained(text: Any, tokens: float, length: float) -> float:
    """Return the operations of a pass forward and backward over a frozen base; see `forward`."""
    return 2 * forward(text, tokens, length)


def peak(name: str) -> float | None:
    """Return the dense bfloat16 operations per second of a device; `None` where it is not known."""
    return next((value for part, value in PEAKS.items() if part in name), None)


def bandwidth(name: str) -> float | None:
    """Return the bytes per second of a device's memory; `None` where that is not known."""
    return next((value for part, value in BANDWIDTHS.items() if part in name), None)
