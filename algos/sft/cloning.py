"""Behaviour cloning in one call: episodes of anyone in, an adapter and its measures out.

    shown = demonstrate(Scripted.load(), items, run / "demonstrations.jsonl")
    made = clone(policy, shown, items, run, SFTConfig(epochs=2))

Pomerleau (1989) has the idea; here whoever played is imitated on the tokens that the student would
have written (`replaying`), and nothing is learned of what it only reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from algos.evaluation.measures import EvalResult, Measures, evaluate, measures_of
from algos.rollout.trajectory import Trajectory
from algos.runs.run_folder import RunFolder, write_json
from algos.sft.environments import open_envs
from algos.sft.examples import Example
from algos.sft.fitting import Fitted, fine_tune
from algos.sft.replaying import Replayer, ReplaySettings
from algos.sft.settings import FineTuningError, SFTConfig
from algos.sft.stored_episodes import EpisodeChoice, StoredEpisode
from algos.sft.video_split import hold_out, require_disjoint
from policies.sage_mm.policy import SageMM
from sage_env.datasets.item import QAItem

Pair = tuple[StoredEpisode, Example]
PLAYED = "after-sft-greedy"
"""Name of the evaluation that `play_held_out` writes."""


@dataclass(frozen=True, eq=False)
class Lessons:
    """What a student learns from and is validated on.

    Attributes:
        training: episodes with their tokens.
        validation: likewise, of other videos.
        left_out: how many episodes were left out for what.
        replayer: plays an episode again whose frames were dropped.
    """

    training: Sequence[Pair]
    validation: Sequence[Pair]
    left_out: Mapping[str, int]
    replayer: Replayer
    _lock: Any = field(default_factory=Lock, init=False, repr=False)

    def restore(self, examples: Sequence[Example]) -> None:
        """Decode and encode again the frames that the caches have dropped.

        Raises:
            FineTuningError: if the caches cannot hold the frames of these examples together.
        """
        lost = [example for example in examples if not self.replayer.holds(example)]
        if not lost:
            return
        with self._lock:  # pieces of a step may run side by side
            pairs = [*self.training, *self.validation]
            episodes = {id(example): episode for episode, example in pairs}
            self.replayer.examples([episodes[id(example)] for example in lost])
        if not all(map(self.replayer.holds, examples)):
            raise FineTuningError(
                f"the features of {len(examples)} episodes do not fit into memory together: give "
                "more --feature-gib or a --feature-folder, or a smaller --micro-batch"
            )

    def question_ids(self) -> dict[str, list[str]]:
        """Return the ids of the questions of each side, sorted."""
        sides = {"training": self.training, "validation": self.validation}
        return {side: sorted({e.item_id for e, _ in pairs}) for side, pairs in sides.items()}


def prepare(
    student: SageMM,
    episodes: Sequence[StoredEpisode | Trajectory],
    items: Sequence[QAItem],
    *,
    validation: Sequence[StoredEpisode | Trajectory] | float = 0.1,
    seed: int = 0,
    choice: EpisodeChoice | None = None,
    env_options: Mapping[str, Any] | None = None,
    settings: ReplaySettings | None = None,
    progress: bool = False,
) -> Lessons:
    """Choose episodes, play them again in the student's tokens, and hold some out by video.

    Args:
        student: whose tokens they become.
        episodes: of whoever played.
        items: the questions.
        validation: episodes of other videos, or the share of the videos to hold out; 0 for none.
        seed: of the draw of those videos.
        choice: which episodes are learned from; it holds for those that are validated on too, but
            for its limit where they are given.
        env_options: of `gym.make`, see `Replayer`.
        settings: how they are played again.
        progress: show a progress bar.

    Raises:
        FineTuningError: if nothing is left, an episode cannot be learned from, or a video is on
            both sides.
    """
    choice = choice or EpisodeChoice()
    kept, left_out = choice.split(_stored(episodes))
    replayer = Replayer(student, items, env_options, settings)
    pairs = replayer.examples(kept, progress=progress)
    videos = {item.id: str(item.video) for item in items}
    if isinstance(validation, float | int):
        held = hold_out([videos[e.item_id] for e, _ in pairs], validation, seed) if pairs else []
        training = [pair for pair, out in zip(pairs, held, strict=True) if not out]
        others = [pair for pair, out in zip(pairs, held, strict=True) if out]
    else:
        training = pairs
        more, _ = replace(choice, limit=None).split(_stored(validation))
        others = replayer.examples(more, progress=progress)
        sides = [{e.item_id: videos[e.item_id] for e, _ in side} for side in (training, others)]
        require_disjoint(*sides)
        if not others:
            raise FineTuningError("no validation episode is left: give others, or a share to hold")
    for reason, count in replayer.left_out.items():
        left_out[reason] = left_out.get(reason, 0) + count
    if not training:
        told = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "none given"
        raise FineTuningError(f"no episode is left to train on: {told}")
    return Lessons(training, others, left_out, replayer)


def clone(
    student: SageMM,
    episodes: Sequence[StoredEpisode | Trajectory],
    items: Sequence[QAItem],
    run_folder: Path,
    config: SFTConfig | None = None,
    *,
    validation: Sequence[StoredEpisode | Trajectory] | float = 0.1,
    choice: EpisodeChoice | None = None,
    env_options: Mapping[str, Any] | None = None,
    settings: ReplaySettings | None = None,
    progress: bool = False,
) -> Fitted:
    """Teach a student to play as in these episodes; go on with a run that the folder has.

    Args:
        student: whose actor is trained, in place.
        episodes: of whoever played: `demonstrate`, `read_episodes`, or trajectories in memory.
        items: the questions.
        run_folder: see `fine_tune`; also gets `split.json`.
        config: of the training.
        validation: see `prepare`, as for the next three.
        choice: which episodes.
        env_options: of `gym.make`.
        settings: how they are played again.
        progress: show progress bars.

    Raises:
        FineTuningError, ConfigChanged, CheckpointError, Stopped: see `prepare` and `fine_tune`.
    """
    config = config or SFTConfig()
    lessons = prepare(
        student,
        episodes,
        items,
        validation=validation,
        seed=config.seed,
        choice=choice,
        env_options=env_options,
        settings=settings,
        progress=progress,
    )
    return learn(student, lessons, run_folder, config, progress=progress)


def learn(
    student: SageMM,
    lessons: Lessons,
    run_folder: Path,
    config: SFTConfig,
    *,
    progress: bool = False,
) -> Fitted:
    """Train on what was prepared, see `fine_tune`, and write which questions are on which side.

    Args:
        student: whose actor is trained, in place.
        lessons: see `prepare`.
        run_folder: of the run.
        config: of the training.
        progress: show a progress bar.
    """
    write_json(RunFolder(run_folder).split, lessons.question_ids())
    return fine_tune(
        config,
        student,
        [example for _, example in lessons.training],
        run_folder,
        validation=[example for _, example in lessons.validation],
        restore=lessons.restore,
        progress=progress,
    )


def play_held_out(
    student: SageMM,
    lessons: Lessons,
    items: Sequence[QAItem],
    run_folder: Path,
    *,
    env_options: Mapping[str, Any] | None = None,
    envs: int = 8,
) -> Measures:
    """Play the validation questions greedily, and keep the evaluation in the run's folder.

    Args:
        student: who plays.
        lessons: has the questions.
        items: all questions.
        run_folder: of the run.
        env_options: of `gym.make`, above what the student wants.
        envs: questions that are played at the same time.

    Raises:
        FineTuningError: if nothing was held out.
    """
    ids = set(lessons.question_ids()["validation"])
    asked = [item for item in items if item.id in ids]
    if not asked:
        raise FineTuningError("no question was held out, so that none can be played")
    folder, student.temperature = RunFolder(run_folder), 0.0
    result: EvalResult
    if PLAYED in folder.result_names():
        result = folder.load_result(PLAYED)
    else:
        options = {**student.env_options, **(env_options or {})}
        with open_envs(items, options, min(envs, len(asked))) as made:
            result = evaluate(made, student, asked, name="after SFT", decoding="greedy")
        folder.save_result(PLAYED, result)
    return measures_of(result.episodes())


def _stored(episodes: Sequence[StoredEpisode | Trajectory]) -> list[StoredEpisode]:
    return [e if isinstance(e, StoredEpisode) else StoredEpisode(e) for e in episodes]
