"""The second half of the line: episodes of the teachers, a fine-tuned adapter, one after PPO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from algos.data_pipeline.distilling.hold_out import held_out_questions
from algos.data_pipeline.distilling.making_sets import distill as make_sets
from algos.data_pipeline.distilling.parquet_sets import FILES
from algos.data_pipeline.distilling.playing_tries import Teacher
from algos.data_pipeline.distilling.settings import DistillSettings, EpisodeFilter
from algos.data_pipeline.line.making_questions import question_file
from algos.data_pipeline.line.settings import LineError, LineSettings
from algos.data_pipeline.line.stages import Result
from algos.experiment.settings import Training, default_training
from algos.rollout.environment_options import EnvironmentOptions
from algos.runs.run_folder import RunFolder
from algos.sft.settings import SFTConfig
from policies.registry import load_policy
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import load_dataset
from sage_env.datasets.question_sets import read_question_set

if TYPE_CHECKING:
    from policies.sage_mm import SageMM

DISTILLED, SFT, PPO = "distilled", "sft", "ppo"
"""Folders of the stages."""
TRAIN, TEST = "train", "test"
_LORA_RANK = 16


def questions(settings: LineSettings, split: str) -> Sequence[QAItem]:
    """Return the questions that passed the checks, of one split.

    Raises:
        DatasetError: if there is none.
    """
    return load_dataset(question_file(settings), root=settings.video_folder, split=split)


def distill(settings: LineSettings) -> Result:
    """Let the teachers play the questions of the training videos, and make the sets."""
    items = questions(settings, TRAIN)
    held_out = held_out_questions(settings.question_folder / "hold_out.json", items, required=True)
    if held_out:
        raise LineError(f"{len(held_out)} questions to learn from are held out: this is a bug")
    tries = settings.tries * (1 if len(settings.tries) > 1 else len(settings.teachers))
    teachers = [_teacher(n, k) for n, k in zip(settings.teachers, tries, strict=True)]
    # The student's own tries say what is neither too easy nor too hard for it.
    student = settings.teachers[-1]
    filters = EpisodeFilter(per_video=None, direct_share=settings.direct_share)
    how = DistillSettings(filter=filters, rl_half=settings.rl_half, rl_policy=student)
    with RunFolder(settings.out / DISTILLED).alone("--out"):
        found = make_sets(
            items,
            teachers,
            settings.out / DISTILLED,
            how,
            root=settings.video_folder,
            held_out=held_out,
            seed=settings.seed,
            envs=settings.envs,
            progress=True,
        )
    return dict(found.counts)


def _teacher(name: str, tries: int) -> Teacher:
    policy = load_policy(name, temperature=1.0)
    return Teacher(name, policy, tries, EnvironmentOptions().env_options(policy))


def student(settings: LineSettings, adapter: Path | None = None) -> SageMM:
    """Return the model that learns.

    Args:
        settings: of the line.
        adapter: folder of an adapter; `None` for the model as it is.
    """
    import torch

    from policies.sage_mm import LoraSettings, SageMM

    torch.set_num_threads(1)
    lora = LoraSettings(r=_LORA_RANK, alpha=2 * _LORA_RANK, seed=settings.seed)
    where: dict[str, Any] = {} if settings.checkpoint is None else {"dtype": "auto"}
    return SageMM.load(
        settings.checkpoint, adapter=adapter, lora=lora, workers=settings.workers, **where
    )


def fine_tune(settings: LineSettings) -> Result:
    """Clone the episodes of the SFT set into an adapter."""
    from algos.sft.cloning import clone
    from algos.sft.stored_episodes import read_episodes

    path = settings.out / DISTILLED / FILES["sft"]
    items = read_question_set(path, settings.video_folder)
    config = SFTConfig(
        seed=settings.seed,
        epochs=settings.sft_epochs,
        lr=settings.sft_lr,
        workers=settings.workers,
    )
    folder = settings.out / SFT
    with RunFolder(folder).alone("--out"):
        made = clone(
            student(settings),
            read_episodes([path]),
            items,
            folder,
            config,
            validation=0.1,
            progress=True,
        )
    return {
        "episodes": len(read_episodes([path])),
        "step": made.step,
        "steps": made.steps,
        "validation loss": made.loss,
        "token accuracy": made.token_accuracy,
    }


def training(settings: LineSettings) -> Training:
    """Return the settings of PPO; it learns from the RL set, and chooses by videos of it."""
    base = default_training(checkpoint=settings.checkpoint)
    ppo = replace(
        base.ppo,
        seed=settings.seed,
        updates=settings.updates,
        questions_per_update=settings.per_update,
        episodes_per_question=settings.episodes,
        actor_lr=settings.actor_lr,
        workers=settings.workers,
    )
    return replace(
        base,
        run=settings.out / PPO,
        dataset=str(settings.out / DISTILLED / FILES["rl"]),
        test=str(question_file(settings)),
        root=settings.video_folder,
        hold_out=(0.2, 0.2),
        only=(),
        adapter=str(settings.out / SFT / "adapter"),
        rows=(),
        slots=settings.envs * 4,
        workers=settings.workers,
        ppo=ppo,
    )


def train(settings: LineSettings) -> Result:
    """Train the fine-tuned adapter with PPO on the RL set."""
    from algos.experiment.stages import run
    from algos.runs import checkpoint
    from algos.runs.metrics import read_metrics

    run(training(settings))
    folder = RunFolder(settings.out / PPO)
    best = checkpoint.load_best(folder.checkpoints)
    rows = read_metrics(folder.metrics)
    return {"update": 0 if best is None else best.update, "updates": len(rows)}
