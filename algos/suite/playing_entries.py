"""Playing the entries of an evaluation, each into a run folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from gymnasium import Env
from tqdm import tqdm

from algos.evaluation.measures import EvalResult, evaluation_specs
from algos.metrics.prices import price_records
from algos.rollout.anytime import believing
from algos.rollout.conditions import decoding_of
from algos.rollout.playing import collect
from algos.rollout.trajectory import Trajectory
from algos.runs.evaluation_manifest import require_settings
from algos.runs.evaluation_run import EvaluationRun
from algos.runs.run_folder import RunFolder
from algos.runs.token_log import MOST_QUESTIONS
from algos.seeds import subseed
from algos.suite.dataset_questions import Questions, missing_videos
from algos.suite.entries import Control, Entry, file_name
from algos.suite.manifest_settings import entry_settings
from policies.registry import AnyPolicy
from policies.terminal_text import visible
from sage_env.datasets.access.coverage import coverage_of
from sage_env.datasets.item import QAItem
from sage_env.errors import SageEnvError

MakeEnvs = Callable[[Sequence[QAItem], dict[str, Any]], Sequence[Env[Any, Any]]]
"""Makes environments that are alike, of a dataset and with these arguments."""


_MISSING = "their video is not there"


class PlayEnded(SageEnvError):
    """A play ended before its last question; the message says why, and how much is saved."""


class NothingToPlay(SageEnvError):
    """No question of an evaluation can be asked; the message says why."""


@dataclass(frozen=True, eq=False)
class Playing:
    """How entries are played.

    Attributes:
        questions: what is asked.
        make_policy: the policy of a name.
        make_envs: environments of a dataset.
        env_options: arguments of the environment, of a policy and a budget of frames or `None`.
        controls: by name.
        seed: of the evaluation; a repeat has one that is made of it.
        settings: what the episodes depend on beside that, for the manifest.
        policy_settings: likewise, told only once the policies have refused a key among them.
        retry_errors: whether questions that failed on our side are played again.
        beliefs: whether what policies believed after each turn is recorded, where they can say so.
        record_tokens: of how many questions the sampled tokens are kept (`algos.runs.token_log`).
        show: whether a progress line is shown.
        tell: is given what a person should know meanwhile, in sentences.
    """

    questions: Questions
    make_policy: Callable[[str], AnyPolicy]
    make_envs: MakeEnvs
    env_options: Callable[[AnyPolicy, int | None], dict[str, Any]]
    controls: Mapping[str, Control] = field(default_factory=dict)
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    policy_settings: Mapping[str, Any] = field(default_factory=dict)
    retry_errors: bool = True
    beliefs: bool = False
    record_tokens: int = MOST_QUESTIONS
    show: bool = True
    tell: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, eq=False)
class PlayedEntry:
    """One entry that was played to its end.

    Attributes:
        entry: what it is.
        folder: where it lies.
        result: what came of it.
        options: arguments of its environment.
        missing: how many questions were left out because their video is not there.
        unsuited: how many its control cannot be asked with.
    """

    entry: Entry
    folder: RunFolder
    result: EvalResult
    options: Mapping[str, Any]
    missing: int
    unsuited: int


def play_entry(entry: Entry, how: Playing, folder: RunFolder) -> PlayedEntry:
    """Play what is missing of an entry, and write its folder but for the report.

    Args:
        entry: what is played.
        how: what is asked, and with what.
        folder: where it is written; no one else may write there meanwhile.

    Raises:
        RunFolderError: if the folder holds something else.
        PlayEnded: if it ended early, saying how much is saved.
        NothingToPlay: if no video is there.
    """
    control = None if entry.control is None else how.controls[entry.control]
    dataset, asked = how.questions.asked(control, how.seed)
    settings = {**how.settings, **how.questions.described(), "seed": how.seed, **asdict(entry)}
    player = entry.policy if control is None else control.played_by(entry.policy)
    settings["played by"] = player
    require_settings(folder, settings)  # before a large model is loaded
    policy = how.make_policy(player)
    options = how.env_options(policy, entry.budget) | dict(control.env_options if control else {})
    settings |= {**entry_settings(policy, options, dataset), **how.policy_settings}
    decoding = decoding_of(policy)
    name = file_name(" ".join(filter(None, [player, decoding])))
    with EvaluationRun(
        folder,
        name,
        asked,
        settings,
        facts=_facts(how.questions, asked),
        entry=asdict(entry),
        retry_errors=how.retry_errors,
        policy=policy,
        record_tokens=how.record_tokens,
    ) as run:
        lost = set() if "opener" in options else missing_videos(asked, dataset)
        unsuited = _unsuited(asked, control) - lost
        run.leave_out(lost | unsuited)
        if lost and run.items:
            how.tell(f"{len(lost)} of {len(asked)} questions are left out: {_MISSING}")
        if not run.items and how.questions.shard is None:  # else others have something to play
            raise NothingToPlay(
                f"none of {len(asked)} questions has its video, the first wants {asked[0].video}: "
                "name the folder of the videos with --root"
            )
        with _environments(how, dataset, options) as envs:
            _play_waiting(run, envs, policy, entry, how)
        there = {item.id for item in run.items}
        missing, unasked = len(lost - there), len(unsuited - there)
        summary = {"entry": asdict(entry), "asked": len(asked)}
        summary |= {"without video": missing, "not for this control": unasked}
        summary |= {"prices": price_records(run.totals.prices)}
        summary |= {"coverage": asdict(coverage_of(how.questions.dataset, run.items))}
        result = run.finish(entry.title, decoding, summary)
    return PlayedEntry(entry, folder, result, options, missing, unasked)


def _unsuited(asked: Sequence[QAItem], control: Control | None) -> set[str]:
    """Return the ids of questions that a control cannot be asked with."""
    asks = None if control is None else control.asks
    return set() if asks is None else {item.id for item in asked if not asks(item)}


def seed_of(seed: int, repeat: int) -> int:
    """Return the seed of a repeat; that of repeat 0 is the evaluation's own."""
    return seed if repeat == 0 else subseed(seed, "repeat", repeat)


def _facts(questions: Questions, asked: Sequence[QAItem]) -> dict[str, Any]:
    """Return what a manifest has for `merge`: where a shard's questions stand in the whole."""
    if questions.shard is None:
        return {}
    places = zip(asked, questions.positions(), strict=True)
    return {"positions": {item.id: place for item, place in places}}


@contextmanager
def _environments(
    how: Playing, dataset: Sequence[QAItem], options: dict[str, Any]
) -> Iterator[Sequence[Env[Any, Any]]]:
    envs = how.make_envs(dataset, options)
    try:
        yield envs
    finally:
        for env in envs:
            env.close()


def _play_waiting(
    run: EvaluationRun,
    envs: Sequence[Env[Any, Any]],
    policy: AnyPolicy,
    entry: Entry,
    how: Playing,
) -> None:
    """Play the questions that are not done, and say what is saved if that ends early."""
    waiting, count = run.waiting, len(run.items)
    if run.done:
        how.tell(f"{len(run.done)} of {count} questions are played already")
    with tqdm(
        total=count,
        initial=count - len(waiting),
        desc=visible(entry.title),
        unit="question",
        disable=not how.show,
    ) as bar:

        def progress(trajectory: Trajectory) -> None:
            run.record(trajectory)
            bar.set_postfix_str(str(run.totals), refresh=False)
            bar.update()

        told = believing(policy, run.items, progress) if how.beliefs else progress
        seed = seed_of(how.seed, entry.repeat)
        specs = evaluation_specs(waiting, seed)
        try:
            collect(envs, policy, specs, seed=seed, progress=told, isolate=True, keep=False)
        except SageEnvError as error:
            raise PlayEnded(f"{error}; {_saved(run)}") from error
        except BaseException as error:
            bar.close()
            error.add_note(_saved(run))  # for who ends the process: an interrupt says nothing else
            raise


def _saved(run: EvaluationRun) -> str:
    """Return how much of an evaluation is saved, and how it goes on."""
    return (
        f"{len(run.done)} of {len(run.items)} questions are saved in {run.folder.path}, and the "
        "same command goes on with the others"
    )
