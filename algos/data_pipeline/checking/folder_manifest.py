"""`manifest.json` of a folder of questions: what it holds, by hash, and what made it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.data_pipeline.checking.check_report import CheckReport
from algos.data_pipeline.checking.check_settings import CheckSettings
from algos.data_pipeline.questions.generated_question import GeneratedQuestion
from algos.data_pipeline.questions.ledger import paid_replies, spent_on
from algos.data_pipeline.questions.question_files import LEDGER
from algos.runs.evaluation_manifest import this_session
from algos.runs.json_files import read_json, write_json
from sage_env.video.health import VIDEO_SUFFIXES

MANIFEST = "manifest.json"
"""Name of the file."""
_NOT_HASHED = (MANIFEST, "lock")


def write_folder_manifest(
    folder: Path,
    settings: CheckSettings,
    report: CheckReport,
    questions: Sequence[GeneratedQuestion],
) -> None:
    """Write the manifest of a folder: the SHA-256 of each file in it, but for its own.

    Args:
        folder: of the questions.
        settings: of the checks.
        report: what they found.
        questions: that were checked.
    """
    lines = paid_replies(folder / LEDGER)
    prices = {str(one.price["name"]): dict(one.price) for one in lines if one.price is not None}
    before = acceptance_before(folder)
    told: dict[str, Any] = {
        **({} if before is None else {"acceptance": before}),
        "kind": "questions",
        "files": file_hashes(folder),
        "generators": sorted({one.source.model for one in questions}),
        "prompts": sorted({one.source.prompt for one in questions}),
        "answerers": list(settings.answerers),
        "texts compared by": report.similarity,
        "settings of the checks": dict(settings.described()),
        "questions": report.questions,
        "kept": len(report.kept),
        "prices": [prices[name] for name in sorted(prices)],
        "dollars": spent_on(lines).dollars,
        "made by": this_session(),
    }
    write_json(folder / MANIFEST, told)


def acceptance_before(folder: Path) -> Mapping[str, Any] | None:
    """Return what a person said of a sample, as the manifest has it; `None` if nobody did."""
    path = folder / MANIFEST
    data = read_json(path) if path.exists() else {}
    found = data.get("acceptance") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else None


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the files that lie in a folder itself, hexadecimal, by name."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name not in _NOT_HASHED and path.suffix.lower() not in _VIDEOS:
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


_VIDEOS = VIDEO_SUFFIXES
"""Videos that lie beside the questions: hours of them are not read for a manifest, and each
question's id is made of its video's content."""


def update_manifest(folder: Path, told: Mapping[str, Any]) -> None:
    """Write the manifest of a folder anew where files in it have changed since.

    Args:
        folder: of the questions.
        told: what is known beside what stands there.
    """
    path = folder / MANIFEST
    data = read_json(path) if path.exists() else {"kind": "questions"}
    write_json(path, {**data, **told, "files": file_hashes(folder)})
