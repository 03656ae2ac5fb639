"""A run folder of results that were made elsewhere, for `report`, `compare` and `score`.

It has the files of `sage-vqa eval`. `manifest.json` says under `imported from` which files it was
made of, with their digests, so that nobody takes it for an evaluation that was played here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from algos.evaluation.measures import EvalResult, failures, measure
from algos.exchange.foreign_rows import ForeignQuestion
from algos.exchange.played_entry import ExchangeError
from algos.report.report_data import ReportData
from algos.runs.evaluation_run import KIND, questions_digest, require_settings
from algos.runs.run_folder import RunFolder, write_json
from algos.viewer.reading.report_files import save_report
from sage_env.release import __version__
from sage_env.storage.atomic_file import atomic_write


def write_run(
    folder: RunFolder,
    questions: Sequence[ForeignQuestion],
    *,
    name: str,
    dataset: str,
    sources: Sequence[Path],
    kind: str,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a run folder; no one else may write there meanwhile (`RunFolder.alone`).

    Args:
        folder: where to.
        questions: in their order.
        name: of who answered them.
        dataset: the name of the dataset.
        sources: the files that were read.
        kind: their format.
        about: more settings for the manifest.

    Raises:
        ExchangeError: if there is no question, or an id stands twice.
        RunFolderError: if the folder holds something else.
    """
    _require_distinct(questions)
    items = [question.item for question in questions]
    told = [{"file": path.name, "blake2b": _digest(path)} for path in sources]
    settings = {
        "policy": name,
        "dataset": dataset,
        "digest of the questions": questions_digest(items),
        "version of sage-video-qa": __version__,
        "imported from": {"format": kind, "files": told},
        **(about or {}),
    }
    require_settings(folder, settings)
    result = EvalResult(name, items, [question.trajectory() for question in questions])
    session = {"started": datetime.now(UTC).isoformat(timespec="seconds"), "versions": {}}
    write_json(folder.manifest, {"kind": KIND, "settings": settings, "sessions": [session]})
    rows = "".join(json.dumps(question.row()) + "\n" for question in questions)
    atomic_write(folder.samples, rows)
    summary = {
        "name": name,
        "decoding": "",
        "questions": len(items),
        "failed": [{"id": one, "error": error} for one, error in failures(result)],
        "measures": [asdict(row) for row in measure(items, result.trajectories)],
    }
    write_json(folder.summary, summary)
    facts = {"policy": name, "dataset": dataset, "imported from": f"{kind} files"}
    save_report(folder, ReportData(f"{name} on {dataset}", facts, {file_name(name): result}))


def file_name(name: str) -> str:
    """Return the name of a result's files."""
    kept = "".join(letter if letter.isalnum() or letter in ".=-" else "-" for letter in name)
    return kept.strip("-.")[:100] or "imported"


def _require_distinct(questions: Sequence[ForeignQuestion]) -> None:
    if not questions:
        raise ExchangeError("the files hold no question: nothing is imported")
    seen: set[str] = set()
    for question in questions:
        if question.item.id in seen:
            raise ExchangeError(
                f"the question {question.item.id!r} stands twice in the files: give the files of "
                "one evaluation"
            )
        seen.add(question.item.id)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
