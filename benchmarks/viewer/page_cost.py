"""What a run's page costs: to write, beside what must be done for it, and to use in a browser.

    python -m benchmarks.viewer.page_cost RUN [--rounds 3] [--out benchmarks/reports]

RUN is a training whose videos are there; its page is written with an empty cache. Each turn is a
process of its own, whose processor time and peak memory are counted. Peers: decoding the frames of
that page alone, and compressing its JSON alone; of large tables, reading their rows alone.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, NamedTuple

import tyro

from algos.evaluation.tables import format_table
from algos.runs.run_folder import RunFolder
from algos.viewer.pictures.seen_frames import decode_looks
from algos.viewer.pictures.wanted_frames import Look, frames_of, with_most
from algos.viewer.reading.run_folders import read_run
from algos.viewer.writing.packing import packed
from algos.viewer.writing.plain_values import json_line
from algos.viewer.writing.view_file import WriteSettings, write_view
from benchmarks.provenance import header, publish, versions
from benchmarks.rollout.evaluation_scale import finish, report, write_play
from benchmarks.timing import median_ratio
from benchmarks.viewer.in_browser import used
from benchmarks.viewer.page_blocks import blocks_of
from sage_env.video.cache.frame_cache import FrameCache

SECONDS, MEGABYTES = 20.0, 5.0
"""Bars of the page of the run: seconds of the wall clock on two calm cores are at most those of the
processor, which are counted here since the machine is shared; and its size."""
PAINT_MS, FRAME_MS = 2000.0, 100.0
"""Bars in the browser with 10,000 questions: the first paint, the longest work for one frame."""
_CELLS = 240


class Cost(NamedTuple):
    """Of one turn: seconds of the processor, peak GiB, and bytes of what it made."""

    cpu: float
    peak: float
    size: int


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")] = Path(
        "runs/first-light"
    )
    """Folder of a finished training whose videos are there."""
    rounds: int = 3
    """Turns of each contestant on the run."""
    rows: tuple[int, ...] = (10_000, 100_000)
    """Questions of the large tables."""
    quick: bool = False
    """One round and one small table: to see that it works."""
    out: Path | None = None
    """Folder to write the report to."""


def whole_page(run: Path, place: Path) -> int:
    """Write the page of a run; return its bytes."""
    return write_view(read_run(run), place / "report.html").bytes


def frames_alone(run: Path, place: Path) -> int:
    """Decode the frames of the page, each once, and keep nothing; return how many."""
    view = read_run(run)
    first = tuple(key for key in (view.shown, view.before) if key)
    looks: dict[Path, dict[Look, None]] = {}
    for name in view.order[: WriteSettings().pictured]:
        wanted = with_most(frames_of(view.question(name), view.frame_size, first), _CELLS)
        if wanted.video is not None:
            looks.setdefault(wanted.video, {}).update(dict.fromkeys(wanted.looks))
    cache = FrameCache(0)
    found = [
        decode_looks(video, list(some), lambda p: p[:1, :1].copy(), seconds=60, cache=cache)
        for video, some in looks.items()
    ]
    return sum(len(frames.pictures) for frames in found)


def json_alone(page: Path, place: Path) -> int:
    """Compress the blocks of a page, which are unpacked before; return the bytes."""
    return sum(len(packed(json_line(block))) for block in blocks_of(page))


def table_page(run: Path, place: Path) -> int:
    """Write the report of a large evaluation; return the bytes of its page."""
    folder = RunFolder(run)
    report(folder, 0)
    return folder.report.stat().st_size


def rows_alone(run: Path, place: Path) -> int:
    """Read the rows of a large evaluation as JSON; return their bytes."""
    path = RunFolder(run).samples
    with path.open("rb") as file:
        for line in file:
            json.loads(line)
    return path.stat().st_size


Job = Callable[[Path, Path], int]


def measured(job: Job, source: Path) -> Cost:
    """Return what a job costs in a process of its own, with an empty cache folder."""
    with tempfile.TemporaryDirectory() as place, get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (job, source.resolve(), Path(place)))


def _measured(job: Job, source: Path, place: Path) -> Cost:
    os.environ["SAGE_ENV_CACHE"] = str(place / "cache")
    began = time.process_time()  # of all threads; nothing here starts a process
    size = job(source, place)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return Cost(time.process_time() - began, peak, size)


def of_a_run(settings: Settings, place: Path) -> tuple[list[str], str]:
    """Return sentences and a table about the page of a run."""
    page = write_view(read_run(settings.run), place / "page.html")
    jobs: dict[str, tuple[Job, Path]] = {
        "the page, cache empty": (whole_page, settings.run),
        "its frames alone": (frames_alone, settings.run),
        "its JSON packed alone": (json_alone, page.path),
    }
    turns: dict[str, list[Cost]] = {name: [] for name in jobs}
    for _ in range(1 if settings.quick else settings.rounds):
        for name, (job, source) in jobs.items():
            turns[name].append(measured(job, source))
    ours = turns["the page, cache empty"]
    cpu, size = statistics.median(cost.cpu for cost in ours), page.bytes / 1e6
    kept = "kept" if cpu <= SECONDS and size <= MEGABYTES else "NOT MET"
    told = [
        f"- the page: {page.questions} questions, {page.detailed} with details, {page.pictured} "
        f"with pictures, {page.rows} rows, {size:.2f} MB",
        f"- bars: {SECONDS:.0f} s of the processor, {MEGABYTES:.0f} MB: {kept}",
    ]
    lines = [
        (
            name,
            f"{statistics.median(cost.cpu for cost in found):.2f}",
            f"{median_ratio([cost.cpu for cost in ours], [cost.cpu for cost in found]):.2f}",
            f"{max(cost.peak for cost in found):.2f}",
        )
        for name, found in turns.items()
    ]
    header_ = ("contestant", "seconds of the processor", "page / it", "peak GiB")
    return told, format_table(header_, lines, text_columns=1)


def of_tables(settings: Settings, place: Path) -> tuple[list[str], str, str]:
    """Return sentences and two tables about large tables: written, and in the browser."""
    written, seen, late = [], [], []
    for count in (500,) if settings.quick else settings.rows:
        folder = RunFolder(place / f"run-{count}")
        folder.path.mkdir()
        write_play(folder, count)
        finish(folder, count)
        ours, theirs = measured(table_page, folder.path), measured(rows_alone, folder.path)
        written.append(
            (
                f"{count:,}",
                f"{ours.cpu:.1f}",
                f"{theirs.cpu:.1f}",
                f"{ours.cpu / theirs.cpu:.1f}",
                f"{ours.size / 1e6:.2f}",
                f"{ours.peak:.2f}",
            )
        )
        use = used(folder.report)
        seen.append((f"{count:,}", *(f"{one:.0f}" for one in use)))
        if count <= 10_000 and (use.paint > PAINT_MS or max(use.scroll, use.typing) > FRAME_MS):
            late.append(count)
    told = [
        f"- bars in the browser, up to 10,000 questions: first paint {PAINT_MS:.0f} ms, longest "
        f"frame {FRAME_MS:.0f} ms: {'NOT MET' if late else 'kept'}"
    ]
    columns = ("questions", "seconds", "rows read alone", "ratio", "page MB", "peak GiB")
    heading = ("questions", "first paint", "table is there", "scrolling", "typing", "heap MB")
    return told, format_table(columns, written), format_table(heading, seen)


def main(settings: Settings) -> None:
    """Measure, print and write the report."""
    with tempfile.TemporaryDirectory() as place:
        told, page = of_a_run(settings, Path(place))
        bars, written, seen = of_tables(settings, Path(place))
    head = header(
        "The page of a run",
        "benchmarks.viewer.page_cost",
        libraries=versions("av", "pillow", "playwright"),
        remark="two threads decode; the machine was shared",
    )
    text = [
        *(*head, *told, *bars, "", "The page of a run, and what must be done for it:", ""),
        *("```", page, "```", "", "Reports of made-up evaluations, pictures absent, one turn:", ""),
        *("```", written, "```", "", "Their pages in Chromium; milliseconds, the longest work for"),
        *("one frame of 60 steps of scrolling, and of 8 letters typed into the search:", ""),
        *("```", seen, "```", ""),
    ]
    publish("\n".join(text), settings.out, "viewer.md")


if __name__ == "__main__":
    main(tyro.cli(Settings))
