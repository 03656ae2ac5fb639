"""A campaign: a disk that fails at every write, for everything that the product writes.

For each scenario the calls that write are counted on a disk that works. Then, in a new folder each
time, the first of them fails, then the second, and so on: from then on, with each error; once; and
after a short write. After that, files are bounded at many lengths, for what libraries
write by themselves. Each time:

- a cache must have given a warning at most, and right frames;
- anything else must have raised what the system said, or have succeeded;
- what is there afterwards must be whole: the earlier version, or the new one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.robustness.clips.small_clips import write_blocks
from benchmarks.robustness.disk_scenarios import SCENARIOS
from benchmarks.robustness.failing_disk import ERRORS, KINDS, FailingDisk, limited_files
from benchmarks.robustness.isolated import run_isolated
from benchmarks.robustness.outcome import Outcome
from sage_env.errors import SageEnvError
from sage_env.storage import warn_once

_LIMITS = (0, 1, 7, 8, 40, 100, 999, 4096, 5000, 20_000)
"""Bytes that a file may have, where that is bounded, and then half and all but one of each length
that the scenario's own files have."""


class Case(NamedTuple):
    """One disk that fails in one place.

    Attributes:
        scenario: of `SCENARIOS`.
        at: the number of the call that fails; -1 for a bound of file lengths.
        kind: of `KINDS`, or "" for a bound.
        number: of the error, or bytes that a file may have.
    """

    scenario: str
    at: int
    kind: str
    number: int


def run(tries: int, seed: int, folder: Path) -> Outcome:
    """Try every place, or as many of them as `tries` says, evenly spread.

    Args:
        tries: how many; 0 for every place there is.
        seed: shifts which error comes where.
        folder: for the files of this campaign.

    Returns:
        How the cases ended.
    """
    path = write_blocks(folder / "clip.mkv", seed=seed)
    cases = list(_cases(path, folder, seed))
    if tries:
        cases = cases[:: max(1, len(cases) // tries)]
    return run_isolated(
        partial(attempt, folder=folder), cases, seconds=60, prepare=partial(prepare, path)
    )


def prepare(path: Path) -> None:
    """Say where the clip is, and keep libraries from starting threads."""
    os.environ["SAGE_ROBUSTNESS_CLIP"] = str(path)
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def attempt(case: Case, folder: Path) -> tuple[str, str]:
    """Try one case; return how it ended, and what was wrong.

    Args:
        case: where the disk fails.
        folder: for a folder of its own.
    """
    scenario = SCENARIOS[case.scenario]
    where = Path(tempfile.mkdtemp(dir=folder))
    warn_once._told.clear()
    raised: BaseException | None = None
    told: list[warnings.WarningMessage] = []
    try:
        scenario.before(where)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            failing = (
                FailingDisk(where, case.at, case.kind, case.number).in_use()
                if case.kind
                else limited_files(case.number)
            )
            try:
                with failing:
                    scenario.act(where)
            except Exception as error:
                raised = error
        end, fault = _judged(scenario.caches, raised, told)
        try:
            scenario.works(where)
        except Exception as error:
            fault = fault or f"afterwards: {type(error).__name__}: {error}"
        return end, fault
    finally:
        shutil.rmtree(where, ignore_errors=True)


def _judged(
    caches: bool, raised: BaseException | None, told: list[warnings.WarningMessage]
) -> tuple[str, str]:
    """Return how it ended, and what was wrong with how it was said."""
    ours = [w for w in told if w.category is RuntimeWarning]
    if raised is None:
        if len({str(w.message) for w in ours}) > 2:
            return "warned", f"{len(ours)} warnings, e.g. {ours[-1].message}"
        return ("warned, and right" if ours else "went on, and right"), ""
    what = f"{type(raised).__name__}: {raised}"
    if caches:
        return "raised", f"a cache raised {what}"
    said = isinstance(raised, OSError | SageEnvError) or "Error" in type(raised).__name__
    reason = any(os.strerror(number).lower() in str(raised).lower() for number in (*ERRORS, 27))
    return "a clear error, and whole", "" if said and reason else f"not a clear error: {what}"


def _cases(clip: Path, folder: Path, seed: int) -> Iterator[Case]:
    """Yield all places, of one scenario after the other."""
    prepare(clip)
    for name in SCENARIOS:
        yield from _cases_of(name, folder, seed)


def _cases_of(name: str, folder: Path, seed: int) -> Iterator[Case]:
    """Yield all places of one scenario, which is run once on a disk that works."""
    where = Path(tempfile.mkdtemp(dir=folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        SCENARIOS[name].before(where)
        with FailingDisk(where).in_use() as disk:
            SCENARIOS[name].act(where)
    for at in range(disk.calls):
        for error in ERRORS:
            yield Case(name, at, "from then on", error)
        for kind in KINDS[1:]:
            yield Case(name, at, kind, ERRORS[(at + seed) % len(ERRORS)])
    lengths = {path.stat().st_size for path in where.rglob("*") if path.is_file()}
    ends = {n - 1 for n in lengths if n} | {n // 2 for n in lengths}
    for length in sorted({*_LIMITS, *ends}):
        yield Case(name, -1, "", length)
    shutil.rmtree(where)
