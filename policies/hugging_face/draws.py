"""Draws of tokens inside `generate`: one number per episode and step decides, whatever the batch.

`generate` samples a batch from one generator, so that what an episode says would depend on the
episodes beside it. Here each step is decided by the episode's own number, and `generate`, told to
be greedy, is left with the one token that was drawn.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LogitsProcessor

from policies.sage_mm.generation.sampling import Sampling


class Draws(LogitsProcessor):
    """Draws the next token of each row, and keeps its log-prob.

    Args:
        sampling: temperature and cuts.
        uniforms: float64 `(B, C)` in [0, 1), one number per row and step.
    """

    def __init__(self, sampling: Sampling, uniforms: Tensor) -> None:
        """Start before the first step."""
        self._sampling, self._uniforms = sampling, uniforms
        self._logprobs: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores that leave one token per row.

        Args:
            input_ids: int64 `(B, L)`, not used.
            scores: `(B, V)`, the logits of the next token.

        Returns:
            the same type and shape: 0 at the token that was drawn, -inf elsewhere.
        """
        logits = scores.float()
        if self._sampling.temperature > 0:
            logits = logits / self._sampling.temperature
        number = self._uniforms[:, len(self._logprobs)]
        token, logprob = self._sampling.draw(logits.log_softmax(-1), number)
        self._logprobs.append(logprob)
        return torch.full_like(scores, -torch.inf).scatter_(1, token[:, None], 0.0)

    @property
    def logprobs(self) -> Tensor:
        """Return the log-probs of all steps so far: float32 `(B, C)` in nats.

        What follows a row's stop token is of no token that the row has.
        """
        return torch.stack(self._logprobs, 1)
