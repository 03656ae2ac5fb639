"""The settings of `sage-vqa train`: one dataclass, its presets, and how a run folder keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from algos.ppo.config import PPOConfig
from algos.presets import PresetName, preset
from algos.runs.dataclass_json import dataclass_from_json
from algos.runs.run_folder import RunFolder, RunFolderError, read_json
from algos.runs.tracking import TrackerName

# Settings that may change when an unfinished run is continued: they change no result.
MAY_DIFFER = {"run", "root", "slots", "workers", "checkpointing", "track"}
MAY_DIFFER |= {"ppo.workers", "ppo.micro_batch", "ppo.rescore_tolerance"}
# What the small model is trained with, whatever the method. The critic's rate is, of 1e-3 and 3e-3,
# the one whose critic explained more of the variance in four updates of seed 0.
BUDGET: Mapping[str, Any] = {
    "updates": 20,
    "questions_per_update": 32,
    "episodes_per_question": 8,
    "actor_lr": 1e-3,
    "critic_lr": 3e-3,
    "micro_batch": 8,
    "workers": 2,
    "eval_every": 4,
}


@dataclass(frozen=True, kw_only=True)
class FirstLight:
    """Train the tiny model with PPO on SageSynth and measure what it learned."""

    run: Path = Path("runs/first-light")
    """Folder of the run; an unfinished run in it is continued."""
    root: Path | None = None
    """Folder of the video files; by default $SAGE_ENV_CACHE or ~/.cache/sage_env."""
    checkpoint: Path | None = None
    """Model to start from; by default the shipped one."""
    device: str = "auto"
    """Where the model runs: `cpu`, `cuda`, …; `auto` is the GPU if there is one."""
    dtype: str = "auto"
    """Of the frozen base; `auto` is the checkpoint's own on a GPU and float32 on a CPU."""
    slots: int = 256
    """Environments that play side by side."""
    workers: int = 2
    """Batches that the policy samples side by side, each on one core; `--ppo.workers` is the
    learner's."""
    reward: Literal["answer", "efficient", "sage"] = "efficient"
    """Reward of training: `answer` (1 for a right one), `efficient` (a right answer pays for its
    looks), or `sage` (the step rewards of the paper). `--ppo.recipe` adds to it."""
    frames_weight: float = 0.8
    """Price of the whole budget of frames with `efficient`; lower prices buy more looks."""
    turns_weight: float = 0.15
    """Price of the whole budget of turns with `efficient`."""
    lora_rank: int = 16
    """Rank of the LoRA adapters."""
    checkpointing: bool = False
    """Compute layers again in the backward pass instead of keeping them: for larger models."""
    track: TrackerName | None = None
    """Dashboard that gets the numbers of every update, besides `metrics.jsonl`."""
    preset: PresetName | None = None
    """Published method that `--ppo` starts from, see `algos.presets`; by default with "group"."""
    ppo: PPOConfig = field(default_factory=lambda: PPOConfig(advantage="group", **BUDGET))
    """Settings of PPO."""
    show_credit: bool = False
    """Measure what each look did for the answer, before and after PPO, and show it in the report;
    a forward pass for each look."""


def with_preset(name: PresetName) -> FirstLight:
    """Return the settings of a training with a published method."""
    return FirstLight(preset=name, ppo=preset(name, **BUDGET))


def load_config(folder: RunFolder, *, root: Path | None = None) -> FirstLight:
    """Return the settings of a run as they were saved; `root` replaces its folder of video files.

    A setting that an older version did not save has its default.

    Raises:
        RunFolderError: if the folder has no settings, or those of another command or version; the
            message names the setting.
    """
    data = read_json(folder.config)
    try:
        if not isinstance(data, dict) or "ppo" not in data:  # the others have defaults: {} would do
            raise ValueError("ppo is missing")
        config = dataclass_from_json(FirstLight, data)
    except (TypeError, ValueError) as error:
        raise RunFolderError(
            f"{folder.config} does not hold the settings of a training ({error}): give the "
            "folder of a run that this version of `sage-vqa train` wrote"
        ) from error
    return replace(config, run=folder.path, root=root or config.root)


def check_settings(folder: RunFolder, config: FirstLight) -> None:
    """Refuse a folder whose results were made with other settings.

    Settings are written right before the first result. Without one they bind nobody: they are of a
    start that failed.

    Raises:
        ConfigChanged: names the settings that differ.
        RunFolderError: if the settings of the results cannot be read.
    """
    from algos.runs.checkpoint import require_same

    if folder.config.exists() and folder.has_results():
        now = json.loads(json.dumps(asdict(config), default=str))
        require_same(read_json(folder.config), now, may_differ=MAY_DIFFER)
