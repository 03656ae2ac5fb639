"""Cost of exact frames of hour-long videos: our reader, the decode floor and peers, interleaved.

    python -m benchmarks.frame_access [--quick] [--rounds 5] [--out benchmarks/reports]

Peers come with `pip install -e '.[bench]'`; one that is not installed is reported as absent. Clips
are encoded on the first run (three minutes of processor time, 700 MB) and kept in the cache folder.
Three rounds of everything take 50 minutes of processor time; --only and --match choose a part.

Each contestant has a process of its own and takes its turn in every round. Figures are medians over
the rounds after one warm-up round. Ratios are of processor time, which other work on the machine
disturbs less than wall-clock time, and of turns side by side. The numbers drawn in all pictures are
read back and checked; so are those of short clips of other kinds, which are not timed.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from algos.evaluation.tables import format_table
from benchmarks.frame_access.bars import VERDICT_HEADER, CaseRounds, verdicts
from benchmarks.frame_access.cases import ClipCase, exactness_case, long_cases
from benchmarks.frame_access.clips import LONG, LONG_QUICK, SHORT, make_clip, plan_clip
from benchmarks.frame_access.ours import AUTO, CACHED, COPY, EXACT, HALF_STEP, OURS, PROXY
from benchmarks.frame_access.peers import FLOOR, PEERS, TORCHCODEC_EXACT
from benchmarks.frame_access.worker import Contestant, Failed, Measured
from benchmarks.provenance import header, versions, write

CLOSE = (EXACT, AUTO, HALF_STEP, FLOOR, TORCHCODEC_EXACT, CACHED, COPY, PROXY)
"""Contestants whose ratios are judged against narrow bars."""
CLOSE_TURNS = 3
"""Turns that each of `CLOSE` takes in a round: one that was disturbed is outvoted by two others. It
trades time for steadier ratios."""
CASE_HEADER = ("contestant", "CPU ms", "wall ms", "CPU / floor", "wrong frames")


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    quick: bool = False
    """One clip of 60 minutes made of a short unit, fewer cases, one round: about two minutes."""
    rounds: int | None = None
    """Rounds after the warm-up round; 5, or 1 with --quick."""
    timeout: float = 120.0
    """Seconds a contestant may take for a turn; after that it takes no part any more."""
    only: tuple[str, ...] = ()
    """Contestants that take part; all by default."""
    match: str = ""
    """Take only the cases whose clip and name, as printed, hold this text."""
    folder: Path | None = None
    """Where the clips are kept; by default below $SAGE_ENV_CACHE or ~/.cache/sage_env."""
    out: Path | None = None
    """Folder to write the report to."""


def main(settings: Settings) -> None:
    """Make the clips, measure, print, and write the report if a folder is given."""
    cases = _cases(settings)
    names = [name for name in (*OURS, *PEERS) if not settings.only or name in settings.only]
    contestants = {name: Contestant(name) for name in names}
    rounds = settings.rounds or (1 if settings.quick else 5)
    try:
        outcomes: list[CaseRounds] = []
        gains: list[float] = []
        for case in cases:
            outcomes.append(_measure(case, contestants, rounds, settings, gains))
            print(_table(outcomes[-1]), flush=True)
        text = report(outcomes, contestants, statistics.median(gains or [0.0]))
    finally:
        for contestant in contestants.values():
            contestant.close()
    tables = "\n".join(_table(outcome) for outcome in outcomes)
    print(text)
    write(f"{text}\n{tables}\n", settings.out, "frame_access.md")


def _cases(settings: Settings) -> list[ClipCase]:
    """Return all cases, the timed ones first; makes the clips."""
    cases: list[ClipCase] = []
    for recipe in LONG_QUICK if settings.quick else LONG:
        clip = plan_clip(recipe, settings.folder)
        cases += long_cases(clip, (16,) if settings.quick else (16, 64), 2 if settings.quick else 8)
    cases += [exactness_case(plan_clip(recipe, settings.folder)) for recipe in SHORT]
    cases = [case for case in cases if settings.match in case.title]
    for case in cases:
        make_clip(case.clip.recipe, settings.folder)
    return cases


def _measure(
    case: ClipCase,
    contestants: Mapping[str, Contestant],
    rounds: int,
    settings: Settings,
    gains: list[float],
) -> CaseRounds:
    """Let every contestant take its turns in each round; the exactness case is run once.

    Args:
        case: what is read.
        contestants: the processes, by name.
        rounds: number of rounds after the warm-up round.
        settings: of the benchmark.
        gains: gets how much faster two independent threads were than one, once a round.
    """
    timed = case.name != "exactness"
    turns = rounds + 1 if timed else 1
    names = [name for name in case.contestants if name in contestants]
    results: dict[str, list[Measured | Failed]] = {name: [] for name in names}
    for turn in range(turns):
        for name in _order(names, turn, settings.quick) if timed else names:
            if case.cold:
                os.utime(case.clip.path)  # a new version of the file: our cached index is stale
            result = contestants[name].run(case.job(name), settings.timeout)
            if turn or not timed or isinstance(result, Failed):
                results[name].append(result)
        if timed:
            gains.append(_gain_of_two_threads())
    return CaseRounds(case, results)


def _order(names: Sequence[str], turn: int, quick: bool) -> list[str]:
    """Return the names in a round's random order; those of `CLOSE` stand `CLOSE_TURNS` times."""
    close = [] if quick else [name for name in names if name in CLOSE]
    others = [name for name in names if name not in close]
    rng = np.random.default_rng(turn)
    several = [name for _ in range(CLOSE_TURNS) for name in rng.permutation(close).tolist()]
    return [*several, *rng.permutation(others).tolist()]


def _gain_of_two_threads() -> float:
    """Return how much faster two independent threads are than one: 2 on two idle cores."""
    data = bytes(2**23)

    def work(_: int) -> None:
        hashlib.sha256(data)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
        began = time.perf_counter()
        for _ in range(2):
            work(0)
        alone = time.perf_counter() - began
        began = time.perf_counter()
        list(pool.map(work, range(2)))
        return alone / (time.perf_counter() - began)


def _table(outcome: CaseRounds) -> str:
    """Return the table of a case, as Markdown."""
    rows = []
    for name in outcome.rounds:
        cpu, wall = outcome.cpu_ms(name), outcome.wall_ms(name)
        if cpu is None or wall is None:
            rows.append((name, "-", "-", "-", outcome.failure(name) or "-"))
        else:
            by_floor = outcome.ratio(name, FLOOR)
            ratio = "-" if by_floor is None else f"{by_floor:.2f}"
            rows.append((name, f"{cpu:.1f}", f"{wall:.1f}", ratio, str(outcome.wrong(name))))
    return f"\n### {outcome.case.title}\n\n```\n{format_table(CASE_HEADER, rows)}\n```"


def report(
    outcomes: Sequence[CaseRounds],
    contestants: Mapping[str, Contestant],
    free_cores: float,
) -> str:
    """Return the head and the verdicts, as Markdown.

    Args:
        outcomes: measurements of all cases.
        contestants: the processes, by name: who was there, and in which version.
        free_cores: median of how much faster two independent threads were than one; 0 if nothing
            was timed.
    """
    absent = [f"{c.name} ({c.absent})" for c in contestants.values() if c.absent is not None]
    present = sorted({*versions("av"), *(c.about for c in contestants.values() if c.about)})
    cores = f"{free_cores:.2f} x over one" if free_cores else "nothing that was measured"
    lines = [
        *header("Frame access", "benchmarks.frame_access", libraries=present),
        f"- load average {os.getloadavg()[0]:.1f}; two threads that share nothing gained {cores}",
        f"- absent: {'; '.join(absent) or 'nobody'}",
        "- decord and OpenCV are asked by index (time x average rate), as they have to be: wrong "
        "where frames last unequally",
        "",
        "```",
        format_table(VERDICT_HEADER, verdicts(outcomes, free_cores)),
        "```",
    ]
    return "\n".join(lines)
