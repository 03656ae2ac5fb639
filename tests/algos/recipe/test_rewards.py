"""Laws of `algos.recipe.rewards`: what is switched on is logged and paid, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from algos.recipe import rewards
from algos.recipe.rewards import group_of, recipe_row, with_recipe
from algos.recipe.settings import Recipe
from algos.rollout.playing import EpisodeSpec
from tests.helpers.handmade import trajectory

SPECS = [EpisodeSpec("a", 1, 3, 10), EpisodeSpec("a", 1, 3, 30), EpisodeSpec("b", 2, 3, None)]
EPISODES = [trajectory("a", True, looks=((1.0,),)), trajectory("b", False)]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Recipe(), {}),
        (Recipe(step_credit_limit=1.0, multiplier_start=0.5), {}),
        (Recipe(first_turns=3), {"recipe/turn_cap": 3}),
        (Recipe(frame_budget=(1, 40)), {"recipe/frame_budget": 40 / 3}),
        (Recipe(target_frames=5.0), {"recipe/multiplier": 0.7}),
        (Recipe(step_credit=0.5), {"recipe/step_credit": None}),
    ],
)
def test_what_is_switched_on_is_logged_beside_the_return(recipe: Recipe, expected) -> None:
    if expected:
        expected = {**expected, "recipe/return": 0.5}
    assert recipe_row(recipe, SPECS, EPISODES, 0.7) == pytest.approx(expected)


def test_an_episode_is_compared_under_its_own_budget() -> None:
    assert group_of(SPECS[0]) == group_of(EpisodeSpec("a", 9, 3, 10)), (
        "the seed is not the question"
    )
    assert len({group_of(spec) for spec in (*SPECS, EpisodeSpec("a", 1, 4, 10))}) == 4


@pytest.mark.parametrize(("credit", "asked"), [(0.0, False), (1e-6, True), (0.5, True)])
def test_nothing_is_scored_where_no_credit_is_paid(monkeypatch, credit: float, asked: bool) -> None:
    calls: list[dict[str, Any]] = []

    def scored(policy, episodes, **settings):
        calls.append(settings)
        return list(episodes)

    monkeypatch.setattr(rewards, "with_credit", scored)
    recipe = Recipe(step_credit=credit)
    found = with_recipe(recipe, None, EPISODES, 0.25, micro_batch=3, temperature=0.5)  # type: ignore[arg-type]
    assert calls == [{"micro_batch": 3, "temperature": 0.5}] * asked
    assert [t.ret for t in found] == [0.75, 0.0], "the price of frames is charged either way"
