"""What was run, in one line: policy, dataset, commit, machine, and how long the episodes took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from algos.evaluation.row_results import EpisodeResult
from algos.runs.joint_folder import JOINT
from algos.runs.json_files import RunFolderError, read_json
from algos.runs.run_folder import RunFolder
from algos.viewer.reading.stored_entries import StoredEntry

_WALL = ("time/rollout", "time/learn", "time/step", "time/eval")
_COMMIT = 10  # digits of a commit that tell it from others


def manifest_of(folder: RunFolder) -> dict[str, Any]:
    """Return what `manifest.json` says; empty where there is none, or it cannot be read."""
    if not folder.manifest.exists():
        return {}
    try:
        found = read_json(folder.manifest)
    except RunFolderError:
        return {}
    return found if isinstance(found, dict) else {}


def settings_of(folder: RunFolder) -> dict[str, Any]:
    """Return what the episodes of an evaluation depend on; empty where that is not known."""
    settings = manifest_of(folder).get("settings")
    return settings if isinstance(settings, dict) else {}


def is_joint_folder(folder: RunFolder) -> bool:
    """Return whether a folder joins several entries; a damaged manifest says nothing."""
    return manifest_of(folder).get("kind") == JOINT


def dataset_of(folder: RunFolder, entries: Sequence[StoredEntry]) -> str:
    """Return the name of a run's dataset, "" where nothing says it."""
    for entry in entries:
        if name := entry.settings.get("dataset"):
            return str(name)
    return str(config_of(folder).get("dataset") or "")


def config_of(folder: RunFolder) -> dict[str, Any]:
    """Return the settings of a command; empty where there are none, or they cannot be read."""
    try:
        settings = read_json(folder.config)
    except RunFolderError:
        return {}
    return settings if isinstance(settings, dict) else {}


def session_facts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return where an evaluation was played, by its last session: version, commit, machine."""
    sessions = manifest.get("sessions")
    last = sessions[-1] if isinstance(sessions, list) and sessions else {}
    if not isinstance(last, dict):
        return {}
    found: dict[str, Any] = {}
    if commit := last.get("commit"):
        found["commit"] = str(commit)[:_COMMIT] + ("+" if str(commit).endswith("+") else "")
    elif version := (last.get("versions") or {}).get("sage-video-qa"):
        found["version"] = version
    places = (last.get("machine"), last.get("accelerator"))
    found["machine"] = ", ".join(str(place) for place in places if place)
    found["started"] = last.get("started")
    return {key: str(value) for key, value in found.items() if value}


def training_facts(metrics: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return how far a training went and how long it took, as far as its metrics say."""
    if not metrics:
        return {}
    seconds = sum(float(row[key]) for row in metrics for key in _WALL if row.get(key))
    found = {"updates": str(metrics[-1].get("update", len(metrics)))}
    return found | ({"time of updates": duration_text(seconds)} if seconds else {})


def playing_facts(episodes: Iterable[EpisodeResult]) -> dict[str, str]:
    """Return how long some episodes took, one after the other, where all of them were timed."""
    seconds = [one.spent.get("seconds") for one in episodes]
    known = [second for second in seconds if second is not None]
    timed = bool(known) and len(known) == len(seconds)
    return {"time of episodes": duration_text(sum(known))} if timed else {}


def duration_text(seconds: float) -> str:
    """Return a duration in words: `1.5 h`, `12 min`, `8.1 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
