"""Laws of `algos.verify.recipe_check`, `algos.rollout.conditions`: a run with a recipe is sound.

Whatever the recipe adds, takes or lowers, verification plays the same episodes and finds the same
numbers; and it finds a number that was changed, in the environment's part and in the recipe's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from algos.ppo.config import PPOConfig  # noqa: E402
from algos.ppo.training import train  # noqa: E402
from algos.recipe.settings import Recipe  # noqa: E402
from algos.rollout.trajectory import load_trajectories, save_trajectories  # noqa: E402
from algos.runs.run_folder import RunFolder  # noqa: E402
from algos.verify.verify_run import load_stored_episodes, verify  # noqa: E402
from policies.sage_mm import SageMM  # noqa: E402
from sage_env import QAItem  # noqa: E402
from sage_env.env import VideoQAEnv  # noqa: E402
from sage_env.testing import open_memory  # noqa: E402
from tests.helpers.toy import ITEMS, TOY_PPO, ToyPolicy, cloned_policy, envs  # noqa: E402

torch.set_num_threads(1)
QUESTIONS = [
    QAItem(f"q{s}", Path(f"{s}.memory"), "what?", ("yes", "no"), "no", "mcq") for s in (7, 90)
]
RECIPES = {
    "turn cap": Recipe(first_turns=2),
    "frame budget": Recipe(frame_budget=(4, 9)),
    "frame target": Recipe(target_frames=3.0, multiplier_start=0.5),
    "step credit": Recipe(step_credit=0.25),
    "all": Recipe(
        first_turns=2,
        frame_budget=(4, 9),
        target_frames=3.0,
        multiplier_start=0.5,
        step_credit=0.25,
    ),
}
CONFIG = PPOConfig(
    updates=1,
    questions_per_update=2,
    episodes_per_question=2,
    minibatches=1,
    advantage="group",
    rescore_sample=3,
    critic_warmup=0,
)


def env_for(policy: SageMM) -> VideoQAEnv:
    """The environment pays for answers, right or wrong, so that rewards differ from 0."""

    def reward(item: QAItem, action: Any, history: Any) -> dict[str, float]:
        return {"turn": 0.125 * len(history.actions), "answer": float(history.verdict is True)}

    options = {**policy.env_options, "reward": reward, "overview_frames": 4, "max_turns": 4}
    return VideoQAEnv(dataset=QUESTIONS, opener=open_memory, **options)


@pytest.fixture(scope="module")
def policy() -> SageMM:
    return SageMM.load(max_new_tokens=48)


@pytest.mark.parametrize("name", RECIPES)
def test_a_sound_run_is_verified_whatever_the_recipe(name, policy, tmp_path) -> None:
    env = env_for(policy)
    config = replace(CONFIG, recipe=RECIPES[name])
    train(config, policy, [env], [item.id for item in QUESTIONS], tmp_path, progress=False)
    found = [f for _, f in verify(RunFolder(tmp_path), policy, env)]
    assert {f.verdict for f in found} == {"ok"}, found
    (stored,) = (tmp_path / "proof").iterdir()
    for trajectory in load_stored_episodes(stored).trajectories:
        conditions = trajectory.conditions
        assert conditions.max_turns == (2 if name in ("turn cap", "all") else 4)
        assert conditions.max_frames is not None and conditions.overview_frames == 4
        assert (conditions.max_frames <= 9) == (name in ("frame budget", "all"))
        assert (conditions.temperature, conditions.top_k, conditions.top_p) == (1.0, 0, 1.0)
        assert conditions.policy_version == policy.fingerprint()
        assert conditions.policy_seed is not None and conditions.episode in range(4)
        for k, turn in enumerate(trajectory.turns, 1):
            own = 0.125 * k + float(turn.info.get("correct") is True)
            assert turn.env_reward == pytest.approx(own, abs=1e-9)


def test_other_budgets_are_said(policy, tmp_path) -> None:
    env = env_for(policy)
    train(CONFIG, policy, [env], [item.id for item in QUESTIONS], tmp_path, progress=False)
    narrow = VideoQAEnv(
        dataset=QUESTIONS, opener=open_memory, **{**policy.env_options, "max_turns": 3}
    )
    problems = [f.problem for _, f in verify(RunFolder(tmp_path), policy, narrow) if f.problem]
    assert any("under the budget {'max_turns': 4" in problem for problem in problems), problems


# A policy that looks, so that all parts of the recipe pay: the toy.


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> tuple[ToyPolicy, Path]:
    folder, policy = tmp_path_factory.mktemp("toy"), cloned_policy(0)  # which has learned to look
    config = replace(
        TOY_PPO,
        updates=2,
        questions_per_update=8,
        episodes_per_question=8,
        rescore_sample=64,
        recipe=Recipe(target_frames=2.5, multiplier_start=0.4, step_credit=0.3),
    )
    train(config, policy, envs(4), ITEMS, folder, progress=False)
    return policy, folder


def problems_after(
    paid: tuple[ToyPolicy, Path], folder: Path, change: Callable[[dict], bool]
) -> list[str]:
    """Change the first stored turn that `change` says it has changed; return what is found."""
    policy, run = paid
    shutil.copytree(run, folder / "run")
    path = folder / "run" / "proof" / "update-000002.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert any(change(turn) for row in rows[1:] for turn in row["turns"])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [f.problem for _, f in verify(RunFolder(folder / "run"), policy, None) if f.problem]


def charged(turn: dict) -> bool:
    return turn["info"].get("reward_terms", {}).get("frame_price", 0) < 0


def credited(turn: dict) -> bool:
    return turn["info"].get("reward_terms", {}).get("step_credit", 0) != 0


def test_the_recipes_part_is_computed_again(paid, tmp_path) -> None:
    _, run = paid
    stored = load_stored_episodes(run / "proof" / "update-000002.jsonl").trajectories
    turns = [turn for episode in stored for turn in episode.to_json()["turns"]]
    assert any(charged(turn) for turn in turns) and any(credited(turn) for turn in turns)
    assert all(
        turn["reward"] != turn["env_reward"] for turn in turns if charged(turn) or credited(turn)
    )
    assert problems_after(paid, tmp_path, lambda turn: True) == []


@pytest.mark.parametrize("which", [charged, credited])
@pytest.mark.parametrize("field", ["reward", "env_reward"])
def test_a_changed_reward_is_found(paid, tmp_path, which, field) -> None:
    def change(turn: dict) -> bool:
        if not which(turn):
            return False
        turn[field] += 0.01
        return True

    (problem,) = problems_after(paid, tmp_path, change)
    assert "which the recipe makes" in problem


def test_a_record_of_an_older_version_is_read_and_not_measured(paid, tmp_path) -> None:
    policy, run = paid
    path = tmp_path / "old.jsonl"
    stored = load_stored_episodes(run / "proof" / "update-000002.jsonl").trajectories
    save_trajectories(path, stored)
    old = [json.loads(line) for line in path.read_text().splitlines()]
    for row in old:
        del row["conditions"]
        for turn in row["turns"]:
            del turn["env_reward"]
    path.write_text("".join(json.dumps(row) + "\n" for row in old))
    read = load_trajectories(path)
    assert [t.ret for t in read] == [t.ret for t in stored]
    assert all(turn.env_reward == turn.reward for t in read for turn in t.turns)
