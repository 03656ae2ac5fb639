"""`sage-vqa train`: from nothing to a trained any-horizon agent and a report.

Stations: video files, the evaluations before, PPO, the evaluations after, the report. Each leaves
its result in the run's folder; running the command again goes on after the last one that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from tqdm import tqdm

from algos import checkpoint
from algos.evaluate import EvalResult, Measures, difference, evaluate, measures_of
from algos.ppo_config import PPOConfig
from algos.report import ReportData, save_report
from algos.run_folder import RunFolder
from algos.tables import SUMMARY_HEADER, format_table, summary_cells
from policies.base import BatchPolicy, TrainablePolicy
from policies.uniform import UniformPolicy
from sage_env.datasets import QAItem
from sage_env.synth import SageSynth, sage_synth

if TYPE_CHECKING:
    from policies.sage_mm import SageMM

DEMONSTRATOR, BASE, AFTER = "demonstrator", "SFT base", "after PPO"


@dataclass(frozen=True, kw_only=True)
class FirstLight:
    """Train the tiny model with PPO on SageSynth and measure what it learned."""

    run: Path = Path("runs/first-light")
    """Folder of the run; an unfinished run in it is continued."""
    root: Path | None = None
    """Folder of the video files; by default $SAGE_ENV_CACHE or ~/.cache/sage_env."""
    checkpoint: Path | None = None
    """Model to start from; by default the shipped one."""
    slots: int = 64
    """Environments that play side by side."""
    workers: int = 2
    """Threads of the learner, each on one core."""
    reward: str = "efficient"
    """Reward preset of training: `answer`, or `efficient` (right answers cost what was looked at)."""
    lora_rank: int = 16
    """Rank of the LoRA adapters."""
    ppo: PPOConfig = field(
        default_factory=lambda: PPOConfig(
            updates=32,
            questions_per_update=32,
            episodes_per_question=8,
            advantage="group",
            actor_lr=6e-4,
            micro_batch=8,
            workers=2,
            eval_every=8,
        )
    )
    """Settings of PPO."""


def run(config: FirstLight) -> None:
    """Do it all, print the table and where the report is."""
    import torch

    from policies.sage_mm import SageMM
    from policies.sage_mm.model import LoraSettings
    from policies.scripted import DEMONSTRATOR as HABITS
    from policies.scripted import Scripted
    from sage_env.synth.build import build

    torch.set_num_threads(1)
    folder = RunFolder(config.run)
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.save_config(config)
    build(config.root)
    lora = LoraSettings(r=config.lora_rank, alpha=2 * config.lora_rank, seed=config.ppo.seed)
    policy = SageMM.load(config.checkpoint, lora=lora, workers=config.workers)
    stations = _Stations(config, folder, policy)
    teacher = Scripted.load(HABITS, config.checkpoint)
    stations.measure(DEMONSTRATOR, teacher, stations.budget)
    for temperature in (0.0, 1.0):
        stations.measure(BASE, policy, stations.budget, temperature)
    stations.learn()
    for temperature in (0.0, 1.0):
        after = stations.measure(AFTER, policy, stations.budget, temperature)
    frames = round(measures_of(stations.results[f"{AFTER}, greedy"].episodes()).frames or 1)
    for factor, text in ((1, "same frames"), (2, "double frames")):
        direct = UniformPolicy(policy, factor * frames)
        for temperature in (0.0, 1.0):
            name = f"DIRECT, {text}"
            stations.measure(name, direct, direct.env_options, temperature)
    del after
    stations.report()


class _Stations:
    """What the stations share: the items, the environments and the results so far."""

    def __init__(self, config: FirstLight, folder: RunFolder, policy: SageMM) -> None:
        self.config, self.folder, self.policy = config, folder, policy
        self.budget = dict(policy.env_options)
        self.test = sage_synth(config.root, "test")
        self.results: dict[str, EvalResult] = {}

    def envs(self, items: SageSynth, count: int, **settings: Any) -> list[gym.Env[Any, Any]]:
        return [
            gym.make(
                "sage_env:SageVideoQA-v0", disable_env_checker=True, dataset=items, **settings
            ) for _ in range(count)
        ]

    def measure(
        self,
        name: str,
        policy: BatchPolicy,
        settings: Any,
        temperature: float | None = None,
    ) -> EvalResult:
        """Play the test questions, unless the run's folder has the result already."""
        decoding = "" if temperature is None else "greedy" if temperature == 0 else "T = 1"
        title = f"{name}, {decoding}" if decoding else name
        key = title.replace(", ", "-").replace(" ", "-").replace("=", "").lower()
        if key in self.folder.result_names():
            self.results[title] = self.folder.load_result(key)
            return self.results[title]
        if temperature is not None:
            policy.temperature = temperature  # type: ignore[attr-defined]
        items = list(self.test)
        envs = self.envs(self.test, self.config.slots, **settings)
        with tqdm(total=len(items), desc=title) as bar:
            result = evaluate(
                envs,
                policy,
                items,
                name=name,
                decoding=decoding,
                progress=lambda _: bar.update(),
            )
        for env in envs:
            env.close()
        self.results[title] = result
        self.folder.save_result(key, result)
        return result

    def learn(self) -> None:
        """Train on the core questions of the training videos; keep the best by validation."""
        from algos.ppo import train

        config = self.config
        training = sage_synth(config.root, "train")
        items = [item.id for item in training if item.group["tier"] == "core"]
        envs = self.envs(training, config.slots, **self.budget, reward=config.reward)
        train(config.ppo, self.policy, envs, items, self.folder.path, validate=self._validator())
        for env in envs:
            env.close()
        best = checkpoint.load_best(self.folder.checkpoints)
        if best is not None:
            self.policy.load_state(best.policy)
        self.policy.save_adapter(self.folder.path / "adapter")

    def _validator(self) -> Callable[[TrainablePolicy], float]:
        """Return what scores a policy: its mean reward, greedy, on the validation videos."""
        items = sage_synth(self.config.root, "validation")
        asked = [item for item in items if item.group["tier"] == "core"]
        envs = self.envs(items, self.config.slots, **self.budget, reward=self.config.reward)

        def validate(policy: TrainablePolicy) -> float:
            policy.temperature = 0.0
            played = evaluate(envs, policy, asked).trajectories
            returns = [t.ret for t in played if t.error is None]
            return sum(returns) / len(returns)

        return validate

    def report(self) -> None:
        """Print the tables and write the report."""
        order = ["DIRECT, same frames", "DIRECT, double frames", DEMONSTRATOR, BASE, AFTER]
        titles = [
            title
            for decoding in ("greedy", "T = 1")
            for name in order
            for title in (f"{name}, {decoding}", name)
            if title in self.results and not (title == name and decoding == "T = 1")
        ]
        core = {title: by_tier(self.results[title], "core") for title in titles}
        hard = {title: by_tier(self.results[title], "hard") for title in titles}
        print("\nHeld-out videos, core tier (glance, needle, when)")
        print(format_table(SUMMARY_HEADER, summary_cells(list(core.values()))))
        print("\nThe same videos, hard tier (order, count, detail)")
        print(format_table(SUMMARY_HEADER, summary_cells(list(hard.values()))))
        gap = difference(core[f"{AFTER}, greedy"].episodes(), core[f"{BASE}, greedy"].episodes())
        if gap.mean is not None and gap.interval is not None:
            low, high = gap.interval
            print(f"\nafter PPO minus SFT base: {gap.mean:+.1%} [{low:+.1%}, {high:+.1%}]")
        data = ReportData(
            title="First light",
            about={"model": str(self.config.checkpoint or "sage-mm-tiny"), "data": "SageSynth"},
            results=core | {f"{title} (hard tier)": result for title, result in hard.items()},
            before=f"{BASE}, greedy",
            after=f"{AFTER}, greedy",
            direct="DIRECT, double frames, greedy",
            frame_size=self.test.frame_size,
        )
        print(f"report: {save_report(self.folder, data)}")


def by_tier(result: EvalResult, tier: str) -> EvalResult:
    """Return the part of a result that is about questions of one tier."""
    pairs: Sequence[tuple[QAItem, Any]] = [
        (item, trajectory)
        for item, trajectory in zip(result.items, result.trajectories, strict=True)
        if item.group["tier"] == tier
    ]
    items, trajectories = [item for item, _ in pairs], [t for _, t in pairs]
    return EvalResult(result.name, items, trajectories, result.decoding)


def measures(result: EvalResult) -> Measures:
    """Return the measures of a whole result."""
    return measures_of(result.episodes())
