"""Single bits that flip in the files of a checkpoint and of an adapter, and what reading them says.

A flip may be a typed error in one sentence, or an earlier checkpoint with a warning. What is read
without a word is what was written; anything else is a fault.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch

from algos.runs import checkpoint
from algos.runs.checkpoint import Checkpoint
from benchmarks.robustness.outcome import Outcome
from benchmarks.robustness.quick_training import UPDATES
from benchmarks.robustness.quick_training import run as train
from policies.sage_mm import LoraSettings, SageMM
from policies.sage_mm.model.adapters import read_adapter
from sage_env.errors import SageEnvError


def run(tries: int, seed: int, folder: Path) -> Outcome:
    """Train two small runs, and flip single bits of what they saved.

    Args:
        tries: bits, spread evenly over the files: those of SAGE-MM's newest checkpoint and of its
            adapter, of a small run's newest, and of its best.
        seed: of the choice of bits.
        folder: for the runs.
    """
    for kind in UPDATES:
        train(kind, folder / kind)
    SageMM.load(lora=LoraSettings(r=2)).save_adapter(folder / "adapter")
    newest = [folder / kind / "checkpoints" / f"update-{UPDATES[kind]:06d}" for kind in UPDATES]
    places = [*newest, folder / "adapter", *_best(folder / "table" / "checkpoints", newest)]
    files = sorted(path for place in places for path in place.iterdir())
    known = {place: _read_all(place.parent) for place in places if place.name != "adapter"}
    outcome, random = Outcome(), np.random.default_rng(seed)
    warnings = _Counter()
    log = logging.getLogger(checkpoint.__name__)
    log.addHandler(warnings)
    log.propagate = False
    try:
        for number in range(tries):
            path = files[number % len(files)]
            bit = int(random.integers(8 * path.stat().st_size))
            _flip(path, bit)
            end, fault = _try(path.parent, known.get(path.parent, {}), warnings)
            _flip(path, bit)
            where = f"bit {bit} of {path.relative_to(folder)}"
            outcome.add(end, fault=f"{where}: {fault}" if fault else "")
    finally:
        log.removeHandler(warnings)
        log.propagate = True
    return outcome


def _best(checkpoints: Path, newest: list[Path]) -> list[Path]:
    """Return the best checkpoint of a run, if it is not the newest."""
    latest = checkpoint.load_to_go_on(checkpoints)
    assert latest is not None and latest.best is not None
    path = checkpoints / f"update-{latest.best.update:06d}"
    return [] if path in newest else [path]


def _read_all(checkpoints: Path) -> dict[int, Checkpoint]:
    updates = [int(path.name.removeprefix("update-")) for path in checkpoints.glob("update-*")]
    return {update: checkpoint.load(checkpoints, update) for update in updates}


def _flip(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ (1 << bit % 8)]))


def _try(place: Path, known: dict[int, Checkpoint], warnings: _Counter) -> tuple[str, str]:
    """Read what was damaged; return how that ended, and what is wrong with it."""
    before = warnings.count
    try:
        if not known:
            read_adapter(None, place, "actor")  # without a base it can only be refused before
            return "read", "the adapter was read"
        found = checkpoint.load_to_go_on(place.parent)
    except SageEnvError as error:
        lines = str(error).splitlines()
        return type(error).__name__, "" if len(lines) == 1 else "the error has several lines"
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {str(error)[:200]}"
    if found is None:
        return "begun anew", "the run would begin anew"
    if not _same(found, known[found.update]):
        return "read", f"update {found.update} was read, and is another than was written"
    newest = found.update == max(known)
    if not newest and warnings.count == before:
        return "read", f"update {found.update} was taken without a word"
    if newest and place.name == f"update-{found.update:06d}":
        return "read", "the damaged checkpoint was read as if it were whole"
    return "as it was" if newest else "the checkpoint before, with a warning", ""


def _same(found: Checkpoint, written: Checkpoint) -> bool:
    plain = [(c.update, c.config, c.best, c.versions, sorted(c.tensors)) for c in (found, written)]
    return plain[0] == plain[1] and all(
        torch.equal(tensor, written.tensors[name]) for name, tensor in found.tensors.items()
    )


class _Counter(logging.Handler):
    """Counts warnings, and prints none."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.levelno >= logging.WARNING
