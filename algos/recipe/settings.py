"""The settings of the recipe, one explanation under each; by default everything is off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Recipe:
    """Changes to the questions, budgets and rewards of training; evaluation knows none of them."""

    first_turns: int | None = None
    """Budget of turns in the first updates, the answer included (SAGE: 6, then 11); None: the
    environment's own throughout."""
    first_turns_updates: int = 100
    """Updates with that budget."""
    frame_budget: tuple[int, int] | None = None
    """Least and most frames that an episode may see, the overview included: drawn anew for every
    question, the same for all its episodes; None: the environment's own budget."""
    frame_budget_draw: Literal["uniform", "log"] = "uniform"
    """How a budget is drawn: every number alike; or with the frames above the least log-uniform, so
    that budgets with little or nothing left to look at come as often as large ones."""
    curriculum_updates: int | None = None
    """Updates over which questions move from the shortest videos to all; None: all from the
    start."""
    target_frames: float | None = None
    """Mean frames per episode, the overview included, that a price of frames is steered to; None:
    no such price. Meant for `reward="answer"`: `efficient` has a fixed price already."""
    multiplier_start: float = 0.0
    """Price of `target_frames` frames in the first update, in units of reward."""
    multiplier_lr: float = 0.05
    """How much the price moves per update when the mean is off by the whole target."""
    multiplier_max: float = 1.0
    """Most that `target_frames` frames may cost: where the target cannot be met, the price stops
    there and the answer still counts."""
    step_credit: float = 0.0
    """Reward per nat that a look adds to the log-probability of the right answer; 0: none, and
    nothing is re-scored for it."""
    step_credit_limit: float = 2.0
    """Most nats, up or down, that one look is paid for."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        for name in ("first_turns", "first_turns_updates", "curriculum_updates"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"recipe.{name} must be at least 1, got {value}")
        if self.frame_budget is not None and not 1 <= self.frame_budget[0] <= self.frame_budget[1]:
            raise ValueError(
                f"recipe.frame_budget must be (least, most) with 1 <= least <= most, got "
                f"{self.frame_budget}"
            )
        if self.frame_budget_draw not in ("uniform", "log"):
            raise ValueError(
                'recipe.frame_budget_draw must be "uniform" or "log", got '
                f"{self.frame_budget_draw!r}"
            )
        if self.frame_budget_draw == "log" and self.frame_budget is None:
            raise ValueError('recipe.frame_budget_draw="log" needs recipe.frame_budget')
        if self.target_frames is not None and not 0 < self.target_frames < math.inf:
            raise ValueError(f"recipe.target_frames must be above 0, got {self.target_frames}")
        for name in ("multiplier_lr", "multiplier_max", "step_credit", "step_credit_limit"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"recipe.{name} must be at least 0, got {getattr(self, name)}")
        if not 0 <= self.multiplier_start <= self.multiplier_max:
            raise ValueError(
                f"recipe.multiplier_start must be from 0 to multiplier_max "
                f"({self.multiplier_max:g}), got {self.multiplier_start}"
            )
