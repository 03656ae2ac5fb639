"""`manifest.json` of an evaluation: what its episodes depend on, and who played when and where.

`settings` have to be the same whenever an evaluation goes on; `sessions` are the processes that
played, each with its versions, commit, machine and decoder, which may differ.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from algos.runs.json_files import RunFolderError, item_to_json, read_json, write_json
from algos.runs.run_folder import RunFolder
from sage_env.datasets.item import QAItem

KIND = "evaluation"
"""What `manifest.json` says of the folder of one entry."""
_PACKAGES = (
    "sage-video-qa",
    "numpy",
    "gymnasium",
    "av",
    "torch",
    "transformers",
    "peft",
    "openai",
    "google-genai",
)
_ANOTHERS = (
    "config.json",
    "splits.json",
    "metrics.jsonl",
    "trajectory.jsonl",
    "samples.jsonl",
    "results.json",
)
_ANOTHERS_FOLDERS = ("checkpoints", "proof", "evaluations")


def write_manifest(
    folder: RunFolder, settings: Mapping[str, Any], facts: Mapping[str, Any], *, session: bool
) -> None:
    """Write the manifest, with this process added to those that played.

    Args:
        folder: of the evaluation.
        settings: plain JSON data that the episodes depend on.
        facts: what stands beside them, e.g. which questions of the whole a shard has.
        session: whether this process plays; else only what is there is told again.
    """
    path = folder.manifest
    sessions = read_json(path)["sessions"] if path.exists() else []
    if session:
        sessions = [*sessions, this_session()]
    write_json(path, {"kind": KIND, "settings": settings, **facts, "sessions": sessions})


def this_session() -> dict[str, Any]:
    """Return when, where and with what this process plays; no name of a person or a machine."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        "commit": _commit(),
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "accelerator": _accelerator(),
        "decoder": _decoder(),
    }


def require_settings(folder: RunFolder, settings: Mapping[str, Any]) -> None:
    """Refuse a folder that holds something else than this evaluation.

    Args:
        folder: of the evaluation; it may be missing or empty.
        settings: by a word for each, anything that JSON or a name can tell; those that the folder's
            manifest has beside them are not looked at.

    Raises:
        RunFolderError: naming each setting that differs, then and now.
    """
    own = "give this evaluation a folder of its own with --out"
    if not folder.manifest.exists():
        if found := _another_run(folder.path):
            raise RunFolderError(f"{found} is of another command: {own}")
        return
    then = read_settings(folder)
    differ = [(name, then.get(name), now) for name, now in plain(settings).items()]
    told = [f"{name} {old!r}, now {new!r}" for name, old, new in differ if old != new]
    if told:
        raise RunFolderError(
            f"{folder.path} holds an evaluation with other settings ({'; '.join(told)}): go on "
            f"with those, or {own}"
        )


def read_settings(folder: RunFolder) -> dict[str, Any]:
    """Return what the episodes of a folder depend on, as its manifest has it.

    Raises:
        RunFolderError: if that is missing, or none of an evaluation.
    """
    data = read_json(folder.manifest)
    whole = isinstance(data, dict) and data.get("kind") == KIND
    if not (
        whole and isinstance(data.get("settings"), dict) and isinstance(data.get("sessions"), list)
    ):
        raise RunFolderError(
            f"{folder.manifest} is not of an evaluation: give this evaluation a folder of its own "
            "with --out"
        )
    settings: dict[str, Any] = data["settings"]
    return settings


def _another_run(path: Path) -> Path | None:
    """Return a file of a folder that an evaluation would overwrite, and that is none of its own."""
    files = [path / name for name in _ANOTHERS]
    for name in _ANOTHERS_FOLDERS:
        files += sorted((path / name).glob("*"))
    return next((file for file in files if file.exists() and _holds(file)), None)


def _holds(file: Path) -> bool:
    return file.is_dir() or file.stat().st_size > 0


def questions_digest(items: Sequence[QAItem]) -> str:
    """Return 16 hexadecimal digits for questions: BLAKE2b of all fields, files by their names."""
    digest = hashlib.blake2b(digest_size=8)
    for item in items:
        row = {**item_to_json(item), "video": item.video.name}
        if item.subtitles is not None:
            row["subtitles"] = item.subtitles.name
        digest.update(json.dumps(row, default=str, sort_keys=True).encode())
    return digest.hexdigest()


def plain(value: Any) -> Any:
    """Return settings as plain JSON data; an object that JSON lacks is named by its type."""
    return json.loads(json.dumps(value, default=_named))


def _named(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}:{kind.__qualname__}"


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "implementation": sys.implementation.name}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def _commit() -> str | None:
    """Return the commit of the source tree that runs, with `+` where it was changed since.

    `None` for an installed release, which has a version instead.
    """
    tree = Path(__file__).parents[2]
    if not (tree / ".git").exists():
        return None
    try:
        named, changed = (
            subprocess.run(
                ["git", "-C", str(tree), *command],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            ).stdout.strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return named + ("+" if changed else "")


def _accelerator() -> str | None:
    """Return the name of the GPU; `None` without one, or where nothing has loaded torch."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name())


def _decoder() -> dict[str, str] | None:
    """Return the versions of FFmpeg's libraries, which decide the last bits of a picture."""
    try:
        import av
    except ImportError:
        return None
    names = ("libavcodec", "libavformat", "libswscale")
    return {
        k: ".".join(map(str, av.library_versions[k])) for k in names if k in av.library_versions
    }
