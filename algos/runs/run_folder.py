"""The files of a run, named in one place.

```
RUN/
config.json             every setting of the command that made the run
manifest.json           of `sage-vqa eval`: what its episodes depend on, see `evaluation_run`
samples.jsonl           of `sage-vqa eval`: one flat row per question
results.json            of `sage-vqa eval`: its measures, and the questions that failed
splits.json             of `sage-vqa train`: the ids of the questions of each split
metrics.jsonl           one line per update; of `sage-vqa sft` per step
validation_episodes.jsonl  of `sage-vqa train`: what was played in each validation, without tokens
tokens.jsonl            of `sage-vqa train`: some episodes of each update with the numbers of their
                        sampled tokens; both see `update_episodes`
demonstrations.jsonl    of `sage-vqa sft`: the demonstrator's episodes, without tokens
split.json              of `sage-vqa sft`: which questions were trained and which validated on
checkpoints/            see `algos.runs.checkpoint`
evaluations/NAME.jsonl  one trajectory per line, without tokens, written as they are played
evaluations/NAME.tokens.jsonl   the sampled tokens of some of the questions, see `token_records`
evaluations/NAME.json   name, decoding, measures, and the items that were asked; written at the end
report.json             which evaluations the report shows, and as what
report.html
trajectory.jsonl        the one episode of `sage-vqa ask`, tokens included
trajectory.tokens.jsonl its sampled tokens as text, with their numbers
lock                    held while a command writes to the folder
```

An evaluation is finished when its `NAME.json` is there; before, `NAME.jsonl` is a part of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from algos.evaluation.measures import EvalResult
from algos.rollout.trajectory import Trajectory
from algos.runs.append_log import AppendLog, read_log
from algos.runs.json_files import RunFolderError as RunFolderError
from algos.runs.json_files import item_from_json as item_from_json
from algos.runs.json_files import item_to_json as item_to_json
from algos.runs.json_files import json_text as json_text
from algos.runs.json_files import json_with_lines as json_with_lines
from algos.runs.json_files import read_json as read_json
from algos.runs.json_files import write_json as write_json
from sage_env.errors import SageEnvError
from sage_env.storage.atomic_file import atomic_write

RunKind = Literal["an evaluation", "a training", "a fine-tuning", "a question that was asked"]
"""What a command writes into its folder."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run: names its files, writes them and reads them."""

    path: Path

    @property
    def config(self) -> Path:
        """Return the path of the settings."""
        return self.path / "config.json"

    @property
    def manifest(self) -> Path:
        """Return the path of what the episodes of an evaluation depend on."""
        return self.path / "manifest.json"

    @property
    def samples(self) -> Path:
        """Return the path of an evaluation's flat rows."""
        return self.path / "samples.jsonl"

    @property
    def summary(self) -> Path:
        """Return the path of an evaluation's measures."""
        return self.path / "results.json"

    @property
    def splits(self) -> Path:
        """Return the path of the questions' ids, by split."""
        return self.path / "splits.json"

    @property
    def metrics(self) -> Path:
        """Return the path of the numbers per update."""
        return self.path / "metrics.jsonl"

    @property
    def validation_episodes(self) -> Path:
        """Return the path of what the validations of a training played."""
        return self.path / "validation_episodes.jsonl"

    @property
    def tokens(self) -> Path:
        """Return the path of a training's episodes with the numbers of their tokens."""
        return self.path / "tokens.jsonl"

    @property
    def demonstrations(self) -> Path:
        """Return the path of a demonstrator's episodes."""
        return self.path / "demonstrations.jsonl"

    @property
    def split(self) -> Path:
        """Return the path of the ids of a fine-tuning's training and validation questions."""
        return self.path / "split.json"

    @property
    def adapter(self) -> Path:
        """Return the folder of the trained adapter."""
        return self.path / "adapter"

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

    def require_no_other(self, own: RunKind, option: str) -> None:
        """Refuse a folder that another kind of command has written into.

        Args:
            own: what is about to be written.
            option: which names another folder on the command line.

        Raises:
            RunFolderError: naming what is there.
        """
        found = self._kind()
        if found not in (None, own):
            raise RunFolderError(
                f"{self.path} holds {found}: give this one a folder of its own with {option}"
            )

    def _kind(self) -> RunKind | None:
        """Return what was written into the folder; `None` if it was nothing of ours."""
        if self.manifest.exists():
            return "an evaluation"
        if not self.config.exists():
            return None
        settings = read_json(self.config)
        if not isinstance(settings, dict):
            return "a training"
        if "sft" in settings:
            return "a fine-tuning"
        return "a question that was asked" if "question" in settings else "a training"

    @contextmanager
    def alone(self, option: str = "--run") -> Iterator[None]:
        """Keep other processes from writing into the folder meanwhile.

        The system lets go when the process ends, in whatever way. File systems without locks keep
        nobody out.

        Args:
            option: which names another folder on the command line.

        Raises:
            RunFolderError: if another command is at it, or nothing can be written there.
        """
        own = f"give this run a folder of its own with {option}"
        lock = FileLock(self.path / "lock")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            raise RunFolderError(
                f"another process is writing into {self.path}: wait for it or stop it, or {own}"
            ) from None
        except NotImplementedError:
            pass
        except OSError as error:
            raise RunFolderError(
                f"nothing can be written into {self.path} ({error.strerror}): {own}"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def save_config(self, config: Any) -> None:
        """Write a command's dataclass as `config.json`."""
        write_json(self.config, asdict(config))

    def save_result(self, name: str, result: EvalResult) -> Path:
        """Write an evaluation as `evaluations/NAME.jsonl` and `.json`; return the second's path.

        Tokens are left out: they are the learner's, and a hundred times larger than the rest. What
        is there already and would not change is left alone.
        """
        path = self.result_path(name)
        rows = [_dumped(without_tokens(trajectory)) for trajectory in result.trajectories]
        text = result_text(result)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and text != path.read_bytes():
            path.unlink()  # killed before the end of this, it is not finished, rather than wrong
        write_changed(path.with_suffix(".jsonl"), "".join(f"{row}\n" for row in rows).encode())
        write_changed(path, text)
        return path

    def load_result(self, name: str) -> EvalResult:
        """Read what `save_result` wrote.

        Raises:
            RunFolderError: if the evaluation is missing or cannot be read.
        """
        path = self.result_path(name)
        data = read_json(path)
        try:
            played = self.load_played(name)
            items = [item_from_json(row) for row in data["items"]]
            trajectories = [played[item.id] for item in items if item.id in played]
            title, decoding = str(data["name"]), str(data["decoding"])
            return EvalResult(title, items, trajectories, decoding)
        except (KeyError, TypeError, ValueError, SageEnvError) as error:
            raise RunFolderError(f"{path} is not a saved evaluation: {error}") from error

    def has_results(self) -> bool:
        """Return whether there is anything that was made with the settings."""
        return bool(self.result_names()) or any(self.checkpoints.glob("update-*"))

    def load_played(self, name: str) -> dict[str, Trajectory]:
        """Return the trajectories of an evaluation so far, by item id; the last of each counts.

        Raises:
            LogError: if the file cannot be read; names the line.
            RunFolderError: if a line is not a trajectory; names it.
        """
        path = self.result_path(name).with_suffix(".jsonl")
        played = {}
        for number, row in enumerate(read_log(path), 1):
            try:
                trajectory = Trajectory.from_json(row)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise RunFolderError(
                    f"{path}, line {number} is not a trajectory: {error!r}"
                ) from error
            played[str(trajectory.item_id)] = trajectory
        return played

    @contextmanager
    def play_log(
        self, name: str, *, tokens: bool = False
    ) -> Iterator[Callable[[Trajectory], None]]:
        """Give a function that adds a trajectory to those of an evaluation, at once and for good.

        Args:
            name: of the evaluation.
            tokens: whether to keep the tokens until `save_result` leaves them out.

        Raises:
            LogError: if it cannot be written.
        """
        log = AppendLog(self.result_path(name).with_suffix(".jsonl"))
        try:
            yield lambda t: log.append((t if tokens else without_tokens(t)).to_json())
        finally:
            log.close()

    def result_names(self) -> list[str]:
        """Return the names of the saved evaluations, sorted."""
        return sorted(path.stem for path in self.evaluations.glob("*.json"))

    def result_path(self, name: str) -> Path:
        """Return the path of an evaluation's `.json`; its trajectories are beside it."""
        if not name or Path(name).name != name:
            raise ValueError(f"expected a plain file name for an evaluation, got {name!r}")
        return self.evaluations / f"{name}.json"


def result_text(result: EvalResult) -> bytes:
    """Return an evaluation's `.json`: its name, decoding and measures, and the items asked."""
    data = {
        "name": result.name,
        "decoding": result.decoding,
        "measures": [asdict(row) for row in result.measured],
    }
    return json_with_lines(data, "items", map(item_to_json, result.items)).encode()


def write_changed(path: Path, content: bytes) -> None:
    """Write a file whole, unless it holds just that."""
    if not path.exists() or path.read_bytes() != content:
        atomic_write(path, content)


def _dumped(trajectory: Trajectory) -> str:
    """Return a trajectory as one line of JSON, whatever its `info` holds."""
    return json.dumps(trajectory.to_json(), default=str)


def without_tokens(trajectory: Trajectory) -> Trajectory:
    """Return the episode without its tokens: they are the learner's, and most of its bytes."""
    turns = [replace(t, decision=replace(t.decision, tokens=None)) for t in trajectory.turns]
    failed = None if trajectory.failed is None else replace(trajectory.failed, tokens=None)
    return replace(trajectory, turns=turns, failed=failed)
