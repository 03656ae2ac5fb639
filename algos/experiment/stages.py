"""`sage-vqa train`: from nothing to a trained any-horizon agent and a report.

Stages: video files, the evaluations before, PPO, the evaluations after, the report. Each leaves
its result in the run's folder; running the command again goes on after the last one that is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import gymnasium as gym
from tqdm import tqdm

from algos.evaluation.measures import EvalResult, evaluate, measures_of
from algos.experiment.results import ORDER, print_tables, report_data
from algos.ppo.config import PPOConfig
from algos.presets import PresetName, preset
from algos.report.report import save_report
from algos.runs.dataclass_json import dataclass_from_json
from algos.runs.run_folder import RunFolder, RunFolderError, read_json
from algos.runs.tracking import TrackerName, require_tracker, tracking
from policies.base import BatchPolicy, TrainablePolicy
from policies.baselines.uniform import UniformPolicy
from sage_env.rewards import Reward, efficient
from sage_env.synth import SageSynth, sage_synth

if TYPE_CHECKING:
    from policies.sage_mm import SageMM

Env: TypeAlias = gym.Env[Any, Any]
# Settings that may change when an unfinished run is continued: they change no result.
MAY_DIFFER = {"run", "root", "slots", "workers", "checkpointing", "track"}
MAY_DIFFER |= {"ppo.workers", "ppo.micro_batch"}
DECODINGS = {0.0: "greedy", 1.0: "T = 1"}
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


def run(config: FirstLight) -> dict[str, EvalResult]:
    """Do it all; print the tables and where the report is. Returns the results by key.

    Raises:
        RunFolderError: if another process trains into the same folder.
        ConfigChanged: if the folder holds results of other settings.
    """
    import torch

    from policies.baselines.scripted import DEMONSTRATOR, Scripted
    from sage_env.synth.build import build

    torch.set_num_threads(1)  # whole batches run side by side instead, see `workers`
    if config.track is not None:
        require_tracker(config.track)  # before hours of work, not after
    folder = RunFolder(config.run)
    with folder.alone():
        save_settings(folder, config)
        build(config.root)
        policy = load_policy(config)
        stages = Stages(config, folder, policy)
        stages.measure("demonstrator", Scripted.load(DEMONSTRATOR, config.checkpoint))
        stages.measure_both("SFT base", policy)
        stages.learn()
        stages.measure_both("after PPO", policy)
        frames = stages.mean_frames("after-ppo-greedy")
        stages.measure_both("DIRECT, same frames", UniformPolicy(policy, frames))
        stages.measure_both("DIRECT, double frames", UniformPolicy(policy, 2 * frames))
        stages.report()
    return stages.results


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


def load_policy(config: FirstLight) -> SageMM:
    """Return the policy as it is before any training."""
    from policies.sage_mm import SageMM
    from policies.sage_mm.model.sage_model import LoraSettings

    lora = LoraSettings(r=config.lora_rank, alpha=2 * config.lora_rank, seed=config.ppo.seed)
    settings: dict[str, Any] = {"workers": config.workers, "checkpointing": config.checkpointing}
    settings |= {"device": config.device, "dtype": config.dtype}
    return SageMM.load(config.checkpoint, lora=lora, **settings)


def training_options(config: FirstLight, policy: SageMM) -> dict[str, Any]:
    """Return what the environment of the training is made with."""
    reward: str | Reward = config.reward
    if reward == "efficient":
        reward = efficient(config.frames_weight, config.turns_weight)
    return {**policy.env_options, "reward": reward}


@contextmanager
def training_env(config: FirstLight, policy: SageMM) -> Iterator[Env]:
    """Make one environment as the training uses it."""
    with _envs(sage_synth(config.root, "train"), training_options(config, policy), 1) as envs:
        yield envs[0]


@contextmanager
def _envs(items: SageSynth, options: Mapping[str, Any], count: int) -> Iterator[list[Env]]:
    # The checker that gym.make adds fails for good after an exception in an env's first step.
    make = partial(gym.make, "sage_env:SageVideoQA-v0", disable_env_checker=True)
    envs = [make(dataset=items, **options) for _ in range(count)]
    try:
        yield envs
    finally:
        for env in envs:
            env.close()


def save_settings(folder: RunFolder, config: FirstLight) -> None:
    """Write the settings; refuse a folder whose results were made with others."""
    from algos.runs.checkpoint import require_same

    now = json.loads(json.dumps(asdict(config), default=str))
    if folder.config.exists():
        require_same(read_json(folder.config), now, may_differ=MAY_DIFFER)
    folder.save_config(config)


class Stages:
    """The parts of a run; they share the items, the environments and the results so far.

    Args:
        config: the settings.
        folder: of the run, which `save_settings` has prepared.
        policy: that is measured and trained, in place.
    """

    def __init__(self, config: FirstLight, folder: RunFolder, policy: SageMM) -> None:
        """Measure nothing yet."""
        self.config, self.folder, self.policy = config, folder, policy
        self.test = sage_synth(config.root, "test")
        self.results: dict[str, EvalResult] = {}

    def measure_both(self, name: str, policy: SageMM | UniformPolicy) -> None:
        """Measure greedy decoding and sampling at T = 1."""
        for temperature, decoding in DECODINGS.items():
            policy.temperature = temperature
            self.measure(name, policy, decoding)

    def measure(self, name: str, policy: BatchPolicy, decoding: str = "") -> None:
        """Play the test questions, unless the run's folder has the result already."""
        key = re.sub(r"[^a-z0-9]+", "-", f"{name} {decoding}".lower()).strip("-")
        if key in self.folder.result_names():
            self.results[key] = self.folder.load_result(key)
            return
        # Whoever wants less of the environment plays in the model's otherwise.
        options = {**self.policy.env_options, **getattr(policy, "env_options", {})}
        with (
            tqdm(total=len(self.test), desc=f"{name} {decoding}".strip()) as bar,
            _envs(self.test, options, self.config.slots) as envs,
        ):
            result = evaluate(
                envs,
                policy,
                list(self.test),
                name=name,
                decoding=decoding,
                progress=lambda _: bar.update(),
            )
        if self.config.show_credit and policy is self.policy:
            result = self._with_credit(result)
        self.results[key] = result
        self.folder.save_result(key, result)

    def _with_credit(self, result: EvalResult) -> EvalResult:
        from algos.recipe.step_credit import with_credit

        size = self.config.ppo.micro_batch
        scored = with_credit(self.policy, result.trajectories, micro_batch=size, overview=True)
        return replace(result, trajectories=scored)

    def learn(self) -> None:
        """Train on the core questions of the training videos; keep the best by validation."""
        from algos.ppo.training import train
        from algos.recipe.frame_target import budgeted
        from algos.runs import checkpoint

        config = self.config
        options = training_options(config, self.policy)
        training = sage_synth(config.root, "train")
        validation = sage_synth(config.root, "validation")
        items = [item.id for item in training if item.group["tier"] == "core"]
        asked = [item for item in validation if item.group["tier"] == "core"]

        with (
            _envs(training, options, config.slots) as envs,
            _envs(validation, options, config.slots) as others,
            tracking(config.track, self.folder.path, asdict(config)) as tracker,
        ):

            def validate(policy: TrainablePolicy) -> float:
                """Return the mean reward of greedy decoding on the validation videos."""
                policy.temperature = 0.0
                played = evaluate(others, policy, asked)
                returns = [t.ret for t in played.trajectories if t.error is None]
                frames = measures_of(played.episodes()).frames or 0.0
                return budgeted(sum(returns) / len(returns), frames, config.ppo.recipe)

            train(
                config.ppo,
                self.policy,
                envs,
                items,
                self.folder.path,
                durations={item.id: item.duration for item in training},
                validate=validate,
                tracker=tracker,
            )
        best = checkpoint.load_best(self.folder.checkpoints)
        if best is not None:
            self.policy.load_state(best.policy)
        self.policy.save_adapter(self.folder.path / "adapter")

    def mean_frames(self, key: str) -> int:
        """Return the frames per question of a result, rounded."""
        return round(measures_of(self.results[key].only("tier", "core").episodes()).frames or 1)

    def report(self) -> None:
        """Print the tables and write the report."""
        about = {
            "model": str(self.config.checkpoint or "sage-mm-tiny"),
            "data": "SageSynth, test videos",
            "reward in training": self.config.reward,
            "seed": str(self.config.ppo.seed),
        }
        results = {key: self.results[key] for key in ORDER}
        data = report_data(results, about, self.folder, self.test.frame_size)
        print_tables(results)
        print(f"\nreport: {save_report(self.folder, data)}")
