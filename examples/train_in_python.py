"""PPO in Python: a model, questions, environments and one call.

    python examples/train_in_python.py                  # one to two minutes on one core, offline

`sage-vqa train` does this and measures everything around it; here is what is inside, for whoever
wants another model, reward, dataset or schedule. The model that comes with the project learns on
flashes in videos up to ten minutes, which the overview often misses. Called again, it goes on from
the last checkpoint; with other settings it refuses, and says which ones changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
import tyro

from algos.evaluation import evaluate
from algos.ppo import PPOConfig, train
from policies.base import TrainablePolicy
from policies.sage_mm import LoraSettings, SageMM
from sage_env import QAItem, efficient
from sage_env.synth import open_rendered, sage_synth


def flashes(split: str) -> list[QAItem]:
    """Return the questions about the symbol that flashes in videos up to ten minutes."""
    items = [item for item in sage_synth(split=split) if item.group["family"] == "needle"]
    return [item for item in items if item.duration and item.duration <= 600]


def main(
    run: Path = Path("runs/in-python"), updates: int = 12, questions: int = 12, held_out: int = 24
) -> list[dict[str, Any]]:
    """Train, print the curve, and return the rows of `metrics.jsonl`, that before training first.

    Args:
        run: folder of the run.
        updates: updates in all, those of an earlier call included.
        questions: questions per update; each is played eight times from the same start.
        held_out: questions about validation videos to score the policy on before and after.
    """
    torch.set_num_threads(1)
    asked, kept = flashes("train"), flashes("validation")[:held_out]
    # Rank 16 LoRA on the frozen base. SageMM.load("Qwen/Qwen3-VL-2B-Instruct", device="cuda", …)
    # is another checkpoint of the family.
    policy = SageMM.load(lora=LoraSettings(r=16, alpha=32))
    # The environment as the model knows it; a right answer pays for its frames and turns.
    options: dict[str, Any] = {**policy.env_options, "reward": efficient(0.8, 0.15)}
    options |= {"dataset": [*asked, *kept], "opener": open_rendered}
    # They play side by side; how many there are changes the speed, not the result.
    envs = [gym.make("sage_env:SageVideoQA-v0", **options) for _ in range(64)]
    config = PPOConfig(
        advantage="group",  # the baseline is the mean return of the question's other episodes
        updates=updates,
        questions_per_update=questions,
        episodes_per_question=8,
        actor_lr=1e-3,
        eval_every=updates,
    )

    def validate(policy: TrainablePolicy) -> float:
        """Return the mean return of greedy decoding; the checkpoint with the best one is kept."""
        policy.temperature = 0.0
        played = evaluate(envs, policy, kept).trajectories
        return sum(trajectory.ret for trajectory in played) / len(played)

    train(config, policy, envs, [item.id for item in asked], run, validate=validate)
    policy.save_adapter(run / "adapter")  # plays with `sage-vqa eval --adapter FOLDER`
    for env in envs:
        env.close()
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    for row in rows:
        kinds = {"eval/score": "held-out return", "rollout/return": "return"}
        kinds |= {"rollout/accuracy": "accuracy", "rollout/frames": "frames"}
        print(row["update"], {kinds[key]: round(row[key], 2) for key in kinds if key in row})
    return rows


if __name__ == "__main__":
    tyro.cli(main)
