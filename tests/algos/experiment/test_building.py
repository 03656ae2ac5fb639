"""Laws of `algos.experiment.building`: rows see the same pictures, refusals are sentences."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from algos.experiment.building import (
    Parts,
    find_splits,
    load_policy,
    open_envs,
    require_budget,
    row_options,
    training_options,
)
from algos.experiment.settings import Training
from algos.recipe.settings import Recipe
from algos.rollout.environment_options import OptionError
from policies.baselines.uniform import UniformPolicy
from policies.sage_mm.model.sage_model import SHIPPED
from sage_env import VideoQAEnv
from sage_env.framing.frame_area import frame_limits
from sage_env.testing.episodes import ITEMS
from sage_env.testing.memory_video import open_memory

MODEL: Any = SimpleNamespace(env_options={"frame_size": (64, 64), "max_turns": 5, "max_frames": 48})


@pytest.mark.parametrize("size", [{}, {"frame_size": (96, 128)}, {"frame_pixels": 9216}])
@pytest.mark.parametrize("other", [{}, {"frame_size": (32, 32)}, {"frame_pixels": 2048}])
def test_all_rows_see_pictures_of_the_size_that_is_asked_for(size, other) -> None:
    def seen(player: object) -> Any:
        options = row_options(Training(**size), MODEL, player, Parts())
        return frame_limits(options.get("frame_size"), options.get("frame_pixels"), None)

    assert seen(UniformPolicy(MODEL, 7)) == seen(MODEL)
    assert seen(SimpleNamespace()) == seen(MODEL)
    asked = size or other or MODEL.env_options
    given = frame_limits(asked.get("frame_size"), asked.get("frame_pixels"), None)
    assert seen(SimpleNamespace(env_options=other)) == given


def test_a_row_keeps_the_budget_that_its_policy_asks_for() -> None:
    config = Training(max_turns=3, max_frames=20)
    options = row_options(config, MODEL, UniformPolicy(MODEL, 7), Parts())
    assert (options["max_turns"], options["max_frames"], options["overview_frames"]) == (1, 7, 7)
    options = row_options(config, MODEL, SimpleNamespace(), Parts())
    assert (options["max_turns"], options["max_frames"]) == (3, 20)


@pytest.mark.parametrize(
    ("recipe", "fits"),
    [
        ({}, True),
        ({"first_turns": 4}, True),
        ({"first_turns": 5}, False),
        ({"frame_budget": (3, 9)}, True),
        ({"frame_budget": (2, 9)}, False),
        ({"frame_budget": (3, 10)}, False),
    ],
)
def test_a_recipe_lowers_budgets_within_those_of_the_environment(recipe, fits) -> None:
    env = VideoQAEnv(
        dataset=ITEMS, opener=open_memory, max_turns=4, max_frames=9, overview_frames=3
    )
    if fits:
        require_budget(Recipe(**recipe), env)
        return
    name = next(iter(recipe))
    with pytest.raises(OptionError, match=rf"recipe\.{name} must be from \d to \d"):
        require_budget(Recipe(**recipe), env)


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped model")
@pytest.mark.parametrize("answers_only", [False, True])
def test_whoever_loads_the_policy_of_a_run_has_it_answer_as_the_run_did(answers_only) -> None:
    config = Training(answers_only=answers_only, max_turns=1)
    assert load_policy(config).answers_only is answers_only


@pytest.mark.parametrize("tools", [("nothing",), ("os:getcwd",)])
def test_tools_that_are_none_are_told_by_the_option(tools) -> None:
    with pytest.raises(OptionError, match="--tools cannot be used"):
        load_policy(Training(tools=tools))


def test_an_environment_too_large_to_make_is_told_and_functions_by_their_names() -> None:
    options = training_options(Training(frame_size=(320_000, 320_000)), MODEL, Parts())
    with (
        pytest.raises(
            OptionError, match=r"reward=sage_env\.rewards:_efficient: .*allocate"
        ) as told,
        open_envs(ITEMS, options, 1),
    ):
        pass
    assert " at 0x" not in str(told.value)


@pytest.mark.parametrize("settings", [{"hold_out": (0.3, 0.3)}, {"split_seed": 1}])
def test_what_says_how_to_hold_out_is_refused_where_nothing_is(settings, tmp_path) -> None:
    with pytest.raises(OptionError, match="hold_out and split_seed are of a dataset without"):
        find_splits(Training(root=tmp_path, **settings))
    find_splits(Training(root=tmp_path))
