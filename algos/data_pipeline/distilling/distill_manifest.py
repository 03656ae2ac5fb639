"""`manifest.json` of a distillation: what its episodes depend on, what its sets are made of.

`settings` have to be the same whenever the play goes on. The filters are not among them: with
others, the sets are made anew of the same episodes, and nothing is played again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.data_pipeline.distilling.playing_tries import Teacher
from algos.data_pipeline.distilling.settings import DistillError
from algos.runs.evaluation_manifest import plain, questions_digest, this_session
from algos.runs.json_files import read_json, write_json
from policies.introspection import FingerprintedPolicy
from sage_env.datasets.item import QAItem

KIND = "distillation"
"""What `manifest.json` says of the folder."""
MANIFEST = "manifest.json"
_NOT_PLAYED_BY = ("call_timeout", "frame_store")


def play_settings(
    teachers: Sequence[Teacher], asked: Sequence[QAItem], seed: int
) -> dict[str, Any]:
    """Return what the episodes depend on, as plain JSON data."""
    told: dict[str, Any] = {"seed": seed, "questions": questions_digest(asked)}
    for teacher in teachers:
        policy = teacher.policy
        options = {k: v for k, v in teacher.env_options.items() if k not in _NOT_PLAYED_BY}
        told[f"policy {teacher.name}"] = {
            "tries": teacher.tries,
            "environment": options,
            "temperature": getattr(policy, "temperature", None),
            "weights": policy.fingerprint() if isinstance(policy, FingerprintedPolicy) else None,
        }
    found: dict[str, Any] = plain(told)
    return found


def require_same_play(folder: Path, settings: Mapping[str, Any]) -> None:
    """Refuse a folder that holds episodes of other settings, or something else.

    Raises:
        DistillError: naming each setting that differs.
        RunFolderError: if the manifest cannot be read.
    """
    path = folder / MANIFEST
    if not path.exists():
        return
    data = read_json(path)
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise DistillError(f"{path} is not of a distillation: give it a folder of its own (--out)")
    then = data.get("settings", {})
    names = [name for name in {**then, **settings} if then.get(name) != settings.get(name)]
    if names:
        told = "; ".join(f"{n}: {then.get(n)!r}, now {settings.get(n)!r}" for n in names)
        raise DistillError(
            f"{folder} holds episodes of other settings ({told}): go on with those, or give this "
            "distillation a folder of its own with --out"
        )


def begin(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write down what is going to be played, and by which process, before anything is."""
    path = folder / MANIFEST
    before = read_json(path) if path.exists() else {}
    sessions = [*before.get("sessions", []), this_session()]
    write_json(path, {**before, "kind": KIND, "settings": settings, "sessions": sessions})


def finish(folder: Path, facts: Mapping[str, Any], files: Sequence[str]) -> None:
    """Write down what came out.

    Args:
        folder: of the distillation.
        facts: what the sets are made of.
        files: names of its files; their SHA-256 is written beside them.
    """
    path = folder / MANIFEST
    told = {
        name: {"sha256": _sha256(folder / name), "bytes": (folder / name).stat().st_size}
        for name in files
    }
    write_json(path, {**read_json(path), **plain(facts), "files": told})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
