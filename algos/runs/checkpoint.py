"""Checkpoints: one folder per update, whole or not there at all.

    checkpoints/update-000007/tensors.safetensors    trained weights and optimiser states
                              state.json             counters, configuration, the best so far
                              SHA256SUMS             digests of both

A folder is written under another name, flushed, and then renamed, so that an interrupt at any
moment leaves the previous checkpoint in place. A bit that flips in any of the files is seen when
they are read, and the checkpoint before is taken.

What is not in it, because the number of finished updates says it:

* generators: every random number comes from a generator seeded with (run's seed, purpose, update);
* the place in the data: questions come from a walk whose order is shuffled by (seed, lap), see
  `algos.ppo.training.draw_specs`;
* schedules: rates and the weight of the entropy bonus are set in every update, from its number;
* caches of frames and features: they are addressed by content, and change speed and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from algos.runs.dataclass_json import dataclass_from_json
from sage_env.errors import SageEnvError
from sage_env.storage.atomic_file import atomic_folder, is_abandoned
from sage_env.storage.digests import DIGESTS, damage, write_digests

_TENSORS, _STATE = "tensors.safetensors", "state.json"
_NAME = re.compile(r"update-(\d{6,})")
_PACKAGES = ("sage-video-qa", "torch", "transformers", "peft", "safetensors", "numpy", "gymnasium")
DAMAGE = (OSError, ValueError, KeyError, SafetensorError)
"""What `load` raises on a checkpoint that is missing or damaged."""
ELSEWHERE = "sage-vqa train --run FOLDER"  # what a run is told that cannot go on where it is
_log = logging.getLogger(__name__)


class ConfigChanged(SageEnvError):
    """A run is resumed with another configuration than it was started with."""


class CheckpointError(SageEnvError):
    """A checkpoint that is needed is missing or damaged."""


@dataclass(frozen=True)
class Best:
    """The best validated state so far: after which update, and its score."""

    update: int
    score: float


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The whole state after an update.

    Attributes:
        update: number of finished updates; 0 is the state before the first.
        tensors: by name, on the CPU; the policy's own are under `policy/`.
        config: of the run, as plain JSON data.
        best: the best validated update so far, this one included; None before any validation.
        versions: of Python and of the packages that compute, when it was written.
    """

    update: int
    tensors: dict[str, Tensor]
    config: dict[str, Any]
    best: Best | None = None
    versions: dict[str, str] = field(default_factory=lambda: versions())

    @property
    def policy(self) -> dict[str, Tensor]:
        """Return what `TrainablePolicy.load_state` takes: float tensors `(...)` by name."""
        return with_prefix(self.tensors, "policy/")


def save(folder: Path, checkpoint: Checkpoint, *, keep_last: int) -> Path:
    """Write a checkpoint below `folder`, then delete all but the newest `keep_last` and the best.

    1. Write all files into `.partial-update-NNNNNN` and flush them to disk.
    2. Rename the folder, which is atomic, and flush the parent: the checkpoint is there, or not.
    3. Delete older checkpoints.

    Killed before 2, the previous checkpoint is the newest; killed after it, this one is.

    Args:
        folder: of all checkpoints of the run.
        checkpoint: the state.
        keep_last: newest checkpoints to keep, this one included.

    Returns:
        The checkpoint's own folder.
    """
    target = folder / f"update-{checkpoint.update:06d}"
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()
    }
    best = checkpoint.best
    with atomic_folder(target, durable=True) as partial:
        save_file(tensors, partial / _TENSORS)
        state = {
            "update": checkpoint.update,
            "config": checkpoint.config,
            "best": None if best is None else {"update": best.update, "score": best.score},
            "versions": checkpoint.versions,
        }
        (partial / _STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        write_digests(partial, (_TENSORS, _STATE))
        shutil.rmtree(target, ignore_errors=True)  # only ever a damaged one, which was not resumed
    for later in _updates(folder):
        if later > checkpoint.update:  # only ever damaged: this run went on from one before it
            shutil.rmtree(folder / f"update-{later:06d}")
    prune(folder, checkpoint.update, keep_last=keep_last)
    return target


def prune(folder: Path, update: int, *, keep_last: int) -> None:
    """Delete the checkpoints before an update that need not be kept, and what killed writers left.

    Kept are the newest, and what was the best when each of them was written: whoever falls back on
    one needs it. `save` does so; a run that goes on does it first, because the one before it may
    have been killed between writing and deleting.

    Args:
        folder: of all checkpoints of the run.
        update: of the newest sound checkpoint.
        keep_last: newest checkpoints to keep, that one included.
    """
    for left_over in filter(is_abandoned, folder.glob(".partial-*")):  # its process was killed
        shutil.rmtree(left_over, ignore_errors=True)
    until = sorted(u for u in _updates(folder) if u <= update)
    kept = {*until[-keep_last:], *(_best_then(folder, u) for u in until[-keep_last:])}
    for old in until:
        if old not in kept:
            shutil.rmtree(folder / f"update-{old:06d}")


def _best_then(folder: Path, update: int) -> int | None:
    """Return which update was the best at a checkpoint; `None` if none was, or it is damaged."""
    try:
        state = json.loads((folder / f"update-{update:06d}" / _STATE).read_text("utf-8"))
        return int(state["best"]["update"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load(folder: Path, update: int) -> Checkpoint:
    """Read the checkpoint of one update.

    Raises:
        OSError, ValueError, KeyError, SafetensorError: if it is missing or damaged.
    """
    path = folder / f"update-{update:06d}"
    if problem := damage(path, (_TENSORS, _STATE)):
        raise ValueError(problem)
    state = json.loads((path / _STATE).read_text(encoding="utf-8"))
    if not isinstance(state, dict):
        raise ValueError(f"{_STATE} does not hold a JSON object")
    # Older versions kept one digest, that of the tensors, in the state.
    if not (path / DIGESTS).exists() and _digest(path / _TENSORS) != state["sha256"]:
        raise ValueError(f"{_TENSORS} has another digest than when it was written")
    if state["update"] != update:
        raise ValueError(f"{_STATE} is that of update {state['update']!r}")
    if not (isinstance(state["config"], dict) and isinstance(state["versions"], dict)):
        raise ValueError(f"config and versions of {_STATE} must be JSON objects")
    best = None if state["best"] is None else dataclass_from_json(Best, state["best"], "best")
    tensors = load_file(path / _TENSORS)
    return Checkpoint(update, tensors, state["config"], best, state["versions"])


def exists(folder: Path, update: int) -> bool:
    """Return whether the checkpoint of an update is there; it may be damaged."""
    return (folder / f"update-{update:06d}").is_dir()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that compute."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # an extra that this run does not need
            continue
    return found


def changed_versions(then: Mapping[str, str]) -> str:
    """Return which versions differ from those of a checkpoint, e.g. `torch: was 2.12, is 2.13`."""
    now = versions()
    names = sorted(then.keys() | now.keys())
    changed = [(name, then.get(name), now.get(name)) for name in names]
    return "; ".join(f"{name}: was {old}, is {new}" for name, old, new in changed if old != new)


def load_latest(folder: Path) -> Checkpoint | None:
    """Read the newest whole checkpoint; damaged ones are skipped with a warning."""
    for update in sorted(_updates(folder), reverse=True):
        try:
            return load(folder, update)
        except DAMAGE as error:
            _log.warning(
                "checkpoint %s/update-%06d is damaged and was skipped: %s", folder, update, error
            )
    return None


def load_to_go_on(folder: Path, *, elsewhere: str = ELSEWHERE) -> Checkpoint | None:
    """Read the newest whole checkpoint of a run that goes on; `None` where there is none at all.

    Raises:
        CheckpointError: if all are damaged, or the best so far is, which the run may end with.
    """
    latest = load_latest(folder)
    if latest is None and _updates(folder):
        raise CheckpointError(
            f"none of the {len(_updates(folder))} checkpoints in {folder} can be read: put back "
            f"what is missing, or start in a new folder (`{elsewhere}`)"
        )
    if latest is not None:
        _best_of(folder, latest)
    return latest


def load_best(folder: Path) -> Checkpoint | None:
    """Read the checkpoint with the best validation score; the newest if none was validated.

    Raises:
        CheckpointError: if the best is missing or damaged.
    """
    latest = load_latest(folder)
    return None if latest is None else _best_of(folder, latest)


def _best_of(folder: Path, latest: Checkpoint) -> Checkpoint:
    best = latest.best
    if best is None or best.update == latest.update:
        return latest
    try:
        return load(folder, best.update)
    except DAMAGE as error:
        raise CheckpointError(
            f"the best checkpoint of this run, {folder / f'update-{best.update:06d}'}, cannot be "
            f"read ({_in_words(error)}): put it back, or start in a new folder"
        ) from error


def _in_words(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{Path(error.filename).name} is missing" if error.filename else str(error)
    return str(error)


def require_same(
    saved: Mapping[str, Any],
    now: Mapping[str, Any],
    *,
    may_differ: Collection[str] = (),
    elsewhere: str = ELSEWHERE,
) -> None:
    """Refuse to resume with another configuration.

    Args:
        saved: settings of the run.
        now: settings that were asked for.
        may_differ: names that may differ; one inside another has a dot: `recipe.first_turns`.
        elsewhere: the command that starts in a new folder, for the message.

    Raises:
        ConfigChanged: names each field that differs, with both values.
    """
    saved, now = _flat(saved), _flat(now)
    changed = [
        f"{name}: was {saved.get(name)!r}, is {now.get(name)!r}"
        for name in sorted(saved.keys() | now.keys())
        if name not in may_differ and saved.get(name) != now.get(name)
    ]
    if changed:
        raise ConfigChanged(
            "this run folder was started with another configuration ("
            + "; ".join(changed)
            + f"): set it back, or start in a new folder (`{elsewhere}`)"
        )


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{name}.") if nested else {prefix + name: value}
    return flat


def optimizer_tensors(optimizer: Optimizer, prefix: str) -> dict[str, Tensor]:
    """Return copies of an optimiser's state, named `prefix` + parameter number + `/` + name.

    For Adam these are `step`, float32 `()`, and `exp_avg` and `exp_avg_sq`, shaped like the
    parameter.
    """
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}{number}/{name}": tensor.clone()
        for number, values in state.items()
        for name, tensor in values.items()
    }


def load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Give an optimiser back the state that `optimizer_tensors` returned.

    Args:
        optimizer: of parameters in the same order and of the same shapes `(...)`.
        tensors: float or int, by name; others than the optimiser's are ignored.
        prefix: of the optimiser's names.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for path, tensor in with_prefix(tensors, prefix).items():
        number, name = path.split("/")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors `(...)`, float or int, whose name starts with `prefix`, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _updates(folder: Path) -> list[int]:
    names = [path.name for path in folder.glob("update-*")]
    return [int(match[1]) for name in names if (match := _NAME.fullmatch(name))]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
