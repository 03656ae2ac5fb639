"""Laws of `algos.recipe.settings`: the last value that is taken, the first that is not."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pytest

from algos.recipe.settings import Recipe


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("first_turns", 1, 0),
        ("first_turns_updates", 1, 0),
        ("curriculum_updates", 1, 0),
        ("frame_budget", (1, 1), (0, 1)),
        ("frame_budget", (3, 3), (3, 2)),
        ("frame_budget", (1, 9), (0, 0)),
        ("target_frames", 1e-3, 0.0),
        ("target_frames", 1e9, math.inf),
        ("target_frames", 0.5, -1.0),
        ("multiplier_lr", 0.0, -1e-9),
        ("multiplier_lr", 1e9, math.inf),
        ("multiplier_max", 0.0, -1e-9),
        ("multiplier_max", 1e9, math.inf),
        ("multiplier_start", 0.0, -1e-9),
        ("multiplier_start", 1.0, 1.0 + 1e-9),
        ("step_credit", 0.0, -1e-9),
        ("step_credit", 1e9, math.inf),
        ("step_credit_limit", 0.0, -1e-9),
        ("step_credit_limit", 1e9, math.nan),
    ],
)
def test_the_edge_is_taken_and_what_lies_beyond_is_not(name: str, taken: Any, refused: Any) -> None:
    assert getattr(Recipe(**{name: taken}), name) == taken
    with pytest.raises(ValueError, match=f"^recipe.{name} must be"):
        Recipe(**{name: refused})


@pytest.mark.parametrize(
    "name", ["first_turns", "frame_budget", "curriculum_updates", "target_frames"]
)
def test_none_switches_off(name: str) -> None:
    assert getattr(Recipe(**{name: None}), name) is None


def test_a_run_that_was_begun_with_the_defaults_can_go_on() -> None:
    """A run goes on with the settings of its checkpoints only: another default would end it."""
    assert asdict(Recipe()) == {
        **dict(first_turns=None, first_turns_updates=100, frame_budget=None),
        **dict(frame_budget_draw="uniform"),
        **dict(curriculum_updates=None, target_frames=None, multiplier_start=0.0),
        **dict(multiplier_lr=0.05, multiplier_max=1.0, step_credit=0.0, step_credit_limit=2.0),
    }


def test_a_draw_without_a_range_is_refused() -> None:
    with pytest.raises(ValueError, match='frame_budget_draw="log" needs recipe.frame_budget'):
        Recipe(frame_budget_draw="log")
    with pytest.raises(ValueError, match='must be "uniform" or "log", got \'half\''):
        Recipe(frame_budget=(1, 2), frame_budget_draw="half")  # type: ignore[arg-type]
    assert Recipe(frame_budget=(1, 2), frame_budget_draw="log").frame_budget == (1, 2)
