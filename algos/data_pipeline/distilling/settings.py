"""The settings of a distillation, one explanation under each. No torch, no pyarrow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Literal

from sage_env.errors import SageEnvError

TRIES = 4
"""Episodes of each question, as in the SAGE paper (arXiv 2512.13874, section 3)."""
PairRule = Literal["right-wrong", "cheaper", "both"]
"""Which two episodes of a question are a pair, see `preference_pairs`."""
Outcome = Literal["right", "any"]
"""Whose episodes may be learned from: right answers, or every answer that was judged."""


class DistillError(SageEnvError, ValueError):
    """Episodes or settings of which no set can be made; the message names them."""


@dataclass(frozen=True, kw_only=True)
class EpisodeFilter:
    """Which episodes are learned from. Failed ones never are, nor those of held-out videos."""

    outcome: Outcome = "right"
    """Whether the answer has to be `right`, or `any` that was judged will do."""
    grounded: bool = True
    """Whether the answer's evidence has to be seen: a frame inside of it was shown, or a tool was
    asked about a stretch that meets it. Questions without evidence pass, and are counted."""
    least_sure: float = 0.5
    """Least share of right ones among the tries of its policy at its question that went its way, at
    once or over several turns: less is luck, which nobody should imitate."""
    cheapest: int | None = None
    """Most episodes of a question: those with the fewest frames, then turns."""
    frames_quantile: float | None = None
    """Episodes with more frames than this quantile of their question's episodes are left out."""
    turns_quantile: float | None = None
    """Likewise of turns."""
    direct_share: float | None = 0.5
    """Share of episodes that answer at once, the others took several turns; `None`: as it comes."""
    per_video: int | None = 40
    """Most episodes of one video, questions taking turns; `None` for no limit."""
    seconds_tolerance: float = 0.5
    """Two episodes of a question are the same if no time of their actions differs by more."""

    def __post_init__(self) -> None:
        """Refuse numbers that choose nothing."""
        for name in ("cheapest", "per_video"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DistillError(f"{name} must be at least 1, got {value}")
        for name in ("frames_quantile", "turns_quantile"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise DistillError(f"{name} must be in [0, 1], got {value}")
        if not 0 <= self.least_sure <= 1:
            raise DistillError(f"least_sure must be in [0, 1], got {self.least_sure}")
        if self.direct_share is not None and not 0 < self.direct_share < 1:
            raise DistillError(f"direct_share must be in (0, 1), got {self.direct_share}")
        if not 0 <= self.seconds_tolerance < math.inf:
            raise DistillError(f"seconds_tolerance must be 0 or more, got {self.seconds_tolerance}")


@dataclass(frozen=True, kw_only=True)
class DistillSettings:
    """Settings of a distillation: who plays is given beside them."""

    filter: EpisodeFilter = field(default_factory=EpisodeFilter)
    """Of the SFT set; the chosen episodes of pairs have to be right and grounded as it says."""
    pairs: PairRule = "both"
    """Which pairs the DPO set has."""
    pairs_per_question: int = 2
    """Most pairs of one question."""
    rl_questions: int | None = None
    """Most questions of the RL set; by default all that suit."""
    rl_half: bool = True
    """Whether half of the RL set needs several turns or tools and half none, as in the paper."""
    rl_policy: str | None = None
    """Name of the policy whose tries say how hard a question is; by default all together."""

    def __post_init__(self) -> None:
        """Refuse numbers that choose nothing."""
        for one in fields(self):
            value = getattr(self, one.name)
            whole = one.type in ("int", "int | None")
            if whole and value is not None and value < 1:
                raise DistillError(f"{one.name} must be at least 1, got {value}")
