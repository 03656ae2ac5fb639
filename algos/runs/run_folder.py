"""The files of a run, named in one place.

```
RUN/
config.json             every setting of the command that made the run
metrics.jsonl           one line per update
checkpoints/            see `algos.runs.checkpoint`
evaluations/NAME.json   name, decoding, measures, and the items that were asked
evaluations/NAME.jsonl  one trajectory per line, without tokens
report.json             which evaluations the report shows, and as what
report.html
trajectory.jsonl        the one episode of `sage-vqa ask`, tokens included
lock                    held while a training writes to the folder
```
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from algos.evaluation.measures import EvalResult, measure
from algos.rollout.trajectory import Trajectory, load_trajectories, save_trajectories
from algos.runs.dataclass_json import dataclass_from_json
from sage_env.datasets.item import QAItem
from sage_env.errors import SageEnvError
from sage_env.storage.atomic_file import atomic_write


class RunFolderError(SageEnvError):
    """A folder is not a run, or a file of it cannot be read; the message names the file."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run: names its files, writes them and reads them."""

    path: Path

    @property
    def config(self) -> Path:
        """Return the path of the settings."""
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        """Return the path of the numbers per update."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Return the folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def evaluations(self) -> Path:
        """Return the folder of the evaluations."""
        return self.path / "evaluations"

    @property
    def report_settings(self) -> Path:
        """Return the path of what the report is rebuilt from, next to the evaluations."""
        return self.path / "report.json"

    @property
    def report(self) -> Path:
        """Return the path of the report."""
        return self.path / "report.html"

    @property
    def trajectory(self) -> Path:
        """Return the path of the one episode of `sage-vqa ask`."""
        return self.path / "trajectory.jsonl"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from training into the folder meanwhile.

        The system lets go when the process ends, in whatever way. File systems without locks keep
        nobody out.

        Raises:
            RunFolderError: if another training is at it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunFolderError(
                f"another process is training into {self.path}: wait for it or stop it, or give "
                "this run a folder of its own with --run"
            ) from None
        except NotImplementedError:
            pass
        try:
            yield
        finally:
            lock.release()

    def save_config(self, config: Any) -> None:
        """Write a command's dataclass as `config.json`."""
        write_json(self.config, asdict(config))

    def save_result(self, name: str, result: EvalResult) -> Path:
        """Write an evaluation as `evaluations/NAME.json` and `.jsonl`; return the first's path.

        Tokens are left out: they are the learner's, and a hundred times larger than the rest.
        """
        path = self._result(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_trajectories(path.with_suffix(".jsonl"), map(_without_tokens, result.trajectories))
        rows = measure(result.items, result.trajectories)
        write_json(
            path,
            {
                "name": result.name,
                "decoding": result.decoding,
                "measures": [asdict(row) for row in rows],
                "items": [item_to_json(item) for item in result.items],
            },
        )
        return path

    def load_result(self, name: str) -> EvalResult:
        """Read what `save_result` wrote.

        Raises:
            RunFolderError: if the evaluation is missing or cannot be read.
        """
        path = self._result(name)
        data = read_json(path)
        try:
            items = [item_from_json(row) for row in data["items"]]
            trajectories = load_trajectories(path.with_suffix(".jsonl"))
            return EvalResult(data["name"], items, trajectories, data["decoding"])
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise RunFolderError(f"{path} is not a saved evaluation: {error}") from error

    def has_results(self) -> bool:
        """Return whether there is anything that was made with the settings."""
        return bool(self.result_names()) or any(self.checkpoints.glob("update-*"))

    def result_names(self) -> list[str]:
        """Return the names of the saved evaluations, sorted."""
        return sorted(path.stem for path in self.evaluations.glob("*.json"))

    def _result(self, name: str) -> Path:
        if not name or Path(name).name != name:
            raise ValueError(f"expected a plain file name for an evaluation, got {name!r}")
        return self.evaluations / f"{name}.json"


def write_json(path: Path, data: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(data, indent=1, default=_plain, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file of a run.

    Raises:
        RunFolderError: if it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunFolderError(
            f"{path} cannot be read ({error.strerror}): give the folder of a run that "
            "`sage-vqa train` or `sage-vqa eval` wrote"
        ) from error
    except ValueError as error:
        raise RunFolderError(f"{path} is not JSON: {error}") from error


def item_to_json(item: QAItem) -> dict[str, Any]:
    """Return an item as plain JSON data."""
    values = {field.name: getattr(item, field.name) for field in fields(item)}
    return {**values, "video": str(item.video), "group": dict(item.group)}


def item_from_json(row: Mapping[str, Any]) -> QAItem:
    """Read what `item_to_json` returned.

    Raises:
        ValueError: if a value is missing, not known, or of another type; the message names it.
    """
    return dataclass_from_json(QAItem, row)


def _without_tokens(trajectory: Trajectory) -> Trajectory:
    turns = [replace(t, decision=replace(t.decision, tokens=None)) for t in trajectory.turns]
    failed = None if trajectory.failed is None else replace(trajectory.failed, tokens=None)
    return replace(trajectory, turns=turns, failed=failed)


def _plain(value: object) -> Any:
    """Turn what a command's settings may hold into JSON data."""
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Sequence | set | frozenset):
        return list(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
