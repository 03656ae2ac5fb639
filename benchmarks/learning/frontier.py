"""The frontier: accuracy against frames, the agent beside DIRECT, on videos of a fresh seed.

    python -m benchmarks.learning.frontier [--out runs/frontier] [--arms agent conditioned ...]
        [--seeds 0 1 2] [--jobs 2] [--report-only]

An arm with a seed is a job, in a process of its own with one thread (`arm_job`); its result is one
line of `frontier.jsonl`, appended at once. The command goes on with a folder where it was: what is
in the file is not run again, and a training that was interrupted goes on from its checkpoint. The
report is made from whatever is there, and says what is missing. `arms` lists the arms;
`frontier_curves` says what an area and an interval are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from algos.runs.append_log import AppendLog, read_log
from algos.runs.run_folder import RunFolder, read_json
from benchmarks.learning.arm_job import FRESH_SEED, fresh_items
from benchmarks.learning.arms import ARMS
from benchmarks.learning.frontier_report import chart, tables
from benchmarks.provenance import header, publish, versions, write

ORDER = (
    "agent",
    "direct",
    "base",
    "direct-16",
    "direct-32",
    "direct-8",
    "direct-64",
    "direct-128",
    "conditioned",
    "agent-0.5",
    "agent-0.2",
    "agent-1.1",
    "random-reward",
    "clone-clean",
    "clone-right",
)
"""The arms, the most telling first: a sitting that is cut short has those."""
WAIT = 1.0
"""Seconds between looks at the jobs that run."""


@dataclass(frozen=True)
class Settings:
    """Run the jobs that are missing, then write the report."""

    out: Path = Path("runs/frontier")
    """Folder of the jobs, of `frontier.jsonl` and of the report; it can be gone on with."""
    arms: tuple[str, ...] = ORDER
    """Arms to run, in this order."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of every arm that learns."""
    default_seeds: tuple[int, ...] = tuple(range(8))
    """Seeds of `agent`, the default row."""
    jobs: int = 2
    """Processes side by side, of one thread each."""
    root: Path | None = None
    """Folder of the training videos' files; by default $SAGE_ENV_CACHE or ~/.cache/sage_env."""
    report_only: bool = False
    """Run nothing; write the report of what is there."""
    quick: bool = False
    """One update of four episodes and seven fresh videos: to see that it runs."""


def main(settings: Settings) -> None:
    """Run what is missing, and report."""
    unknown = sorted(set(settings.arms) - set(ARMS))
    if unknown:
        raise SystemExit(f"expected arms of {', '.join(ARMS)}, got {', '.join(unknown)}")
    path = settings.out / "frontier.jsonl"
    failed: list[str] = []
    if not settings.report_only:
        _build(settings)
        settings.out.mkdir(parents=True, exist_ok=True)
        with RunFolder(settings.out).alone("--out"):
            failed = _run(settings, path)
    rows = read_log(path)
    if rows:
        publish(report(settings, rows), settings.out, "frontier.md")
        videos, seed = rows[0]["videos"], rows[0]["fresh_seed"]
        write(chart(rows, fresh_items(seed, videos)), settings.out, "frontier.html")
    if failed:
        raise SystemExit(f"these jobs failed, see job.log in their folders: {', '.join(failed)}")


def wanted(settings: Settings) -> list[tuple[str, int]]:
    """Return the arm and the seed of every job, in the order to run them in."""
    found = []
    for arm in settings.arms:
        seeds = settings.default_seeds if arm == "agent" else settings.seeds
        found += [(arm, seed) for seed in (seeds[:1] if ARMS[arm].training == "none" else seeds)]
    return found


def missing(settings: Settings, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Return the jobs that have no row yet."""
    done = {(row["arm"], row["seed"]) for row in rows}
    return [job for job in wanted(settings) if job not in done]


def _build(settings: Settings) -> None:
    """Write the files of the training and validation videos, before jobs would do so at once."""
    from sage_env.synth.build import build

    if not settings.quick:
        build(settings.root, ("train", "validation"))


def _run(settings: Settings, path: Path) -> list[str]:
    """Run the jobs that are missing; return the names of those that failed."""
    waiting, running = missing(settings, read_log(path)), dict[str, Any]()
    failed: list[str] = []
    log = AppendLog(path)
    try:
        while waiting or running:
            while waiting and len(running) < settings.jobs:
                arm, seed = waiting.pop(0)
                running[f"{arm}-seed-{seed}"] = _start(settings, arm, seed)
            time.sleep(WAIT)
            for name, process in list(running.items()):
                if process.poll() is None:
                    continue
                del running[name]
                row = settings.out / name / "row.json"
                if row.exists():
                    log.append(read_json(row))
                    print(f"{name}: done", flush=True)
                else:
                    failed.append(name)
                    print(f"{name}: failed ({process.returncode})", flush=True)
    finally:
        for process in running.values():
            process.terminate()  # a training stops at a safe point, and goes on from there
        for process in running.values():
            process.wait()
        log.close()
    return failed


def _start(settings: Settings, arm: str, seed: int) -> subprocess.Popen[bytes]:
    """Start a job, whose output goes to `job.log` in its folder."""
    folder = settings.out / f"{arm}-seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.learning.arm_job"]
    command += ["--arm", arm, "--seed", str(seed), "--folder", str(folder)]
    command += ["--root", str(settings.root)] if settings.root else []
    command += ["--quick", "--videos", "7"] if settings.quick else []
    with (folder / "job.log").open("ab") as said:
        return subprocess.Popen(
            command, stdout=said, stderr=said, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )


def report(settings: Settings, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the report as Markdown."""
    videos, fresh = rows[0]["videos"], rows[0]["fresh_seed"]
    items = fresh_items(fresh, videos)
    todo = [f"{arm} {seed}" for arm, seed in missing(settings, rows)]
    commits = sorted({row["commit"] for row in rows})
    updates = ", ".join(f"{r['arm']} {r['seed']}: {r['update']}" for r in rows if r["update"])
    head = header("The frontier", "benchmarks.learning.frontier", libraries=versions("torch"))
    return "\n".join(
        [
            *head,
            f"- commits of the rows: {', '.join(commits)}",
            f"- {len(items)} core questions on {videos} videos of seed {fresh}, greedy decoding",
            f"- CPU seconds of all jobs: {sum(row['cpu_seconds'] for row in rows)}",
            f"- best update by validation: {updates or '-'}",
            f"- missing jobs (arm, seed): {', '.join(todo) or 'none'}",
            "- percent, with 95 % intervals over seeds and videos; over videos alone with fewer",
            f"  than three seeds. Fresh: nothing was chosen by figures of seed {FRESH_SEED}",
            *tables(rows, items),
            "",
        ]
    )


if __name__ == "__main__":
    main(tyro.cli(Settings))
