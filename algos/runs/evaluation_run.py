"""The folder of one evaluation: written as it is played, and gone on with by question id.

    with folder.alone("--out"), EvaluationRun(folder, "random", items, settings) as run:
        result = evaluate(envs, policy, items, done=run.done, progress=run.record)
        run.finish(result)

Killed at any moment, the folder holds every episode that had ended, and the same call plays the
others: those that are missing, and those that failed on our side, which may have been an outage.
`manifest.json` says what the episodes depend on; with anything else, the folder is refused.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from algos.evaluation.measures import EvalResult, failures, measure
from algos.evaluation.sample_rows import sample_row
from algos.rollout.trajectory import Trajectory
from algos.runs.append_log import AppendLog, read_log
from algos.runs.run_folder import RunFolder, RunFolderError, item_to_json, read_json, write_json
from sage_env.datasets.item import QAItem
from sage_env.storage.atomic_file import atomic_write

KIND = "evaluation"
"""What `manifest.json` says of the folder."""
_PACKAGES = ("sage-video-qa", "numpy", "gymnasium", "av", "torch", "transformers", "peft")
_ANOTHERS = (
    "config.json",
    "splits.json",
    "metrics.jsonl",
    "trajectory.jsonl",
    "samples.jsonl",
    "results.json",
)
_ANOTHERS_FOLDERS = ("checkpoints", "proof", "evaluations")


class EvaluationRun:
    """An evaluation that is being played into a folder; see the module.

    Args:
        folder: of the run; no one else may write there meanwhile (`RunFolder.alone`).
        name: of the result's files.
        items: the questions.
        settings: what the episodes depend on, see `require_settings`.

    Attributes:
        done: the episodes of the folder that did not fail, by item id.
        settings: plain JSON data.

    Raises:
        RunFolderError: if the folder holds something else, or cannot be read.
        LogError: if it cannot be written.
    """

    def __init__(
        self, folder: RunFolder, name: str, items: Sequence[QAItem], settings: Mapping[str, Any]
    ) -> None:
        """Read what is there, and open the files."""
        require_settings(folder, settings)
        self.folder, self.name, self.settings = folder, name, plain(settings)
        self._items = {item.id: item for item in items}
        self._played = folder.load_played(name)
        self._rows = {row["id"]: row for row in read_rows(folder.samples)}
        self.done = {
            key: trajectory
            for key, trajectory in self._played.items()
            if key in self._items and key in self._rows
            if trajectory.error is None or trajectory.not_judged
        }
        self._told = False
        with ExitStack() as stack:
            self._log = stack.enter_context(folder.play_log(name))
            self._samples = AppendLog(folder.samples)
            stack.callback(self._samples.close)
            self._files = stack.pop_all()

    def __enter__(self) -> EvaluationRun:
        """Return itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Close the files."""
        self._files.close()

    def record(self, trajectory: Trajectory) -> None:
        """Write an episode that has ended.

        The row comes before the trajectory, which alone makes the question count as played: a kill
        between them leaves a row that is written again.

        Raises:
            LogError: if it cannot be written.
        """
        if not self._told:  # not before: a run that failed at its start leaves nothing behind
            self._tell()
        row = sample_row(self._items[str(trajectory.item_id)], trajectory)
        self._samples.append(row)
        self._log(trajectory)
        self._rows[row["id"]] = row
        if row["error"] is None:
            self.done[row["id"]] = trajectory

    def finish(self, result: EvalResult) -> None:
        """Write the result, the rows in the order of the items, and the measures.

        Args:
            result: with one episode of every item.
        """
        if not self._told and not self.folder.manifest.exists():
            self._tell()
        self.folder.save_result(self.name, result)
        pairs = list(zip(result.items, result.trajectories, strict=True))
        rows = [self._rows.get(item.id) or sample_row(item, played) for item, played in pairs]
        atomic_write(self.folder.samples, "".join(json.dumps(row) + "\n" for row in rows))
        summary = {
            "name": result.name,
            "decoding": result.decoding,
            "questions": len(pairs),
            "failed": [{"id": i, "error": error} for i, error in failures(result)],
            "measures": [asdict(row) for row in measure(result.items, result.trajectories)],
        }
        write_json(self.folder.summary, summary)

    def _tell(self) -> None:
        """Write the manifest, with this process added to those that played."""
        path = self.folder.manifest
        sessions = read_json(path)["sessions"] if path.exists() else []
        sessions.append(
            {
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "versions": _versions(),
                "machine": platform.platform(),
            }
        )
        write_json(path, {"kind": KIND, "settings": self.settings, "sessions": sessions})
        self._told = True


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of the questions so far.

    Raises:
        LogError: if the file cannot be read; names the line.
        RunFolderError: if a line is no row; names it.
    """
    rows = read_log(path)
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            raise RunFolderError(f"{path}, line {number} is not the row of a question")
    return rows


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


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "implementation": sys.implementation.name}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
