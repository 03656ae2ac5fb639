"""Statistics of the gaps between log-probs now and when sampled, for tokens that were sampled.

A gap is rounding, or a bug. Rounding is small, as often up as down, and as large as the learner's
own when it cuts its passes differently. Four kinds of bug leave four traces:

| statistic | rises when |
|---|---|
| largest, 99 % quantile | a few tokens are wrong: one of the record, those that tell of a frame |
| mean | many are |
| median of the log-odds' gaps | almost all are, a little: weights of an older update, a position |
| imbalance | gaps go one way: another temperature, a distribution that top-p or top-k has cut |

The log-odds of a token of probability p are `log p - log (1 - p)`; a small gap of its log-prob is
one of `gap / (1 - p)` in them. An error of the logits moves the log-odds of likely and unlikely
tokens alike, while the log-prob of a token with p near 1 hardly moves: a policy that has become
sure of itself would otherwise hide every bug.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from policies.base import TokenBatch

DOUBT = 1e-4
"""Least 1 - p that a gap is divided by. Log-probs are float32 sums of about 1, whose steps are
6e-8 there: a thousandth of this."""


def gap_statistics(now: Tensor, then: Tensor) -> dict[str, float]:
    """Return how far two scores of the same tokens lie apart.

    Args:
        now: float `(S,)`, log-probs in nats.
        then: float `(S,)`, log-probs of the same tokens, in nats.

    Returns:
        `max`, `mean` and `q99` of the |gaps| in nats, and `log_odds`, the median |gap| of the
        log-odds.
    """
    gaps = (now - then).abs()
    return {
        "max": float(gaps.max()),
        "mean": float(gaps.mean()),
        "q99": float(gaps.quantile(0.99)),
        "log_odds": float(log_odds_gaps(now, then).quantile(0.5)),
    }


def log_odds_gaps(now: Tensor, then: Tensor) -> Tensor:
    """Return the |gaps| of log-odds, to first order: `|now - then| / (1 - p)`, float64 `(S,)`.

    p is taken in the middle of both log-probs, and 1 - p is at least `DOUBT`.

    Args:
        now: float `(S,)`, log-probs in nats.
        then: float `(S,)`, log-probs of the same tokens, in nats.
    """
    now, then = now.double(), then.double()
    doubt = -((now + then) / 2).clamp(max=0).expm1()
    return (now - then).abs() / doubt.clamp(min=DOUBT)


def imbalance(gaps: Tensor, contexts: Sequence[bytes]) -> tuple[float, float]:
    """Return how many more gaps go up than down, as a share, and in standard deviations.

    With 6 up, 2 down and 1 that is 0, the share is (6 - 2) / 8 = 0.5 and the score is
    (6 - 2) / sqrt(8) = 1.41: each gap of rounding goes up or down like a coin (the sign test,
    Arbuthnot 1710).

    Args:
        gaps: float `(S,)`, log-prob now less when sampled, in nats.
        contexts: one name for each: gaps of the same name are rounded in the same way, and the
            first of them counts.

    Returns:
        The share in [-1, 1], positive if tokens are likelier now, and its score; 0 and 0 where no
        gap goes either way.
    """
    named: dict[bytes, float] = {}
    for name, gap in zip(contexts, gaps.sign().tolist(), strict=True):
        named.setdefault(name, gap)
    total, count = sum(named.values()), sum(map(abs, named.values()))
    return (total / count, total / math.sqrt(count)) if count else (0.0, 0.0)


def context_names(batch: TokenBatch) -> list[bytes]:
    """Return a name for each sampled token, row by row: of the tokens and frames up to it.

    Rollouts of a question begin alike; a token with the same tokens before it is rounded in the
    same way in each of them, and is no further evidence.
    """
    names = []
    sampled = batch.sampled.cpu().numpy()
    rows = np.ascontiguousarray(batch.ids.cpu().numpy(), "<i8")
    for row, chosen, frames in zip(rows, sampled, batch.frames, strict=True):
        digest, read = hashlib.blake2b(b"".join(frames[:1]), digest_size=8), 0
        for place in np.flatnonzero(chosen):
            digest.update(row[read : place + 1].data)
            read = int(place) + 1
            names.append(digest.digest())
    return names
