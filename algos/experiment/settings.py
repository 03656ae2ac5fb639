"""The settings of `sage-vqa train`: one dataclass, its presets, and how a run folder keeps it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from algos.ppo.config import PPOConfig
from algos.presets import PresetName, preset
from algos.rollout.environment_options import EnvironmentOptions, OptionError
from algos.runs.dataclass_json import dataclass_from_json
from algos.runs.run_folder import RunFolder, RunFolderError, read_json
from algos.runs.token_log import MOST_QUESTIONS
from algos.runs.tracking import TrackerName
from sage_env.datasets.splits import HOLD_OUT

# Settings that may change when an unfinished run is continued: they change no result.
MAY_DIFFER = {"run", "root", "slots", "workers", "checkpointing", "track", "call_timeout"}
MAY_DIFFER |= {"kv_bytes", "feature_cache", "ppo.workers", "ppo.micro_batch"}
MAY_DIFFER |= {"ppo.micro_batch_tokens", "ppo.rescore_tolerance", "ppo.patience"}
MAY_DIFFER |= {"ppo.record_tokens", "ppo.record_validation", "record_tokens"}
# What the small model is trained with, whatever the method. The critic's rate is, of 1e-3 and 3e-3,
# the one whose critic explained more of the variance in four updates of seed 0.
SMALL: Mapping[str, Any] = {
    "updates": 20,
    "questions_per_update": 32,
    "episodes_per_question": 8,
    "actor_lr": 1e-3,
    "critic_lr": 3e-3,
    "micro_batch": 8,
    "workers": 2,
    "eval_every": 4,
}
# What another checkpoint starts from; nobody has tuned it. The shape of an update is that of the
# SAGE paper (arXiv 2512.13874): 16 questions by 8 episodes; its rate for all weights, 1e-6, times
# ten for LoRA, as its users report.
LARGE: Mapping[str, Any] = {
    "updates": 100,
    "questions_per_update": 16,
    "episodes_per_question": 8,
    "actor_lr": 1e-5,
    "critic_lr": 5e-5,
    "micro_batch": 4,
    "workers": 1,
    "eval_every": 10,
}
SYNTH = "sage-synth"
ROWS = ("base", "after", "direct:mean", "direct:twice")
"""What is measured on any dataset; on ours with our model, the demonstrator as well."""


@dataclass(frozen=True, kw_only=True)
class Training(EnvironmentOptions):
    """Train a SAGE-MM with PPO on a dataset, and measure what it learned on held-out videos."""

    run: Path = Path("runs/first-light")
    """Folder of the run; an unfinished run in it is continued."""
    dataset: str = SYNTH
    """Name of a dataset, path of a .jsonl or .parquet file, or package.module:function. Without its
    own splits, validation and test are held out by video."""
    validation: str | None = None
    """Another dataset whose questions choose the best update."""
    test: str | None = None
    """Another dataset whose questions are measured."""
    root: Path | None = None
    """Folder of the video files; each dataset has its own default."""
    hold_out: tuple[float, float] = HOLD_OUT
    """Shares of the videos held out for validation and test, where the dataset has no splits."""
    split_seed: int = 0
    """Seeds which videos are held out."""
    only: tuple[str, ...] | None = None
    """KEY=VALUE: report keys of the questions to train and validate on, and that the headline is
    about. All questions of the test split are measured. By default what the dataset suggests."""
    allow_outside: bool = False
    """Whether a .jsonl file may name videos that do not lie under the root."""
    skip_broken: bool = False
    """Leave out questions about videos that cannot be read, and say which; else they are named and
    nothing begins."""
    checkpoint: str | None = None
    """Model to start from, a folder or a hub id; by default the shipped one."""
    adapter: str | None = None
    """LoRA adapter to start from, a folder or a hub id; a copy of it is the reference of a KL."""
    device: str = "auto"
    """Where the model runs: `cpu`, `cuda`, …; `auto` is the GPU if there is one."""
    dtype: str = "auto"
    """Of the frozen base; `auto` is the checkpoint's own on a GPU and float32 on a CPU."""
    four_bit: bool = False
    """Hold the frozen layers of the language model in 4 bits (NF4)."""
    critic: Literal["head", "adapter"] = "head"
    """A critic over the frozen base's states, or one with a LoRA adapter of its own; only where the
    advantage uses one."""
    max_new_tokens: int | None = None
    """Most tokens of one reply; by default the policy's own."""
    cut_bars: bool | None = None
    """Read frames without their black bars; by default as the checkpoint says, else so."""
    answers_only: bool = False
    """Let the model write answers and nothing else: with --max-turns 1 DIRECT, trained."""
    constrained: bool = False
    """Let the model write valid actions only; needs llguidance."""
    slots: int | None = None
    """Episodes that play side by side; by default 256 on a CPU, and on a GPU as many as there is
    room for."""
    kv_bytes: str | None = None
    """Bytes for keys and values of running episodes, such as 40GB; what does not fit is computed
    again. By default a share of what the device has free."""
    feature_cache: tuple[str, ...] = ()
    """Bytes for the features of frames, by level: cpu=8GB gpu=4GB disk=100GB folder=PATH
    pictures=8GB."""
    workers: int = 2
    """Batches that the policy samples side by side, each on one core; `--ppo.workers` is the
    learner's."""
    reward: str = "efficient"
    """Reward of training: `answer` (1 for a right one), `efficient` (a right answer pays for its
    looks), `sage` (the step rewards of the paper), or package.module:function. `--ppo.recipe` adds
    to it."""
    frames_weight: float = 0.8
    """Price of the whole budget of frames with `efficient`; lower prices buy more looks."""
    turns_weight: float = 0.15
    """Price of the whole budget of turns with `efficient`."""
    lora_rank: int = 16
    """Rank of new LoRA adapters."""
    train: Literal["lora", "full"] = "lora"
    """LoRA adapters, or all weights of the language model, in float32, where that fits."""
    checkpointing: bool = False
    """Compute layers again in the backward pass instead of keeping them: for larger models."""
    rows: tuple[str, ...] | None = None
    """What is measured: base; after (training); direct:N, the trained policy answering at once from
    N even frames, direct:mean and direct:twice as many as it took by itself, direct:most as many as
    its budget allows; demonstrator (of the small model); and any policy by its name, such as random
    or oracle."""
    temperatures: tuple[float, ...] = (0.0, 1.0)
    """At which policies that sample are measured; 0 is greedy."""
    track: TrackerName | None = None
    """Dashboard that gets the numbers of every update, besides `metrics.jsonl`."""
    preset: PresetName | None = None
    """Published method that `--ppo` starts from, see `algos.presets`; by default with "group"."""
    ppo: PPOConfig = field(default_factory=lambda: PPOConfig(advantage="group", **SMALL))
    """Settings of PPO."""
    record_tokens: int = MOST_QUESTIONS
    """Test questions of which every sampled token is kept with its text, log-prob and entropy, in
    each evaluation; 0 for none. Those of training: `ppo.record_tokens`."""
    show_credit: bool = False
    """Measure what each look did for the answer, before and after PPO, and show it in the report;
    a forward pass for each look."""

    def require_use(self) -> None:
        """Refuse settings that cannot be used, or would silently do nothing.

        Raises:
            OptionError: naming the setting.
        """
        for name in ("slots", "workers", "lora_rank", "max_new_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"{name} must be at least 1, got {value}")
        if self.record_tokens < 0:
            raise OptionError(f"record_tokens must be at least 0, got {self.record_tokens}")
        if self.critic == "adapter" and not self.ppo.uses_critic:
            raise OptionError(
                'critic="adapter" needs an advantage that uses a critic: set ppo.advantage to '
                '"critic" or "both", or leave it out'
            )
        times = self.temperatures
        shown = {f"{t:g}" for t in times}  # as tables and files name them
        if not times or len(shown) < len(times) or not all(0 <= t < math.inf for t in times):
            raise OptionError(f"temperatures must be different numbers of 0 or more, got {times}")
        self._require_effect()
        if self.answers_only and self.max_turns != 1:
            raise OptionError(
                "answers_only ends every episode at its first turn: give max_turns=1 with it, and "
                "the frames as overview_frames, frames_per_turn and max_frames"
            )
        if self.train == "full" and self.cut_bars is not None:
            raise OptionError("cut_bars is of a checkpoint whose weights stay: leave it out")
        _ = self.asked  # which has a form of its own

    def _require_effect(self) -> None:
        """Refuse settings that are of something that this training has not.

        Raises:
            OptionError: naming the setting and what it is of.
        """
        default = {field.name: field.default for field in fields(Training)}
        idle = {
            "frames_weight": self.reward != "efficient" and 'of reward="efficient"',
            "turns_weight": self.reward != "efficient" and 'of reward="efficient"',
            "lora_rank": self.train == "full" and "of LoRA adapters, and all weights are trained",
            "show_credit": not {"base", "after"} & {*self.measured}
            and "of the rows base and after",
        }
        if self.adapter is not None and self.critic == "head":
            idle["lora_rank"] = f"of new adapters, and {self.adapter} brings its own"
        for name, whose in idle.items():
            if whose and getattr(self, name) != default[name]:
                raise OptionError(f"{name} is {whose}: leave it out")
        levels = [one.partition("=")[0] for one in self.feature_cache]
        if len(set(levels)) < len(levels):
            raise OptionError(f"feature_cache names a level twice: {' '.join(self.feature_cache)}")

    @property
    def measured(self) -> tuple[str, ...]:
        """Return the rows that are measured."""
        if self.rows is not None:
            return self.rows
        ours = self.dataset == SYNTH and self.checkpoint is None
        return ("demonstrator", *ROWS) if ours else ROWS

    @property
    def asked(self) -> dict[str, str] | None:
        """Return `only` as report keys with their values; `None` for what the dataset suggests.

        Raises:
            OptionError: if one has another form.
        """
        if self.only is None:
            return None
        pairs = [one.partition("=") for one in self.only]
        for one, (key, equals, _) in zip(self.only, pairs, strict=True):
            if not (key and equals):
                raise OptionError(f"--only takes KEY=VALUE, such as domain=sport, got {one!r}")
        return {key: value for key, _, value in pairs}


def default_training(
    preset_name: PresetName | None = None, checkpoint: str | None = None
) -> Training:
    """Return the settings that a command line starts from.

    Args:
        preset_name: published method; `None` for the default one.
        checkpoint: model to start from: another than ours has rates and sizes for large models.
    """
    budget = SMALL if checkpoint is None else LARGE
    ppo = preset(preset_name, **budget) if preset_name else PPOConfig(advantage="group", **budget)
    return Training(preset=preset_name, checkpoint=checkpoint, ppo=ppo)


def load_config(folder: RunFolder, *, root: Path | None = None) -> Training:
    """Return the settings of a run as they were saved; `root` replaces its folder of video files.

    A setting that an older version did not save has its default.

    Raises:
        RunFolderError: if the folder has no settings, or those of another command or version; the
            message names the setting.
    """
    config = read_training(folder.config)
    return replace(config, run=folder.path, root=root or config.root)


def read_training(path: Path) -> Training:
    """Return the settings in a file that a run has saved (`config.json`).

    Raises:
        RunFolderError: if it cannot be read, or holds the settings of another command or version;
            the message names the setting.
    """
    data = read_json(path)
    try:
        if not isinstance(data, dict) or "ppo" not in data:  # the others have defaults: {} would do
            raise ValueError("ppo is missing")
        return dataclass_from_json(Training, data)
    except (TypeError, ValueError) as error:
        raise RunFolderError(
            f"{path} does not hold the settings of a training ({error}): give the "
            "folder of a run that this version of `sage-vqa train` wrote"
        ) from error


def check_settings(folder: RunFolder, config: Training) -> None:
    """Refuse a folder whose results were made with other settings.

    Settings are written right before the first result. Without one they bind nobody: they are of a
    start that failed.

    Raises:
        ConfigChanged: names the settings that differ.
        RunFolderError: if the settings of the results cannot be read.
    """
    from algos.runs.checkpoint import require_same

    if folder.config.exists() and folder.has_results():
        then = _plain(read_training(folder.config))
        require_same(then, _plain(config), may_differ=MAY_DIFFER)


def _plain(config: Training) -> Any:
    """Return settings as JSON gives them back: lists for tuples."""
    return json.loads(json.dumps(asdict(config), default=str))
