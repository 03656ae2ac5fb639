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
    """Settings of sampling: temperature, top-k (arXiv 1805.04833) and top-p (arXiv 1904.09751).

    The returned log-probs are of the distribution that was drawn from: the softmax at the
    temperature over the ids that may be sampled and, where `top_k` or `top_p` cut it, the rest of
    it scaled to sum to 1. Re-scoring knows the temperature alone, so that it equals sampling to
    rounding only while nothing is cut: leave both off to train on what is sampled. (A cut cannot be
    repeated exactly, because at its edge rounding decides which token is in.)

    Attributes:
        temperature: 0 is greedy: the likeliest token, with its log-prob at temperature 1, uncut.
            Otherwise logits are divided by it before the softmax.
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
            logprobs: float32 `(N, V)` in nats, at the temperature.
            uniforms: float64 `(N,)` in [0, 1); not used when greedy.

        Returns:
            the tokens int64 `(N,)`, and their log-probs float32 `(N,)` in nats.
        """
        return self.pick(self.kept(logprobs), uniforms)

    def kept(self, logprobs: Tensor) -> Tensor:
        """Return the distribution that is drawn from, float32 `(N, V)`; `draw` does so itself."""
        return cut(logprobs, self.top_k, self.top_p) if self.cuts else logprobs

    def pick(self, kept: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """Draw one token per row of what `kept` returned, float32 `(N, V)`; else as `draw`.

        The uniforms are float64 `(N,)`; tokens int64 `(N,)` and log-probs float32 `(N,)` come back.
        """
        token = kept.argmax(-1) if self.temperature == 0 else inverse_cdf(kept, uniforms)
        return token, kept.gather(1, token[:, None])[:, 0]


def policy_seed(seed: int | None) -> int:
    """Return 64 bits for `episode_random` from the seed of `reset`; `None` takes fresh entropy."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])


def episode_random(seed: int, name: Hashable) -> np.random.Generator:
    """Return the random generator of one episode: the same on any machine, in any batch.

    Philox is counter-based and NumPy promises its stream; `repr` of the name is hashed because
    `hash` of a string differs from process to process.

    Args:
        seed: from `policy_seed`.
        name: of the episode; names that print alike have the same generator.
    """
    digest = hashlib.blake2b(repr(name).encode(), digest_size=8).digest()
    sequence = np.random.SeedSequence([seed, int.from_bytes(digest, "little")])
    return np.random.Generator(np.random.Philox(sequence))


def cut(logprobs: Tensor, top_k: int, top_p: float) -> Tensor:
    """Keep the likeliest tokens and scale them to sum to 1.

    With p = .1 .4 .2 .3 and `top_k=2`, tokens 1 and 3 stay, with 4/7 and 3/7. With `top_p=0.5` they
    stay as well: 0.4 alone is less than one half.

    Args:
        logprobs: float32 `(N, V)` in nats.
        top_k: of equally likely tokens those with smaller ids are kept first; 0 keeps all.
        top_p: share of the probability in (0, 1]; the token that reaches it is kept.

    Returns:
        float32 `(N, V)`, the log-probs of the tokens that are kept, -inf elsewhere.
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


def entropy_of(logprobs: Tensor) -> Tensor:
    """Return the entropy of each row in nats: float32 `(N,)` of float32 `(N, V)`.

    A log-prob of minus infinity counts as 0 times itself, which is 0.
    """
    return logprobs.exp().mul_(logprobs.clamp(min=-1e9)).sum(-1).neg_()


def inverse_cdf(logprobs: Tensor, uniforms: Tensor) -> Tensor:
    """Draw by inversion: the first token of each row whose cumulated probability exceeds u.

    One uniform per token makes a draw a function of the distribution and the number, whatever else
    is in the batch. Sums are taken in double precision: in float32 a probability below 6e-8 that is
    added to a sum near 1 is lost, and with it the tail of a large vocabulary.

    Args:
        logprobs: float32 `(N, V)` in nats; rows need not sum to 1 exactly.
        uniforms: float64 `(N,)` in [0, 1).

    Returns:
        tokens int64 `(N,)`, never one of probability 0.
    """
    cumulated = logprobs.double().exp().cumsum(-1)
    total = cumulated[:, -1]
    # u close to 1 may round up to the total, which no cumulated probability exceeds
    target = torch.minimum(uniforms * total, total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(cumulated, target[:, None], right=True)[:, 0]
