"""How far sampler and learner may lie apart: bounds that follow the dtype that the model runs in.

In float32 one bound on the largest gap is enough: rounding is a hundred times below it, and what a
bug does is above. In 16 bits rounding moves some tokens by more than a bug moves most, so that the
largest gap tells little; the statistics of `gap_statistics` do, each with a bound of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import torch

from policies.base import TrainablePolicy
from policies.introspection import ComputesIn

NOISE_FACTOR = 3.0
"""A statistic may be so many times the learner's own rounding, see `Tolerance.bound`. In float32,
where a bug cannot be taken for rounding, sampler and learner differed by 0.4 to 2 times as much as
packed and lone episodes (the largest gap by up to 3.5; shipped model, 30 groups on a CPU)."""
STATISTICS = {
    "max": ("proof/max_dlogp", "max |dlogp|"),
    "mean": ("proof/mean_dlogp", "mean |dlogp|"),
    "q99": ("proof/q99_dlogp", "99 % quantile of |dlogp|"),
    "log_odds": ("proof/log_odds", "median |gap| of log-odds"),
}
"""The metric of each statistic, and what a problem calls it."""


@dataclass(frozen=True)
class Tolerance:
    """Bounds of the statistics of gaps; inf for no bound.

    Attributes:
        max: of the largest |gap|, in nats.
        mean: of the mean |gap|, in nats.
        q99: of the 99 % quantile of the |gaps|, in nats.
        log_odds: of the median |gap| of log-odds.
        imbalance: of the share by which gaps go one way, in [0, 1].
        score: of that share in standard deviations; both must be exceeded.
    """

    max: float = inf
    mean: float = inf
    q99: float = inf
    log_odds: float = inf
    imbalance: float = inf
    score: float = inf

    @property
    def needs_noise(self) -> bool:
        """Return whether the bounds grow with the learner's own rounding."""
        return min(self.mean, self.q99, self.log_odds) < inf

    @property
    def of_a_token(self) -> float:
        """Return how far most tokens may be off, in nats: for sums over several of them."""
        return min(self.max, self.q99)

    def bound(self, name: str, row: Mapping[str, float | None]) -> float:
        """Return the bound of a statistic, given the metrics of a check.

        It is the bound of the dtype or, where that is more, `NOISE_FACTOR` times what the learner
        itself differs by when it scores the same episodes in other passes (`proof/noise_NAME`):
        larger models round more, and a bug of the sampler is in neither of the learner's scores.
        """
        least: float = getattr(self, name)
        return max(least, NOISE_FACTOR * (row.get(f"proof/noise_{name}") or 0.0))

    def exceeded(self, row: Mapping[str, float | None]) -> str:
        """Say which statistic of a check is beyond its bound; "" if none is.

        Args:
            row: metrics `proof/...` of the check, as they are logged; one that is None or is not
                there was not measured, and a nan is beyond every bound.
        """
        for name, (metric, words) in STATISTICS.items():
            found, bound = row.get(metric), self.bound(name, row)
            if found is not None and not found <= bound:
                return f"{words} {found:.3g}, more than {bound:.3g}"
        share, score = row.get("proof/imbalance"), row.get("proof/imbalance_score")
        if share is None or score is None:
            return ""
        if abs(share) <= self.imbalance or abs(score) <= self.score:
            return ""
        way = (
            "likelier than when sampled, as if at a higher temperature"
            if share > 0
            else "less likely than when sampled, as if top-p or top-k had cut the rest away"
        )
        return (
            f"{(1 + abs(share)) / 2:.0%} of the tokens {way}; of rounding it would be about half "
            f"({abs(score):.1f} standard deviations)"
        )


FLOAT32 = Tolerance(max=1e-3)
"""Fifty times the rounding of the shipped model, and a thirtieth of what the mildest bug does to
the worst of a group's tokens."""
BFLOAT16 = Tolerance(max=2.0, mean=0.02, q99=0.3, log_odds=0.05, imbalance=0.4, score=6.0)
"""Between rounding and bugs of the shipped model on a CPU: benchmarks/reports/sampler_bugs.md has
both (it was made with 0.04 for the median of log-odds). `max` is for one token of the record that
is another: nothing else tells it. Look again when a larger model has been run: `proof/noise_...` of
its first updates says how it rounds."""
FLOAT16 = Tolerance(max=0.5, mean=0.0025, q99=0.04, log_odds=0.00625, imbalance=0.4, score=6.0)
"""An eighth of bfloat16's, for three more bits; a quarter for the largest, which is rare. Of four
groups without a bug: median 0.002, mean 0.0003, quantile 0.006 at most."""
BY_DTYPE = {torch.bfloat16: BFLOAT16, torch.float16: FLOAT16}


def tolerance_of(policy: TrainablePolicy, largest: float | None) -> Tolerance:
    """Return the bounds of a policy.

    Args:
        policy: asked for its dtype; where it cannot say, that of its actor's weights counts.
        largest: bound of the largest |gap| alone, in nats, instead of those of the dtype.
    """
    if largest is not None:
        return Tolerance(max=largest)
    dtype = (
        policy.compute_dtype
        if isinstance(policy, ComputesIn)
        else policy.actor_parameters()[0].dtype
    )
    return BY_DTYPE.get(dtype, FLOAT32)
