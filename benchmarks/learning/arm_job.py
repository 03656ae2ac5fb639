"""One arm of the frontier with one seed: training, then its episodes on fresh videos, as one row.

    python -m benchmarks.learning.arm_job --arm agent --seed 0 --folder runs/frontier/agent-seed-0

`benchmarks.learning.frontier` runs one such process per arm and seed. A job that was interrupted
goes on from its last checkpoint; one whose `row.json` is there has nothing left to do.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
import tyro

from algos.evaluation.measures import evaluate
from algos.evaluation.row_results import EpisodeResult
from algos.experiment.settings import SMALL
from algos.ppo.config import PPOConfig
from algos.ppo.training import train
from algos.runs import checkpoint
from algos.runs.run_folder import RunFolder, write_json
from algos.tiny.demonstrations import make_env
from benchmarks.learning.arms import ARMS, BUDGETS, OVERVIEW, WHOLE, Arm
from benchmarks.learning.cloning import clone
from benchmarks.provenance import commit
from policies.base import TrainablePolicy
from policies.baselines.uniform import direct_env_options
from sage_env.datasets.item import QAItem
from sage_env.synth import SageSynth, sage_synth

if TYPE_CHECKING:
    from policies.sage_mm import SageMM

FRESH_SEED = 47
"""Seed of the fresh videos. No split has it, and nothing was chosen by its figures: 11 has decided,
12, 13 and 31 have been looked at."""
RANK = 16
"""Of the adapters, as in `sage-vqa train`."""
SLOTS = 96
"""Environments side by side; they trade memory for larger batches."""


@dataclass(frozen=True)
class Settings:
    """Train one arm with one seed and measure it on fresh videos."""

    arm: str
    """Name of the arm, of `benchmarks.learning.arms`."""
    seed: int
    """Of the training."""
    folder: Path
    """Gets checkpoints, metrics and `row.json`."""
    videos: int = 56
    """Fresh videos to measure on."""
    fresh_seed: int = FRESH_SEED
    """Seed of the fresh videos."""
    root: Path | None = None
    """Folder of the training videos' files."""
    quick: bool = False
    """One update of four episodes on seven rendered videos, and two points at most: for tests."""


def main(settings: Settings) -> None:
    """Do what is left of the job, and write its row."""
    torch.set_num_threads(1)  # jobs run side by side instead
    folder, arm = RunFolder(settings.folder), ARMS[settings.arm]
    if (settings.folder / "row.json").exists():
        return
    points = arm.points[:2] if settings.quick else arm.points
    began, cpu = time.perf_counter(), time.process_time()
    with folder.alone("--folder"):
        policy = _load(settings.seed)
        policy.answers_only = arm.kind == "direct"
        update = _learn(settings, arm, policy)
        row = {
            "arm": settings.arm,
            "seed": settings.seed,
            "fresh_seed": settings.fresh_seed,
            "videos": settings.videos,
            "update": update,
            "points": [_measured(settings, arm, policy, point) for point in points],
            "command": shlex.join(["python", "-m", "benchmarks.learning.arm_job", *sys.argv[1:]]),
            "commit": commit(),
            "seconds": round(time.perf_counter() - began),
            "cpu_seconds": round(time.process_time() - cpu),
        }
        write_json(settings.folder / "row.json", row)


def _load(seed: int) -> SageMM:
    """Return the shipped base with new adapters, as `sage-vqa train` does."""
    from policies.sage_mm import SageMM
    from policies.sage_mm.model.sage_model import LoraSettings

    return SageMM.load(None, lora=LoraSettings(r=RANK, alpha=2 * RANK, seed=seed))


def ppo_settings(arm: Arm, seed: int, *, quick: bool = False) -> PPOConfig:
    """Return the settings of a training: those of `sage-vqa train`, with the arm's recipe."""
    budget: dict[str, Any] = {**SMALL, "workers": 1}
    if quick:
        budget |= {"updates": 1, "questions_per_update": 2, "episodes_per_question": 2}
    return PPOConfig(seed=seed, advantage="group", recipe=arm.recipe, **budget)


def _learn(settings: Settings, arm: Arm, policy: SageMM) -> int:
    """Train the policy, leave it at its best update, and return which that is."""
    if arm.training == "none":
        return 0
    config = ppo_settings(arm, settings.seed, quick=settings.quick)
    training, validation = (_core(settings, split) for split in ("train", "validation"))
    options = {**policy.env_options, "reward": arm.reward, **_budget(arm, max(arm.points))}
    with _envs(settings, "train", options) as envs:
        validate = _validation(settings, arm, policy, validation)
        arguments = (config, policy, envs, [item.id for item in training], settings.folder)
        if arm.training != "ppo":
            return clone(*arguments, validate=validate, clean=arm.training == "clone-clean")
        train(*arguments, validate=validate, progress=False)
    best = checkpoint.load_best(settings.folder / "checkpoints")
    if best is None:
        return 0
    policy.load_state(best.policy)
    return best.update


def _budget(arm: Arm, frames: int) -> dict[str, int]:
    """Return the arguments of `gym.make` for so many frames."""
    return direct_env_options(frames) if arm.kind == "direct" else {"max_frames": frames}


def _validation(
    settings: Settings, arm: Arm, policy: SageMM, asked: Sequence[QAItem]
) -> Callable[[TrainablePolicy], float]:
    """Return the score that picks the best update: the mean reward of greedy decoding.

    A policy that was trained with drawn budgets is scored at the least, the middle and the most.
    """
    points = (
        (OVERVIEW, BUDGETS[len(BUDGETS) // 2], WHOLE)
        if arm.recipe.frame_budget
        else (max(arm.points),)
    )

    def validate(trained: TrainablePolicy) -> float:
        trained.temperature = 0.0
        scores = []
        for point in points:
            options = {**policy.env_options, "reward": arm.reward, **_budget(arm, point)}
            with _envs(settings, "validation", options) as envs:
                played = evaluate(envs, trained, asked).trajectories
            scores.append(fmean(t.ret for t in played if t.error is None))
        return fmean(scores)

    return validate


def _core(settings: Settings, split: str) -> list[QAItem]:
    """Return the core questions of a split."""
    return [item for item in _split(settings, split) if item.group["tier"] == "core"]


def _split(settings: Settings, split: str) -> SageSynth:
    return sage_synth(settings.root, split, count=7 if settings.quick else None)


@contextmanager
def _envs(settings: Settings, split: str, options: dict[str, Any]) -> Iterator[list[Any]]:
    """Make environments on the files of a split; on rendered videos where it has to be quick."""
    import gymnasium as gym

    items = _split(settings, split)
    if settings.quick:
        envs = [make_env(list(items), **options) for _ in range(4)]
    else:
        make = partial(gym.make, "sage_env:SageVideoQA-v0", disable_env_checker=True)
        envs = [make(dataset=items, **options) for _ in range(SLOTS)]
    try:
        yield envs
    finally:
        for env in envs:
            env.close()


def fresh_items(seed: int, videos: int) -> list[QAItem]:
    """Return the core questions of the fresh videos, in the order of a row's numbers."""
    items = sage_synth(None, "test", seed=seed, count=videos)
    return [item for item in items if item.group["tier"] == "core"]


def _measured(settings: Settings, arm: Arm, policy: SageMM, frames: int) -> dict[str, Any]:
    """Play the fresh videos greedily with so many frames, and return what came of each question."""
    policy.temperature = 0.0
    asked = fresh_items(settings.fresh_seed, settings.videos)
    options = {**policy.env_options, **_budget(arm, frames)}
    envs = [make_env(asked, **options) for _ in range(4 if settings.quick else SLOTS)]
    return {"budget": frames, **packed(evaluate(envs, policy, asked).episodes())}


def packed(episodes: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Return the episodes of a point as the columns of a row.

    `correct` has a character per question: 1 for a right answer, 0 for a wrong one, `-` for an
    episode that failed on our side.
    """
    return {
        "correct": "".join("-" if e.correct is None else str(int(e.correct)) for e in episodes),
        "missing": sum(e.missing for e in episodes),
        "frames": [e.frames for e in episodes],
        "turns": [e.turns for e in episodes],
    }


if __name__ == "__main__":
    main(tyro.cli(Settings))
