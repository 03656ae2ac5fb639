"""`sage-vqa train`: from questions and a checkpoint to a trained any-horizon agent and a report.

Stages: 1 questions and their videos, 2 the evaluations before, 3 PPO, 4 the evaluations after, 5
the report. Each leaves its result in the run's folder; running the command again goes on after the
last one that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from algos.evaluation.groups import in_group
from algos.evaluation.measures import EvalResult, evaluate, measures_of
from algos.evaluation.outcomes import frames_of, mean_return
from algos.evaluation.validation_table import validation_numbers
from algos.experiment.building import (
    Parts,
    evaluation_log,
    find_splits,
    headline,
    keep_best,
    load_policy,
    open_envs,
    require_budget,
    row_options,
    training_options,
)
from algos.experiment.estimate import CPU_SLOTS, require_room, side_by_side
from algos.experiment.questions import (
    SEEN,
    durations_of,
    ready_questions,
    seen_by_adapter,
)
from algos.experiment.results import after_ppo, print_notes, print_tables, remarks, report_data
from algos.experiment.reward_probe import require_differences
from algos.experiment.rows import AFTER, BASE, DEMONSTRATOR, Row, file_key, find_rows
from algos.experiment.settings import Training, check_settings
from algos.rollout.trajectory import Trajectory
from algos.runs.evaluation_manifest import this_session
from algos.runs.metrics import read_metrics
from algos.runs.run_folder import RunFolder
from algos.runs.tracking import require_tracker, tracking
from algos.viewer.reading.report_files import opening, save_report
from algos.viewer.reading.run_facts import session_facts
from policies.base import TrainablePolicy
from policies.baselines.uniform import UniformPolicy
from policies.registry import AnyPolicy
from policies.registry import load_policy as load_named
from sage_env.datasets.splits import Splits
from sage_env.lazy_exports import needs_extra

if TYPE_CHECKING:
    from policies.sage_mm import SageMM


MAX_FRAMES = 128
"""Frames of an episode, where neither the settings nor the policy say (`VideoQAEnv`)."""


def run(config: Training, parts: Parts | None = None) -> dict[str, EvalResult]:
    """Do it all; print the tables and where the report is.

    Args:
        config: the settings.
        parts: objects that take the place of what the settings name.

    Returns:
        The results by key, in the order of the tables.

    Raises:
        RunFolderError: if another process trains into the same folder.
        ConfigChanged: if the folder holds results of other settings.
        SageEnvError: if a setting, the questions, the reward or the checkpoint cannot be used.
    """
    with needs_extra("a training", "sage"):
        import torch

    parts = parts or Parts()
    config = parts.named_in(config)
    torch.set_num_threads(1)  # whole batches run side by side instead, see `workers`
    if config.track is not None:
        require_tracker(config.track)  # before hours of work, not after
    config.require_use()
    rows = find_rows(config.measured)
    folder = RunFolder(config.run)
    with folder.alone():
        stages = open_stages(config, folder, parts)
        stages.probe_reward()
        # Named policies first: one that cannot be loaded should not wait for the model's games.
        for row in sorted((row for row in rows if not row.learned), key=lambda r: r.word == BASE):
            stages.measure_row(row)
        stages.learn()
        for row in sorted((row for row in rows if row.learned), key=lambda row: row.word != AFTER):
            stages.measure_row(row)
        stages.report()
    return stages.results


def open_stages(config: Training, folder: RunFolder, parts: Parts | None = None) -> Stages:
    """Return the stages of a run, with its questions and its model; what is cheap to refuse first.

    Args:
        config: the settings.
        folder: of the run; no one else may write there meanwhile (`RunFolder.alone`).
        parts: objects that take the place of what the settings name.

    Raises:
        ConfigChanged: if the folder holds results of other settings.
        SageEnvError: if a setting, the questions or the checkpoint cannot be used.
    """
    parts = parts or Parts()
    folder.require_no_other("a training", "--run")
    check_settings(folder, config)
    splits = parts.splits or find_splits(config)
    headline(config, splits)
    size = getattr(splits.train, "frame_size", None)
    if parts.policy is None:
        require_room(config, size)
    policy = parts.policy or load_policy(config, parts.tools)
    if config.answers_only:
        policy.answers_only = True
    # A wrong name or number should not wait for the videos.
    with open_envs(splits.train, training_options(config, policy, parts), 1) as envs:
        require_budget(config.ppo.recipe, envs[0])
    splits = ready_questions(splits, folder, skip_broken=config.skip_broken)
    only = headline(config, splits)  # of what can be read
    if seen := seen_by_adapter(config.adapter, splits):
        print(seen)
    stages = Stages(config, folder, policy, splits, only=only, parts=parts)
    for row in find_rows(config.measured):
        stages.require_environment(row)
    if config.slots is None:
        stages.slots = side_by_side(config, policy, size)
    return stages


class Stages:
    """The stages of a run; they share the questions and the results so far.

    Args:
        config: the settings.
        folder: of the run, which `check_settings` has let pass.
        policy: that is measured and trained, in place.
        splits: the questions.
        only: report keys of those to train on.
        parts: objects that take the place of what the settings name.
    """

    def __init__(
        self,
        config: Training,
        folder: RunFolder,
        policy: SageMM,
        splits: Splits,
        *,
        only: Mapping[str, str],
        parts: Parts | None = None,
    ) -> None:
        """Measure nothing yet."""
        self.config, self.folder, self.policy = config, folder, policy
        self.splits, self.only, self.parts = splits, only, parts or Parts()
        self.update, self.slots = 0, config.slots or CPU_SLOTS
        self.session = this_session()
        self._measured: dict[str, tuple[tuple[int, int], EvalResult]] = {}

    @property
    def results(self) -> dict[str, EvalResult]:
        """Return the results by key, in the order of the tables."""
        places = sorted(self._measured, key=lambda key: self._measured[key][0])
        return {key: self._measured[key][1] for key in places}

    def probe_reward(self) -> None:
        """Refuse a reward that pays the same for everything, before anything is played on it."""
        options = training_options(self.config, self.policy, self.parts)
        items = [item for item in self.splits.train if in_group(item, self.only)]
        with open_envs(self.splits.train, options, 1) as envs:
            require_differences(envs[0], items[0].id, self.config.reward)

    def require_environment(self, row: Row) -> None:
        """Refuse a row of frames that no environment can show, before hours and not after them."""
        if row.frames == "most" or row.frames.isdecimal():
            with open_envs(self.splits.test, self._options(self._policy(row)), 1):
                pass

    def measure_row(self, row: Row) -> None:
        """Measure one policy at every temperature, or once if it has none."""
        policy = self._policy(row)
        title = after_ppo(self.update) if row.word == AFTER else row.title
        if getattr(policy, "temperature", None) is None:
            self.measure(replace(row, title=title), policy)
            return
        for place, temperature in enumerate(self.config.temperatures):
            policy.temperature = temperature  # type: ignore[union-attr]
            decoding = "greedy" if temperature == 0 else f"T = {temperature:g}"
            self.measure(replace(row, title=title), policy, decoding, place=place)

    def _policy(self, row: Row) -> AnyPolicy:
        """Return who plays a row."""
        if row.word in (BASE, AFTER):
            return self.policy
        if row.word == DEMONSTRATOR:
            from policies.baselines.scripted import DEMONSTRATOR as HABITS
            from policies.baselines.scripted import Scripted

            checkpoint = self.config.checkpoint
            return Scripted.load(HABITS, None if checkpoint is None else Path(checkpoint))
        if not row.frames:
            return load_named(row.word)
        if row.frames == "most":
            most = int(self._options(self.policy).get("max_frames", MAX_FRAMES))
            return UniformPolicy(self.policy, most)
        if row.frames.isdecimal():
            return UniformPolicy(self.policy, int(row.frames))
        mean = self.mean_frames()
        return UniformPolicy(self.policy, mean if row.frames == "mean" else 2 * mean)

    def _options(self, player: object) -> dict[str, Any]:
        return row_options(self.config, self.policy, player, self.parts)

    def measure(self, row: Row, policy: AnyPolicy, decoding: str = "", *, place: int = 0) -> None:
        """Play the test questions, unless the run's folder has the result already.

        Args:
            row: whom its lines are of.
            policy: who plays.
            decoding: how it chooses, for the tables.
            place: of the decoding among those of the tables.
        """
        key = file_key(row.key, decoding)
        if key in self.folder.result_names():
            self._measured[key] = (place, row.rank), self.folder.load_result(key)
            return
        items = list(self.splits.test)
        credited = self.config.show_credit and policy is self.policy
        played = self.folder.load_played(key).items()
        done = {item_id: episode for item_id, episode in played if episode.error is None}
        title = f"{row.title} {decoding}".strip()
        with (
            tqdm(total=len(items), initial=len(done), desc=title) as bar,
            open_envs(self.splits.test, self._options(policy), self._slots(items)) as envs,
            evaluation_log(self.config, self.folder, key, policy, items, credited) as record,
        ):

            def progress(episode: Trajectory) -> None:
                record(episode)
                bar.update()

            result = evaluate(
                envs,
                policy,
                items,
                name=row.title,
                decoding=decoding,
                progress=progress,
                done=done,
            )
        if credited:
            result = self._with_credit(result)
        self._measured[key] = (place, row.rank), result
        self.folder.save_config(self.config)
        self.folder.save_result(key, result)

    def _slots(self, items: Any) -> int:
        return max(1, min(self.slots, len(items)))

    def _with_credit(self, result: EvalResult) -> EvalResult:
        from algos.recipe.step_credit import with_credit

        size = self.config.ppo.micro_batch
        scored = with_credit(self.policy, result.trajectories, micro_batch=size, overview=True)
        return replace(result, trajectories=scored)

    def learn(self) -> int:
        """Train on questions of the training videos; keep the best by validation.

        Returns:
            After which update the policy is now; 0 is before any.
        """
        from algos.ppo.training import train
        from algos.ppo.validation_episodes import ValidationEpisodes
        from algos.recipe.frame_target import budgeted

        config = self.config
        options = training_options(config, self.policy, self.parts)
        training, validation = self.splits.train, self.splits.validation
        items = [item.id for item in training if in_group(item, self.only)]
        asked = [item for item in validation if in_group(item, self.only)]
        kept = ValidationEpisodes(asked, most=config.ppo.record_validation, seed=config.ppo.seed)
        with (
            open_envs(training, options, self.slots) as envs,
            open_envs(validation, options, self.slots) as others,
            tracking(config.track, self.folder.path, asdict(config)) as tracker,
        ):

            def validate(policy: TrainablePolicy) -> dict[str, float | None]:
                """Return the mean reward of greedy decoding on the validation videos, and more."""
                policy.temperature = 0.0
                played = evaluate(others, policy, asked, progress=kept.record)
                score = budgeted(mean_return(played), frames_of(played), config.ppo.recipe)
                return validation_numbers(played, score)

            self.folder.save_config(config)
            train(
                config.ppo,
                self.policy,
                envs,
                items,
                self.folder.path,
                durations=durations_of(training, read=bool(config.ppo.recipe.curriculum_updates)),
                validate=validate,
                kept=kept,
                questions={item.id: item for item in training},
                tracker=tracker,
            )
        self.update = keep_best(config, self.policy, self.folder)
        return self.update

    def mean_frames(self) -> int:
        """Return the frames per question that the trained policy took, rounded."""
        decoding = min(self.config.temperatures)
        key = file_key("after-ppo", "greedy" if decoding == 0 else f"T = {decoding:g}")
        episodes = self._measured[key][1].only(self.only).episodes()
        return round(measures_of(episodes).frames or 1)

    def report(self) -> None:
        """Print the tables and write the report."""
        about = {
            "model": self.config.checkpoint or "sage-mm-tiny",
            "data": f"{self.config.dataset}, {len(self.splits.test)} test questions",
            "reward in training": self.config.reward,
            "seed": str(self.config.ppo.seed),
        }
        about |= session_facts({"sessions": [self.session]})
        about |= remarks(self.update, self.config.ppo.updates, read_metrics(self.folder.metrics))
        if seen := seen_by_adapter(self.config.adapter, self.splits):
            about[SEEN] = seen
        if not self.results:
            return
        suggested = getattr(self.splits.test, "frame_size", (224, 224))
        size: tuple[int, int] = self._options(self.policy).get("frame_size") or suggested
        data = report_data(self.results, about, self.folder, size, self.only)
        print_tables(self.results, self.only)
        print_notes(about, self.folder, self.update)
        print(f"\nreport: {save_report(self.folder, data)}\nopen it with: {opening(self.folder)}")
