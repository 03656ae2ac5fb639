"""`sage-vqa train`: from nothing to a trained any-horizon agent and a report.

Stages: 1 video files, 2 the evaluations before, 3 PPO, 4 the evaluations after, 5 the report. Each
leaves its result in the run's folder; running the command again goes on after the last one that is
there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from tqdm import tqdm

from algos.evaluation.measures import EvalResult, evaluate, measures_of
from algos.experiment.building import load_policy, open_envs, training_options
from algos.experiment.results import (
    ORDER,
    REMARKS,
    after_ppo,
    print_tables,
    remarks,
    report_data,
)
from algos.experiment.settings import FirstLight, check_settings
from algos.report.report import save_report
from algos.rollout.trajectory import Trajectory
from algos.runs.metrics import read_metrics
from algos.runs.run_folder import RunFolder
from algos.runs.tracking import require_tracker, tracking
from policies.base import BatchPolicy, TrainablePolicy
from policies.baselines.uniform import UniformPolicy
from sage_env.lazy_exports import needs_extra
from sage_env.synth import sage_synth

if TYPE_CHECKING:
    from policies.sage_mm import SageMM

DECODINGS: Mapping[float, str] = {0.0: "greedy", 1.0: "T = 1"}
"""Temperatures at which policies that sample are measured, with their names."""


def run(config: FirstLight) -> dict[str, EvalResult]:
    """Do it all; print the tables and where the report is. Returns the results by key.

    Raises:
        RunFolderError: if another process trains into the same folder.
        ConfigChanged: if the folder holds results of other settings.
    """
    with needs_extra("a training", "sage"):
        import torch

    from policies.baselines.scripted import DEMONSTRATOR, Scripted
    from sage_env.synth.build import build

    torch.set_num_threads(1)  # whole batches run side by side instead, see `workers`
    if config.track is not None:
        require_tracker(config.track)  # before hours of work, not after
    folder = RunFolder(config.run)
    with folder.alone():
        folder.require_no_other("a training", "--run")
        check_settings(folder, config)
        policy = load_policy(config)  # before the videos: a wrong name should not wait for them
        build(config.root)
        stages = Stages(config, folder, policy)
        stages.measure("demonstrator", Scripted.load(DEMONSTRATOR, config.checkpoint))
        stages.measure_both("SFT base", policy)
        update = stages.learn()
        stages.measure_both(after_ppo(update), policy, key="after PPO")
        frames = stages.mean_frames("after-ppo-greedy")
        stages.measure_both("DIRECT, same frames", UniformPolicy(policy, frames))
        stages.measure_both("DIRECT, double frames", UniformPolicy(policy, 2 * frames))
        stages.report()
    return stages.results


class Stages:
    """The stages of a run; they share the items and the results so far.

    Args:
        config: the settings.
        folder: of the run, which `check_settings` has let pass.
        policy: that is measured and trained, in place.
    """

    def __init__(self, config: FirstLight, folder: RunFolder, policy: SageMM) -> None:
        """Measure nothing yet."""
        self.config, self.folder, self.policy = config, folder, policy
        self.test = sage_synth(config.root, "test")
        self.results: dict[str, EvalResult] = {}
        self.update = 0

    def measure_both(self, name: str, policy: SageMM | UniformPolicy, key: str = "") -> None:
        """Measure greedy decoding and sampling at T = 1; `key` is as for `measure`."""
        for temperature, decoding in DECODINGS.items():
            policy.temperature = temperature
            self.measure(name, policy, decoding, key=key)

    def measure(self, name: str, policy: BatchPolicy, decoding: str = "", *, key: str = "") -> None:
        """Play the test questions, unless the run's folder has the result already.

        Args:
            name: of the line in tables.
            policy: who plays.
            decoding: how it chooses, for the tables.
            key: what files are named after, with the decoding; by default the name.
        """
        key = re.sub(r"[^a-z0-9]+", "-", f"{key or name} {decoding}".lower()).strip("-")
        if key in self.folder.result_names():
            self.results[key] = self.folder.load_result(key)
            return
        # The model's environment, with the policy's own options where it has some (DIRECT does).
        options = {**self.policy.env_options, **getattr(policy, "env_options", {})}
        credited = self.config.show_credit and policy is self.policy
        played = self.folder.load_played(key).items()
        done = {item_id: episode for item_id, episode in played if episode.error is None}
        label = f"{name} {decoding}".strip()
        with (
            tqdm(total=len(self.test), initial=len(done), desc=label) as bar,
            open_envs(self.test, options, self.config.slots) as envs,
            self.folder.play_log(key, tokens=credited) as record,  # credit is read off the tokens
        ):

            def progress(episode: Trajectory) -> None:
                record(episode)
                bar.update()

            result = evaluate(
                envs,
                policy,
                list(self.test),
                name=name,
                decoding=decoding,
                progress=progress,
                done=done,
            )
        if credited:
            result = self._with_credit(result)
        self.results[key] = result
        self.folder.save_config(self.config)
        self.folder.save_result(key, result)

    def _with_credit(self, result: EvalResult) -> EvalResult:
        from algos.recipe.step_credit import with_credit

        size = self.config.ppo.micro_batch
        scored = with_credit(self.policy, result.trajectories, micro_batch=size, overview=True)
        return replace(result, trajectories=scored)

    def learn(self) -> int:
        """Train on the core questions of the training videos; keep the best by validation.

        Returns:
            After which update the policy is now; 0 is before any.
        """
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
            open_envs(training, options, config.slots) as envs,
            open_envs(validation, options, config.slots) as others,
            tracking(config.track, self.folder.path, asdict(config)) as tracker,
        ):

            def validate(policy: TrainablePolicy) -> float:
                """Return the mean reward of greedy decoding on the validation videos."""
                policy.temperature = 0.0
                played = evaluate(others, policy, asked)
                returns = [t.ret for t in played.trajectories if t.error is None]
                frames = measures_of(played.episodes()).frames or 0.0
                return budgeted(sum(returns) / len(returns), frames, config.ppo.recipe)

            self.folder.save_config(config)
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
        self.update = 0 if best is None else best.update
        return self.update

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
        about |= remarks(self.update, self.config.ppo.updates, read_metrics(self.folder.metrics))
        results = {key: self.results[key] for key in ORDER}
        data = report_data(results, about, self.folder, self.test.frame_size)
        print_tables(results)
        print()
        for name, said in about.items():
            if name in REMARKS:
                print(f"{name}: {said}")
        print(f"\nreport: {save_report(self.folder, data)}")
