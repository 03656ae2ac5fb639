"""One finished entry of an evaluation, with everything that an export may tell of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algos.rollout.trajectory import Trajectory
from algos.runs.evaluation_run import read_rows, read_settings
from algos.runs.run_folder import RunFolder, RunFolderError, read_json
from sage_env.datasets.item import QAItem
from sage_env.errors import SageEnvError

JOINT = "evaluations"
"""What `manifest.json` says of a folder whose folders are the entries."""


class ExchangeError(SageEnvError):
    """Something cannot be written in another format or read from one; the message says what."""


@dataclass(frozen=True)
class PlayedQuestion:
    """One question of an entry.

    Attributes:
        item: the question.
        row: its row of `samples.jsonl`.
        trajectory: its episode, without tokens; `None` where only the row is known.
    """

    item: QAItem
    row: Mapping[str, Any]
    trajectory: Trajectory | None

    @property
    def outcome(self) -> str:
        """Return `right`, `wrong`, `missing` (no answer), `unjudged` or `failed`."""
        row = self.row
        if row.get("error") is not None:
            return "failed"
        if row.get("verdict") is None:
            return "unjudged"
        if row["verdict"]:
            return "right"
        return "missing" if row.get("prediction") is None else "wrong"


@dataclass(frozen=True)
class PlayedEntry:
    """One policy's play over some questions, as its run folder has it.

    Attributes:
        folder: of the run.
        name: of the result, e.g. `"uniform-16"`.
        settings: what the episodes depend on, as `manifest.json` has it.
        sessions: the processes that played: when they started, their versions and machines.
        questions: in the order of the items.
    """

    folder: Path
    name: str
    settings: Mapping[str, Any]
    sessions: Sequence[Mapping[str, Any]]
    questions: Sequence[PlayedQuestion]

    @property
    def policy(self) -> str:
        """Return who played, in one word or two."""
        return str(self.settings.get("policy") or self.name)

    @property
    def dataset(self) -> str:
        """Return the name of the dataset, without folders and suffix."""
        return Path(str(self.settings.get("dataset") or "questions")).stem

    def counts(self) -> dict[str, int]:
        """Return how many questions had which outcome, those that none had as 0."""
        found = [question.outcome for question in self.questions]
        return {name: found.count(name) for name in OUTCOMES}

    def episodes(self, *, not_judged: bool = False) -> Iterator[tuple[PlayedQuestion, Trajectory]]:
        """Yield the questions whose episode is known and did not fail.

        Args:
            not_judged: whether also those that failed when their answer was judged.
        """
        for question in self.questions:
            trajectory = question.trajectory
            if trajectory is None:
                continue
            if trajectory.error is None or (not_judged and trajectory.not_judged):
                yield question, trajectory


OUTCOMES = ("right", "wrong", "missing", "unjudged", "failed")
"""What can become of a question; each counts apart."""


def read_entry(path: Path, entry: str | None = None) -> PlayedEntry:
    """Read a finished entry of an evaluation.

    Args:
        path: the folder of `sage-vqa eval` with one entry, or with several.
        entry: which one, where there are several.

    Raises:
        ExchangeError: if the folder holds several entries and none was named, or not that one.
        RunFolderError: if it is none of an evaluation, or one that is not finished.
    """
    folder = RunFolder(_entry_folder(path, entry))
    settings = read_settings(folder)
    names = folder.result_names()
    if len(names) != 1 or not folder.summary.exists():
        raise RunFolderError(
            f"{folder.path} holds an unfinished evaluation: run the same `sage-vqa eval` again, "
            "which goes on with it"
        )
    result = folder.load_result(names[0])
    rows = {row["id"]: row for row in read_rows(folder.samples)}
    missing = [item.id for item in result.items if item.id not in rows]
    if missing:
        raise RunFolderError(f"{folder.samples} has no row of the question {missing[0]!r}")
    pairs = zip(result.items, result.trajectories, strict=True)
    told = settings.get("imported from")
    questions = [
        PlayedQuestion(item, rows[item.id], None if told and not played.turns else played)
        for item, played in pairs
    ]
    sessions = read_json(folder.manifest)["sessions"]
    return PlayedEntry(folder.path, names[0], settings, sessions, questions)


def _entry_folder(path: Path, entry: str | None) -> Path:
    """Return the folder of one entry."""
    manifest = read_json(path / "manifest.json")
    joint = isinstance(manifest, dict) and manifest.get("kind") == JOINT
    if not joint:
        if entry is not None:
            raise ExchangeError(f"{path} has one entry only: leave out --entry, got {entry!r}")
        return path
    there = sorted(file.parent.name for file in path.glob("*/manifest.json"))
    if entry is None and len(there) == 1:
        return path / there[0]
    if entry not in there:
        got = "none" if entry is None else repr(entry)
        raise ExchangeError(
            f"{path} has the entries {', '.join(there)}: name one with --entry, got {got}"
        )
    return path / entry


def plain_json(value: Any) -> Any:
    """Return data as it comes back from a JSON file: tuples as lists, anything odd as text."""
    return json.loads(json.dumps(value, default=str))
