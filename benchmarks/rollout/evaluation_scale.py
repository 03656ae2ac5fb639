"""Time and memory of everything after playing, for an evaluation of very many questions.

    python -m benchmarks.rollout.evaluation_scale [--questions 100000] [--out benchmarks/reports]

Rows and trajectories are made up: nothing is played. They are written as a play that was killed
before its end leaves them, in no order and with doubles. Each stage then runs in a process of its
own, whose peak memory is counted: going on and finishing (order, measures, `results.json`), the
report, and reading it all back, as `sage-vqa report` and a comparison do.
"""

from __future__ import annotations

import json
import random
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import tyro

from algos.evaluation.sample_rows import sample_row
from algos.evaluation.tables import format_table, summary_cells
from algos.report.report_data import ReportData
from algos.rollout.trajectory import Trajectory, Turn
from algos.runs.evaluation_manifest import write_manifest
from algos.runs.evaluation_run import EvaluationRun
from algos.runs.run_folder import RunFolder
from algos.runs.stored_result import load_stored
from algos.viewer.reading.report_files import load_report, save_report, write_report
from benchmarks.provenance import header, publish, versions
from policies.base import Decision
from sage_env.actions.action import Answer, Sample
from sage_env.actions.action_text import format_action
from sage_env.datasets.item import QAItem

NAME = "made-up"
SECONDS, GIGABYTES = 60.0, 2.0  # bars: of all stages together, and of the largest
CHOICES = ("red", "green", "blue", "grey")


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    questions: int = 100_000
    """How many."""
    out: Path | None = None
    """Folder to write the report to."""


def questions(count: int) -> list[QAItem]:
    """Return questions about a quarter as many videos, with five report keys."""
    return [
        QAItem(
            id=f"q{k:06d}",
            video=Path(f"videos/{k // 4:05d}.mp4"),
            question=f"Which colour has the thing of number {k}, when it is seen first?",
            choices=CHOICES,
            answer=CHOICES[k % 4],
            kind="mcq",
            evidence=((10.0, 20.0),),
            duration=20.0 * 1.9 ** (k // 4 % 11),
            group={
                "domain": f"domain {k % 6}",
                "task": f"task {k % 12}",
                "sub_category": f"kind {k % 30}",
                "difficulty": str(k % 3),
                "video_type": f"type {k // 4 % 5}",
            },
        )
        for k in range(count)
    ]


def episode(item: QAItem, draws: random.Random) -> Trajectory:
    """Return an episode of one look and an answer, that is right in half of all cases."""
    look = Sample(0.0, 20.0, 8)
    seconds = [round(draws.uniform(0, 20), 3) for _ in range(8)]
    said = item.answer if draws.random() < 0.5 else draws.choice(CHOICES)
    spent = {"turns": 2, "frames_shown": 24, "frames_unique": 24, "decode_seconds": 0.01}
    begin = {"item_id": item.id, "frame_seconds": seconds * 2, "span": [0.0, item.duration]}
    first = {"frame_seconds": seconds, "span": [0.0, 20.0], "spent": spent}
    last = {
        **dict(frame_seconds=[], stop_reason="answered", rule="exact", spent=spent),
        **dict(correct=said == item.answer, reward_terms={"answer": float(said == item.answer)}),
    }
    turns = [
        Turn(Decision(look, format_action(look)), 0.0, first),
        Turn(Decision(Answer(said), said), float(said == item.answer), last),
    ]
    return Trajectory(item.id, 0, turns, begin, terminated=True, seconds=draws.uniform(0.5, 3.0))


def write_play(folder: RunFolder, count: int) -> None:
    """Write what a killed play leaves: rows and trajectories in no order, some of them twice."""
    draws, items = random.Random(0), questions(count)
    order = [*range(count), *draws.sample(range(count), count // 50)]
    draws.shuffle(order)
    path = folder.result_path(NAME).with_suffix(".jsonl")
    path.parent.mkdir(parents=True)
    with folder.samples.open("w") as rows, path.open("w") as played:
        for k in order:
            trajectory = episode(items[k], draws)
            rows.write(json.dumps(sample_row(items[k], trajectory)) + "\n")
            played.write(json.dumps(trajectory.to_json()) + "\n")
    write_manifest(folder, {"policy": NAME}, {}, session=True)


def finish(folder: RunFolder, count: int) -> None:
    """Go on with the play, in which nothing is missing, and finish it."""
    with EvaluationRun(folder, NAME, questions(count), {"policy": NAME}) as run:
        assert not run.waiting
        run.finish(NAME)


def report(folder: RunFolder, count: int) -> None:
    """Write the report from the stored rows."""
    data = ReportData(f"{count} questions", {}, {NAME: load_stored(folder)}, dataset="video-mme")
    save_report(folder, data)


def read_back(folder: RunFolder, count: int) -> None:
    """Read it all back, make the table, and write the report again."""
    assert summary_cells([load_stored(folder)])[0][2] == str(count)
    write_report(folder.report, load_report(folder))


STAGES: dict[str, Callable[[RunFolder, int], None]] = {
    "go on and finish": finish,
    "report": report,
    "read back, report again": read_back,
}


def measured(stage: Callable[[RunFolder, int], None], folder: RunFolder, count: int) -> Any:
    """Return seconds, seconds of the processor and peak GiB of a stage, in its own process."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (stage, folder, count))


def _measured(
    stage: Callable[[RunFolder, int], None], folder: RunFolder, count: int
) -> tuple[float, float, float]:
    began, worked = time.perf_counter(), time.process_time()
    stage(folder, count)
    passed, work = time.perf_counter() - began, time.process_time() - worked
    return passed, work, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(settings: Settings) -> None:
    """Measure, print and write the report."""
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place) / "run")
        folder.path.mkdir()
        write_play(folder, settings.questions)
        size = sum(p.stat().st_size for p in folder.path.rglob("*") if p.is_file()) / 2**30
        count = settings.questions
        found = {name: measured(stage, folder, count) for name, stage in STAGES.items()}
    wall, work, memory = zip(*found.values(), strict=True)
    total, most = sum(work), max(memory)
    rows = {**found, "all, and the largest": (sum(wall), total, most)}
    lines = [(name, f"{s:.1f}", f"{t:.1f}", f"{m:.2f}") for name, (s, t, m) in rows.items()]
    kept = "kept" if total <= SECONDS and most <= GIGABYTES else "NOT KEPT"
    head = header(
        "An evaluation of very many questions",
        "benchmarks.rollout.evaluation_scale",
        libraries=versions("numpy"),
        remark="one thread",
    )
    head += [
        f"- {settings.questions} made-up questions of two turns; rows and episodes: {size:.2f} GiB",
        f"- bars: {SECONDS:.0f} s of the processor for all stages, {GIGABYTES:.0f} GiB for the "
        f"largest: {kept}",
    ]
    table = format_table(
        ("stage", "seconds", "of the processor", "peak GiB"), lines, text_columns=1
    )
    text = "\n".join([*head, "", "```", table, "```", ""])
    publish(text, settings.out, "evaluation_scale.md")


if __name__ == "__main__":
    main(tyro.cli(Settings))
