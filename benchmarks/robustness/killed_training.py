"""A training that is killed with SIGKILL at random moments and goes on by the same command.

It must end as the run that nobody disturbed, bit for bit: every tensor of every checkpoint that is
left, every number of the log that the machine does not decide, every stored episode.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from algos.runs.checkpoint import load_to_go_on
from algos.runs.metrics import of_the_run, read_metrics
from benchmarks.robustness.outcome import Outcome
from benchmarks.robustness.quick_training import UPDATES, process
from sage_env.errors import SageEnvError

SAGE_MM_SHARE = 12
"""One try of so many is with SAGE-MM, which takes seconds; the others with a table of answers."""
LIMIT = 120.0
"""Seconds after which a training counts as hanging."""
_OF_THE_MACHINE = {"decode_seconds", "frames_decoded", "frames_cached"}


def run(tries: int, seed: int, folder: Path) -> Outcome:
    """Kill trainings, let them go on to their end, and compare.

    Args:
        tries: trainings that are killed, each once, twice or three times.
        seed: of the moments.
        folder: for the runs.
    """
    outcome, random = Outcome(), np.random.default_rng(seed)
    kinds = ["sage-mm"] * (tries // SAGE_MM_SHARE)
    kinds += ["table"] * (tries - len(kinds))
    seconds: dict[str, float] = {}
    for number, kind in enumerate(kinds):
        whole = folder / f"whole-{kind}"
        if kind not in seconds:
            began = time.monotonic()
            code = _finish(kind, whole)
            seconds[kind] = time.monotonic() - began
            if code != 0:
                said = (whole / "said.txt").read_text(errors="replace")[-300:]
                raise RuntimeError(f"the undisturbed run ended with {code}: {said}")
        killed = folder / f"killed-{number}"
        kills = _kill_until_it_is_due(kind, killed, random, seconds[kind])
        code = _finish(kind, killed)
        problem = f"it ended with {code}: {_said(killed)}" if code else difference(whole, killed)
        fault = f"seed {seed}, number {number} ({kind}), killed {kills}: {problem}"
        end = "equal to the run that nobody disturbed" if not problem else "another run"
        outcome.add(f"{kind}: {end}", fault=fault if problem else "")
    return outcome


def _kill_until_it_is_due(
    kind: str, folder: Path, random: np.random.Generator, seconds: float
) -> list[str]:
    """Start the training and kill it, one to three times; return when."""
    moments = []
    for _ in range(int(random.integers(1, 4))):
        child = _start(kind, folder)
        wait = float(random.uniform(0, seconds))
        if random.random() < 0.5:
            _await_a_half_written_checkpoint(child, folder, int(random.integers(1, 5)))
            time.sleep(float(random.uniform(0, 2e-3)))
            moments.append("while a checkpoint was written")
        else:
            child.join(wait)
            moments.append(f"after {wait:.2f} s")
        if child.pid is not None and child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
        child.join()
    return moments


def _await_a_half_written_checkpoint(child: ForkServerProcess, folder: Path, count: int) -> None:
    """Wait for the `count`th temporary name in the folder of checkpoints, or the end."""
    seen: set[str] = set()
    checkpoints = folder / "checkpoints"
    end = time.monotonic() + LIMIT
    while child.is_alive() and time.monotonic() < end:
        if checkpoints.is_dir():
            seen |= {name for name in os.listdir(checkpoints) if name.startswith(".partial-")}
        if len(seen) >= count:
            return
        time.sleep(2e-4)


def _start(kind: str, folder: Path) -> ForkServerProcess:
    context = get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.robustness.quick_training"])
    child = context.Process(target=process, args=(kind, folder))
    child.start()
    return child


def _finish(kind: str, folder: Path) -> int | str | None:
    """Train to the end; return the exit status, or that it hung."""
    child = _start(kind, folder)
    child.join(LIMIT)
    if child.is_alive():
        child.kill()
        child.join()
        return "a hang"
    return child.exitcode


def _said(folder: Path) -> str:
    return " ".join((folder / "said.txt").read_text(errors="replace").split())[-300:]


def difference(whole: Path, other: Path) -> str:
    """Say in what two finished runs differ, "" for nothing."""
    names = [
        sorted(path.name for path in (run / "checkpoints").iterdir()) for run in (whole, other)
    ]
    if names[0] != names[1]:
        return f"checkpoints {names[1]} for {names[0]}"
    try:
        ends = [load_to_go_on(run / "checkpoints") for run in (whole, other)]
    except SageEnvError as error:
        return str(error)
    if ends[0] is None or ends[1] is None or ends[0].update not in UPDATES.values():
        return "it has no last checkpoint"
    if ends[0].best != ends[1].best:
        return f"the best is {ends[1].best} for {ends[0].best}"
    for name in names[0]:
        ours, theirs = [
            load_file(run / "checkpoints" / name / "tensors.safetensors") for run in (whole, other)
        ]
        odd = [key for key in ours if key not in theirs or not torch.equal(ours[key], theirs[key])]
        if odd or set(ours) != set(theirs):
            return f"{len(odd)} of {len(ours)} tensors of {name} differ, e.g. {odd[:1]}"
    rows = [
        [of_the_run(row) for row in read_metrics(run / "metrics.jsonl")] for run in (whole, other)
    ]
    if rows[0] != rows[1]:
        return "the metrics differ"
    if list(_episodes(whole)) != list(_episodes(other)):
        return "the stored episodes differ"
    return ""


def _episodes(run: Path) -> Iterator[Any]:
    for path in sorted((run / "proof").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield path.name, _without_machine(json.loads(line))


def _without_machine(data: Any) -> Any:
    if isinstance(data, dict):
        kept = {key: value for key, value in data.items() if key not in _OF_THE_MACHINE}
        return {key: _without_machine(value) for key, value in kept.items()}
    return [_without_machine(value) for value in data] if isinstance(data, list) else data
