"""The whole evaluation: every entry played, its folder written, and all of them joined.

results = evaluate_entries(items, ["uniform:16", "sage-mm-tiny"], "runs/mine", budgets=[8, 16])
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from algos.evaluation.measures import EvalResult
from algos.metrics.entry_lines import EntryLine
from algos.rollout.environment_options import EnvironmentOptions
from algos.runs.joint_folder import is_joint, join_entries, read_entries
from algos.runs.run_folder import RunFolder
from algos.suite.controls import LeftOut, chosen_controls, why_not_with
from algos.suite.dataset_questions import Questions
from algos.suite.entries import Control, Entry, planned
from algos.suite.joining import join_results, report_entry
from algos.suite.playing_entries import PlayedEntry, Playing, play_entry
from algos.suite.question_choice import stratified
from policies.errors import PolicyError
from policies.registry import AnyPolicy, load_policy
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.errors import SageEnvError
from sage_env.framing.frame_area import frame_limits

Save = Callable[[RunFolder], None]
"""Writes what a command adds to a run folder: its settings."""


@dataclass(frozen=True, eq=False)
class SuiteResult:
    """What came of an evaluation.

    Attributes:
        results: of the entries that are finished, in the order of the table, by their names.
        played: those of them that this call played or found finished.
        ended: why others ended early, by their names.
        unfinished: entries of the folder that are not finished.
        joint: whether the folder has a folder for each entry.
        entries: what each line of the table is, by its name.
    """

    results: dict[str, EvalResult]
    played: dict[str, PlayedEntry]
    ended: dict[str, SageEnvError] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)
    joint: bool = False
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def lines(self) -> list[EntryLine]:
        """Return the finished entries as lines of tables of measures."""
        return [
            EntryLine(
                result.title,
                result.episodes(),
                **{key: value for key, value in self.entries[name].items() if key != "name"},
            )
            for name, result in self.results.items()
        ]


@dataclass(frozen=True, eq=False)
class Plan:
    """What is going to be played.

    Attributes:
        entries: the lines of the table.
        controls: of them, by name.
        left_out: which controls are not played and why, a sentence each.
    """

    entries: list[Entry]
    controls: dict[str, Control]
    left_out: list[str]


def make_plan(
    policies: Sequence[str],
    questions: Sequence[QAItem],
    controls: Sequence[str] | None = None,
    budgets: Sequence[int] = (),
    *,
    direct: bool = False,
    repeats: int = 1,
) -> Plan:
    """Return the entries of an evaluation.

    Args:
        policies: names.
        questions: that are asked.
        controls: names of floors and ceilings; () for all that suit, `None` for none.
        budgets: see `planned`, and likewise the next two.
        direct: whether each policy also answers at once.
        repeats: how often the policies are played.

    Raises:
        UnknownControl: if a name is none of a control.
    """
    chosen, lost = ([], []) if controls is None else chosen_controls(controls, questions)
    refused = [
        LeftOut(control.name, policy, why)
        for control in chosen
        for policy in dict.fromkeys(policies)
        if (why := why_not_with(control, policy)) is not None
    ]
    entries = planned(
        policies,
        chosen,
        budgets,
        direct=direct,
        repeats=repeats,
        suits=lambda control, policy: why_not_with(control, policy) is None,
    )
    told = [str(one) for one in [*lost, *refused]]
    return Plan(entries, {control.name: control for control in chosen}, told)


def play_entries(
    entries: Sequence[Entry],
    how: Playing,
    folder: RunFolder,
    about: Mapping[str, str] | None = None,
    save: Save = lambda _: None,
) -> SuiteResult:
    """Play entries into a folder, and write their reports and the table.

    One entry's folder is `folder` itself; several, or one more beside those that are there, have
    a folder each in it. An entry that ends early costs the others nothing.

    Args:
        entries: what is played.
        how: what is asked, and with what.
        folder: no one else may write there meanwhile (`RunFolder.alone`).
        about: what the reports say at their top.
        save: called with each folder that was written.

    Raises:
        RunFolderError: if the folder is another command's, or that of one evaluation.
    """
    joint = len(entries) > 1 or is_joint(folder)
    named = unique_names(entries, read_entries(folder) if is_joint(folder) else ())
    told = [{"name": name, **asdict(entry)} for name, entry in named.items()]
    if joint:
        told = join_entries(folder, told)
    played: dict[str, PlayedEntry] = {}
    ended: dict[str, SageEnvError] = {}
    size = (224, 224)
    for name, entry in named.items():
        own = RunFolder(folder.path / name) if joint else folder
        try:
            with _alone(own, joint):
                done = play_entry(entry, how, own)
                save(own)
                size = frame_size_of(done.options, how.questions.dataset)
                report_entry(done, about or {}, size, how.questions)
        except SageEnvError as error:
            ended[name] = error
        else:
            played[name] = done
    results, unfinished = {name: one.result for name, one in played.items()}, list(ended)
    if joint:
        save(folder)
        results, unfinished = join_results(
            folder, about or {}, size, how.questions.name, how.questions.official
        )
    by_name = {one["name"]: one for one in told}
    return SuiteResult(results, played, ended, unfinished, joint, by_name)


def unique_names(
    entries: Sequence[Entry], there: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Entry]:
    """Return entries by the names of their folders; a second one of a name gets a number.

    Args:
        entries: what is played.
        there: what the joint folder's manifest says of its entries: each keeps the name it has.
    """
    taken = {str(one["name"]).lower() for one in there}  # some systems know no cases
    own = [(str(one["name"]), {k: v for k, v in one.items() if k != "name"}) for one in there]
    named: dict[str, Entry] = {}
    for entry in entries:
        what = asdict(entry)
        name = next((name for name, one in own if one == what), "")
        number = 1
        while not name:
            tried = entry.name if number == 1 else f"{entry.name}-{number}"
            name, number = "" if tried.lower() in taken else tried, number + 1
        taken.add(name.lower())
        named[name] = entry
    return named


def frame_size_of(options: Mapping[str, Any], items: Sequence[QAItem]) -> tuple[int, int]:
    """Return `(H, W)` of the frames of an environment with these arguments."""
    sizes = options.get("frame_size"), options.get("frame_pixels")
    return frame_limits(*sizes, getattr(items, "frame_size", None))[0]


@contextmanager
def _alone(folder: RunFolder, joint: bool) -> Iterator[None]:
    if not joint:  # the command is alone in it already
        yield
        return
    with folder.alone("--out"):
        yield


def evaluate_entries(
    items: Sequence[QAItem],
    policies: Sequence[str] | Mapping[str, AnyPolicy],
    out: str | Path,
    *,
    controls: Sequence[str] | None = None,
    budgets: Sequence[int] = (),
    direct: bool = False,
    repeats: int = 1,
    limit: int | None = None,
    seed: int = 0,
    envs: int = 8,
    name: str = "questions",
    progress: bool = False,
    **env_options: Any,
) -> dict[str, EvalResult]:
    """Play policies and their floors on questions, into a folder that the same call goes on with.

    Args:
        items: the questions, or a dataset of `load_dataset`.
        policies: names of `policies.registry`, or objects by the names that they go by.
        out: folder of the run.
        controls: see `make_plan`, and likewise the next three.
        budgets: most frames per question.
        direct: whether each also answers at once.
        repeats: how often each is played.
        limit: how many questions, of every length as large a share as it has; by default all.
        seed: of policies and environments.
        envs: questions that are played at the same time; changes the speed, not the result.
        name: of the dataset, for the report.
        progress: whether progress is shown.
        **env_options: arguments of `VideoQAEnv`, over what the policies ask for.

    Returns:
        The results by entry, in the order of the table.

    Raises:
        SageEnvError: if the folder holds something else, or an entry ended early.
    """
    objects = dict(policies) if isinstance(policies, Mapping) else {}
    folder = RunFolder(Path(out))
    questions = Questions(items, stratified(items, limit), name, settings={"dataset": name})
    plan = make_plan(
        list(policies), questions.chosen, controls, budgets, direct=direct, repeats=repeats
    )
    how = Playing(
        questions,
        make_policy=lambda one: load_policy(one, objects=objects),
        make_envs=partial(_make_envs, envs),
        env_options=partial(_env_options, env_options),
        controls=plan.controls,
        seed=seed,
        show=progress,
    )
    with folder.alone("out"):
        found = play_entries(plan.entries, how, folder, {"seed": str(seed)})
    if found.ended:
        raise PolicyError("; ".join(f"{name}: {error}" for name, error in found.ended.items()))
    return found.results


def _make_envs(most: int, asked: Sequence[QAItem], options: dict[str, Any]) -> list[VideoQAEnv]:
    return [VideoQAEnv(dataset=asked, **options) for _ in range(min(most, len(asked)))]


def _env_options(given: Mapping[str, Any], policy: AnyPolicy, budget: int | None) -> dict[str, Any]:
    return {**EnvironmentOptions(max_frames=budget).env_options(policy), **given}
