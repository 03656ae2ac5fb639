"""Stages: each leaves its result in a file, and one whose file is there is not run again.

What is inside of a stage resumes by itself; the file is written last, whole or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algos.data_pipeline.line.settings import LineError, LineSettings
from algos.runs.append_log import AppendLog, read_log
from algos.runs.json_files import read_json, write_json

STAGES = "stages"
TIMES = "times.jsonl"
Result = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """One step of the line.

    Attributes:
        name: of its file.
        does: what it does, for a line on the terminal.
        run: does it; what it returns is plain JSON data.
    """

    name: str
    does: str
    run: Callable[[LineSettings], Result]


def run_stages(
    stages: Sequence[Stage], settings: LineSettings, tell: Callable[[str], None]
) -> dict[str, Result]:
    """Run the stages that have not been run, in order; return the results of all, by name.

    Args:
        stages: in order.
        settings: of the line.
        tell: is given a sentence before and after each.

    Raises:
        LineError: if the stage to stop after is none.
        SageEnvError: if a stage fails; the same call goes on with it.
    """
    names = [stage.name for stage in stages]
    if settings.stop_after is not None and settings.stop_after not in names:
        raise LineError(f"stop_after must be one of {', '.join(names)}")
    found: dict[str, Result] = {}
    for number, stage in enumerate(stages, 1):
        path = settings.out / STAGES / f"{stage.name}.json"
        place = f"[{number}/{len(stages)}] {stage.name}"
        if path.exists():
            tell(f"{place}: done before")
        else:
            tell(f"{place}: {stage.does}")
            with _timed(settings.out / TIMES, stage.name):
                result = stage.run(settings)
            write_json(path, result)
        found[stage.name] = read_json(path)
        if stage.name == settings.stop_after:
            break
    return found


class _timed:
    """Adds to a file how long the block took, and whether it came to its end."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name

    def __enter__(self) -> None:
        self.began = time.perf_counter()
        self.processor = time.process_time()

    def __exit__(self, kind: object, *_: object) -> None:
        log = AppendLog(self.path)
        log.append(
            {
                "stage": self.name,
                "seconds": round(time.perf_counter() - self.began, 2),
                "processor": round(time.process_time() - self.processor, 2),
                "finished": kind is None,
            }
        )
        log.close()


def seconds_of(out: Path) -> dict[str, dict[str, float]]:
    """Return the wall-clock and processor seconds of each stage, over all calls of this line.

    A call that was killed has written none; the processor's are those of this process alone.
    """
    found: dict[str, dict[str, float]] = {}
    for row in read_log(out / TIMES):
        own = found.setdefault(row["stage"], {"seconds": 0.0, "processor": 0.0, "calls": 0})
        own["seconds"] += row["seconds"]
        own["processor"] += row["processor"]
        own["calls"] += 1
    return found
