"""The steps, each in a process of its own: one that fails or takes too long ends no other.

    python -m benchmarks.gpu --out benchmarks/reports

takes ten minutes at most on a GPU. Each step's result is written as soon as it is there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import equality, full_size, small_run
from benchmarks.gpu.report import report
from benchmarks.provenance import publish

NAMES = ("equality", "training of the small model", "2B", "4B", "8B")
MARK = "RESULT "


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Measure exactness, a whole training, and speed and memory at full size, on one GPU."""

    device: str = "cuda"
    """Where the models are; on `cpu` the steps take small sizes, to see that they work."""
    steps: tuple[str, ...] = NAMES
    """Which ones."""
    minutes: float = 10.0
    """For all of them; a step that does not fit in what is left is ended, and said to be."""
    out: Path | None = None
    """Folder of the report, `gpu.md`; it is printed in any case."""
    alone: bool = False
    """Run the first step in this process, and print its result: what each process is told."""


def main(settings: Settings) -> None:
    """Run the steps and write the report.

    Raises:
        SystemExit: if the device is not there, a step is not known, or one failed.
    """
    unknown = [name for name in settings.steps if name not in NAMES]
    if unknown or not settings.steps:
        raise SystemExit(f"--steps takes {', '.join(NAMES)}, got {unknown}")
    on_gpu = settings.device.startswith("cuda")
    if on_gpu and not torch.cuda.is_available():
        raise SystemExit("torch sees no GPU: use --device cpu for a try, or another build of torch")
    if settings.alone:
        print(MARK + json.dumps(measured(settings.steps[0], settings.device)))
        return
    name = torch.cuda.get_device_name(settings.device) if on_gpu else "none (a try on the CPU)"
    results: dict[str, dict[str, Any]] = {}
    until = time.monotonic() + 60 * settings.minutes
    for step in settings.steps:
        results[step] = _in_its_own_process(step, settings.device, until - time.monotonic())
        publish(report(name, results), settings.out, "gpu.md")
    failed = [step for step, found in results.items() if "error" in found]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def measured(step: str, device: str) -> dict[str, Any]:
    """Return the result of one step; what it raised stands under `error`."""
    try:
        return _measure(step, device)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        traceback.print_exc()
        return {"error": told}


def _measure(step: str, device: str) -> dict[str, Any]:
    small = not device.startswith("cuda")
    if step == "equality":
        return equality.measure(device, 2 if small else 8)
    if step == "training of the small model":
        return small_run.measure(device, 1 if small else 3)
    if not small:
        return full_size.measure(device, step)  # type: ignore[arg-type]
    from policies.sage_mm.model.pretrained import open_checkpoint

    base = open_checkpoint(None).base
    return full_size.measure(device, "2B", episodes=2, frames=4, side=64, model=base)


def _in_its_own_process(step: str, device: str, seconds: float) -> dict[str, Any]:
    if seconds <= 0:
        return {"error": "no time was left"}
    command = [sys.executable, "-m", "benchmarks.gpu", "--alone", "--steps", step]
    try:
        ended = subprocess.run(
            [*command, "--device", device], stdout=subprocess.PIPE, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return {"error": f"took longer than the {seconds:.0f} s that were left"}
    lines = [line for line in ended.stdout.splitlines() if line.startswith(MARK)]
    if not lines:
        return {"error": f"its process ended with {ended.returncode} and said nothing"}
    found: dict[str, Any] = json.loads(lines[-1].removeprefix(MARK))
    return found
