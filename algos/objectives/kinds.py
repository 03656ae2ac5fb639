"""The names of what settings choose among; settings read them without loading torch."""

from __future__ import annotations

from typing import Literal

Aggregation = Literal["token-mean", "sequence-mean", "constant-length"]
"""That of DAPO (arXiv 2503.14476), of GRPO (arXiv 2402.03300), of Dr. GRPO (arXiv 2503.20783)."""
RatioLevel = Literal["token", "sequence"]
"""A probability ratio for every token (PPO), or one for each episode (GSPO, arXiv 2507.18071)."""
KLEstimator = Literal["k1", "k2", "k3"]
"""Schulman 2020, joschu.net/blog/kl-approx.html."""
AdvantageKind = Literal["critic", "group", "both"]
"""What a return is compared with: a critic's values, the question's other episodes, or both."""
Clock = Literal["token", "turn", "bi-level"]
"""What one step of GAE is."""
KLPlace = Literal["loss", "reward"]
"""Where the KL from the reference is paid."""
