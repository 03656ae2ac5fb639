"""From hidden states to drawn tokens on the host: in parts that fit into memory, in one copy."""

from __future__ import annotations

import torch
from torch import Tensor

from policies.sage_mm.generation.sampling import Sampling, entropy_of
from policies.sage_mm.model.sage_model import SageModel

DRAW_ENTRIES = 1 << 25
"""Log-probs, tokens times vocabulary, that are made at once."""
DRAW_BYTES = 44
"""Bytes of a draw for each of them, by its tensors: logits in the model's dtype and as float32,
divided, masked, and as log-probs (4 each); as doubles, exponentials and sums (8 each). So a draw
takes 1.4 GiB at most: 220 tokens of a vocabulary of 151,936. The small model's never come to it."""


def draw_tokens(
    model: SageModel,
    states: Tensor,
    uniforms: Tensor,
    sampling: Sampling,
    allowed: Tensor | None = None,
) -> tuple[list[list[int]], list[list[float]], list[list[float]]]:
    """Draw a token after every hidden state.

    Args:
        model: the network.
        states: `(b, w, hidden)`.
        uniforms: float64 `(b, w)` in [0, 1), on the device of the model.
        sampling: how a token is drawn.
        allowed: bool `(b * w, V)`, what a grammar allows; `None` for everything.

    Returns:
        token ids, their log-probs in nats, and the entropies in nats of the distributions that they
        were drawn from, `(b, w)` each.
    """
    count, width = states.shape[:2]
    states, uniforms = states.flatten(0, 1), uniforms.flatten()
    at_once = max(1, DRAW_ENTRIES // int(model.base.lm_head.out_features))
    drawn: list[Tensor] = []
    for at in range(0, len(states), at_once):
        part = slice(at, at + at_once)
        legal = None if allowed is None else allowed[part]
        scores = model.log_probs(states[part], sampling.temperature, legal)
        kept = sampling.kept(scores)
        found = *sampling.pick(kept, uniforms[part]), entropy_of(kept)
        # All in one tensor, because a copy to the host waits for the device: a double holds each
        # exactly.
        drawn.append(torch.stack([x.double() for x in found]))
    tokens, logprobs, entropies = torch.cat(drawn, 1).view(3, count, width).tolist()
    return [[int(token) for token in row] for row in tokens], logprobs, entropies
