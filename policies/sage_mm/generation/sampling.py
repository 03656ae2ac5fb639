"""From log-probs to a token: temperature, top-k, top-p, and the draw."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn.

    The returned log-probs are of the distribution that was drawn from: the softmax at the
    temperature over the ids that may be sampled, and, where `top_k` or `top_p` cut it, of what was
    left of it, scaled to sum to 1. Re-scoring knows the temperature alone: it equals sampling to
    rounding while nothing is cut, and only then. Who trains on samples leaves both off. (A cut
    cannot be repeated exactly: at its edge rounding decides which token is in.)

    Attributes:
        temperature: 0 is greedy: the likeliest token, with its log-prob at temperature 1, uncut.
        top_k: draw among the k likeliest tokens; 0 for all.
        top_p: draw among the fewest likeliest tokens that hold this share of the probability, after
            `top_k`; 1 for all.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no distribution."""
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"expected temperature >= 0, got {self.temperature}")
        if self.top_k < 0 or not 0 < self.top_p <= 1:
            raise ValueError(
                f"expected top_k >= 0 and 0 < top_p <= 1, got {self.top_k} and {self.top_p}"
            )

    @property
    def cuts(self) -> bool:
        """Whether tokens are left out that could be re-scored."""
        return self.temperature > 0 and (self.top_k > 0 or self.top_p < 1)

    def draw(self, logprobs: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """Draw one token per row.

        Args:
            logprobs: float32 `(N, V)`, at the temperature.
            uniforms: float64 `(N,)` in [0, 1).

        Returns:
            the tokens `(N,)`, and their log-probs `(N,)`.
        """
        if self.temperature == 0:
            token = logprobs.argmax(-1)
        else:
            if self.cuts:
                logprobs = cut(logprobs, self.top_k, self.top_p)
            token = inverse_cdf(logprobs, uniforms)
        return token, logprobs.gather(1, token[:, None])[:, 0]


def episode_random(seed: int, name: Hashable) -> np.random.Generator:
    """Return the generator of one episode: the same for the same seed and name, on any machine."""
    digest = hashlib.blake2b(repr(name).encode(), digest_size=8).digest()
    sequence = np.random.SeedSequence([seed, int.from_bytes(digest, "little")])
    return np.random.Generator(np.random.Philox(sequence))


def cut(logprobs: Tensor, top_k: int, top_p: float) -> Tensor:
    """Return the log-probs `(N, V)` of the likeliest tokens among themselves; -inf elsewhere.

    Of equally likely tokens those with smaller ids are kept first.
    """
    ordered, index = logprobs.sort(dim=-1, descending=True, stable=True)
    keep = torch.ones_like(ordered, dtype=torch.bool)
    if top_k > 0:
        keep[:, top_k:] = False
    p = ordered.double().exp() * keep
    p = p / p.sum(-1, keepdim=True)
    keep &= p.cumsum(-1) - p < top_p  # what stands before a kept token holds less than the share
    kept = torch.zeros_like(keep).scatter_(1, index, keep)
    return logprobs.masked_fill(~kept, -torch.inf).log_softmax(-1)


def inverse_cdf(logprobs: Tensor, uniforms: Tensor) -> Tensor:
    """Return the first token of each row whose cumulated probability exceeds the uniform."""
    cumulated = logprobs.double().exp().cumsum(-1)
    total = cumulated[:, -1]
    target = torch.minimum(uniforms * total, total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(cumulated, target[:, None], right=True)[:, 0]
