"""Laws of `algos.recipe`, all of it on: a run stopped anywhere ends like one that was not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from algos.ppo.training import PPOConfig, train
from algos.recipe.settings import Recipe
from algos.runs.checkpoint import ConfigChanged, load_latest
from algos.runs.metrics import read_metrics
from tests.helpers.toy import ITEMS, TOY_PPO, ToyEnv, ToyPolicy, cloned_policy, interrupted_at

torch.set_num_threads(1)
RECIPE = Recipe(
    first_turns=1,
    first_turns_updates=2,
    frame_budget=(1, 3),
    curriculum_updates=3,
    target_frames=1.2,
    multiplier_lr=0.3,
    multiplier_start=0.1,
    step_credit=0.2,
)
CONFIG = replace(
    TOY_PPO,
    updates=4,
    questions_per_update=6,
    episodes_per_question=6,
    micro_batch=7,
    critic_warmup=1,
    recipe=RECIPE,
)
DURATIONS = {name: 20.0 * 3**k for k, name in enumerate(ITEMS)}


class Budgeted(ToyEnv):
    """The toy with the budgets of `reset`: a look shows what is left of its two frames."""

    def reset(self, *, seed=None, options=None):
        self.options: dict[str, Any] = options or {}
        return super().reset(seed=seed, options=options)

    def step(self, action):
        observation, reward, over, truncated, info = super().step(action)
        info["frame_seconds"] = info["frame_seconds"][: self.options.get("max_frames", 3) - 1]
        over = over or self.turns >= self.options.get("max_turns", 2)
        info["correct"] = bool(reward) if over else None
        return observation, reward, over, truncated, info


def run(folder: Path, config: PPOConfig = CONFIG) -> ToyPolicy:
    policy = cloned_policy(0)
    slots = [Budgeted() for _ in range(36)]
    train(config, policy, slots, ITEMS, folder, durations=DURATIONS, progress=False)
    return policy


def timeless(folder: Path) -> list[dict[str, float]]:
    rows = read_metrics(folder / "metrics.jsonl")
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


def tensors(folder: Path) -> dict[str, list[float]]:
    latest = load_latest(folder / "checkpoints")
    assert latest is not None and latest.update == CONFIG.updates
    return {name: tensor.flatten().tolist() for name, tensor in latest.tensors.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return folder


def test_every_part_of_it_was_at_work(whole: Path) -> None:
    rows = timeless(whole)[1:]
    assert [row["recipe/turn_cap"] for row in rows] == [1, 1, None, None]
    assert rows[0]["rollout/turns"] == 1.0 < rows[2]["rollout/turns"]
    assert all(1 <= row["recipe/frame_budget"] <= 3 for row in rows)
    prices = [row["recipe/multiplier"] for row in rows]
    assert prices[0] == 0.1 and len(set(prices)) > 2
    end = tensors(whole)["recipe/multiplier"][0]
    assert end == pytest.approx(prices[-1] + 0.3 * (rows[-1]["rollout/frames"] / 1.2 - 1))
    assert rows[0]["recipe/step_credit"] is None  # nobody may look and answer in one turn
    assert isinstance(rows[2]["recipe/step_credit"], float)
    assert rows[2]["recipe/return"] != rows[2]["rollout/return"] == rows[2]["rollout/accuracy"]


def test_two_and_two_updates_are_four(whole: Path, tmp_path: Path) -> None:
    run(tmp_path, replace(CONFIG, updates=2))
    run(tmp_path)
    assert tensors(tmp_path) == tensors(whole)
    assert timeless(tmp_path) == timeless(whole)


@pytest.mark.parametrize("moment", ["with_recipe", "recipe_row", "save"])
def test_an_interrupt_loses_nothing(whole: Path, tmp_path: Path, moment: str) -> None:
    with interrupted_at(moment, call=3):
        run(tmp_path)
    run(tmp_path)
    assert tensors(tmp_path) == tensors(whole)
    assert timeless(tmp_path) == timeless(whole)


def test_another_recipe_is_refused_by_name(whole: Path) -> None:
    other = replace(CONFIG, recipe=replace(RECIPE, frame_budget=(1, 2), step_credit=0.0))
    with pytest.raises(ConfigChanged, match=r"recipe.frame_budget: was \[1, 3\], is \[1, 2\]; rec"):
        run(whole, other)
