"""Answers to score, with the questions that they answer: of a run folder, or of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algos.runs.evaluation_run import questions_digest, read_rows
from algos.runs.joint_folder import entry_folder
from algos.runs.json_files import RunFolderError, item_from_json, read_json
from algos.runs.run_folder import RunFolder
from algos.scoring.predictions import read_predictions, rows_of_predictions
from algos.scoring.row_scoring import Row
from sage_env.datasets.item import QAItem


@dataclass(frozen=True)
class StoredAnswers:
    """Rows of answers, and what they answer.

    Attributes:
        name: of what answered, for tables.
        source: the folder or file.
        rows: one per question.
        items: the questions, by id.
        settings: what the answers depend on.
        sessions: when and with what they were played.
        played: whether a verdict of none is that of a judge who gave none; else nobody was asked.
    """

    name: str
    source: Path
    rows: Sequence[Row]
    items: Mapping[str, QAItem]
    settings: Mapping[str, Any]
    sessions: Sequence[Any] = ()
    played: bool = True


def answers_of_run(
    path: Path, items: Sequence[QAItem] | None = None, entry: str | None = None
) -> StoredAnswers:
    """Return the answers of a run folder.

    Args:
        path: of the folder.
        items: the questions; `None` to take those that the run has stored, as a finished one has.
        entry: name of the entry, where the folder joins several.

    Raises:
        RunFolderError: if it is no evaluation's, or holds rows of questions that are not known.
    """
    folder = entry_folder(path, entry)
    manifest = read_json(folder.manifest)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("settings"), dict):
        raise RunFolderError(f"{folder.manifest} is not of an evaluation")
    rows = list({row["id"]: row for row in read_rows(folder.samples)}.values())
    questions = {item.id: item for item in (_stored(folder, manifest) if items is None else items)}
    if lacking := [row["id"] for row in rows if row["id"] not in questions]:
        raise RunFolderError(
            f"{folder.path} has answers to {len(lacking)} questions that are not known, the first "
            f"is {lacking[0]!r}: let the evaluation end, or give its --dataset, --root and --split"
        )
    settings = manifest["settings"]
    name = str(settings.get("policy", folder.path.name))
    return StoredAnswers(
        name, folder.path, rows, questions, settings, manifest.get("sessions") or ()
    )


def answers_of_file(
    path: Path, items: Sequence[QAItem], dataset: str, *, partial: bool
) -> StoredAnswers:
    """Return the answers of a file of predictions, see `predictions`.

    Args:
        path: of the file.
        items: the questions of the dataset.
        dataset: its name.
        partial: leave out questions that the file does not answer, which else are wrong.

    Raises:
        DatasetError: if a line is no prediction, or answers no question of the dataset.
    """
    rows = rows_of_predictions(items, read_predictions(path), partial=partial)
    settings = {
        "policy": path.name,
        "dataset": dataset,
        "digest of the questions": questions_digest(items),
    }
    questions = {item.id: item for item in items}
    return StoredAnswers(path.stem, path, rows, questions, settings, played=False)


def _stored(folder: RunFolder, manifest: Mapping[str, Any]) -> list[QAItem]:
    """Return the questions that a finished run has stored, or the one that a score is of."""
    found: list[QAItem] = []
    if isinstance(scored := manifest.get("scored"), dict):
        folder = RunFolder(Path(str(scored.get("from"))))
    for path in sorted(folder.evaluations.glob("*.json")):
        try:
            found += [item_from_json(row) for row in read_json(path)["items"]]
        except (KeyError, TypeError, ValueError) as error:
            raise RunFolderError(f"{path} is not a saved evaluation: {error}") from error
    return found
