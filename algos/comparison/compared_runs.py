"""The two runs of a comparison, from their rows alone, and the questions that both were asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from algos.evaluation.row_results import EpisodeResult, result_of_row
from algos.runs.evaluation_run import read_rows
from algos.runs.joint_folder import entry_folder
from algos.runs.json_files import RunFolderError, read_json
from sage_env.errors import SageEnvError

Row: TypeAlias = Mapping[str, Any]


class ComparisonError(SageEnvError):
    """Two runs cannot be compared; the message says what they do not share."""


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """One of two runs: what it says of every question.

    Attributes:
        name: for messages and tables, e.g. the folder's path.
        rows: by question, in the run's order.
        manifest: what the run depends on.
    """

    name: str
    rows: Mapping[str, Row]
    manifest: Mapping[str, Any]

    @cached_property
    def results(self) -> Mapping[str, EpisodeResult]:
        """Return what measures are made of, by question."""
        return {name: result_of_row(row) for name, row in self.rows.items()}


@dataclass(frozen=True, eq=False)
class SharedQuestions:
    """The questions of two runs.

    Attributes:
        judged: ids that both have a verdict on, in the order of the first run.
        without_verdict: ids that both were asked, and of which one or both have no verdict.
        only_a: ids of the first run alone.
        only_b: ids of the second run alone.
    """

    judged: Sequence[str]
    without_verdict: Sequence[str]
    only_a: Sequence[str]
    only_b: Sequence[str]


def read_run(path: Path, entry: str | None = None) -> ComparedRun:
    """Read the folder of one evaluation, of one entry of several, or of a score.

    Args:
        path: of the folder.
        entry: name of the entry, where the folder joins several.

    Raises:
        RunFolderError: if it is none; where it joins several entries, they are named.
        LogError: if a line of its rows is none.
    """
    folder = entry_folder(path, entry)
    manifest = read_json(folder.manifest)
    if not isinstance(manifest, dict):
        raise RunFolderError(f"{folder.manifest} is not of an evaluation")
    rows = {row["id"]: row for row in read_rows(folder.samples)}
    if not rows:
        raise RunFolderError(f"{folder.path} holds no rows of questions (samples.jsonl) yet")
    return ComparedRun(str(folder.path), rows, manifest)


def shared_questions(a: ComparedRun, b: ComparedRun) -> SharedQuestions:
    """Return which questions two runs share.

    Raises:
        ComparisonError: if they share none, or mean another question by the same id.
    """
    both = [name for name in a.rows if name in b.rows]
    if not both:
        raise ComparisonError(
            f"{a.name} and {b.name} share no question: {a.name} has {len(a.rows)} "
            f"({_of_dataset(a)}), the first is {next(iter(a.rows))!r}; {b.name} has {len(b.rows)} "
            f"({_of_dataset(b)}), the first is {next(iter(b.rows))!r}: compare runs on the same "
            "dataset and split"
        )
    for name in both:
        for key in ("question", "gold"):
            ours, theirs = a.rows[name].get(key), b.rows[name].get(key)
            if ours != theirs:
                raise ComparisonError(
                    f"question {name!r} is not the same in both runs: its {key} is {ours!r:.80} in "
                    f"{a.name} and {theirs!r:.80} in {b.name}: compare runs on the same version of "
                    "a dataset"
                )
    judged = [
        name for name in both if None not in (a.results[name].correct, b.results[name].correct)
    ]
    known = set(judged)
    return SharedQuestions(
        judged,
        [name for name in both if name not in known],
        [name for name in a.rows if name not in b.rows],
        [name for name in b.rows if name not in a.rows],
    )


def _of_dataset(run: ComparedRun) -> str:
    settings = run.manifest.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    told = [str(settings[key]) for key in ("dataset", "split") if settings.get(key)]
    return " ".join(told) or "of an unknown dataset"
