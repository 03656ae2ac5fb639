"""The mutation run: how many small changes of the learning core does some test see?

    python -m benchmarks.mutation --count 300 --seed 1 --out benchmarks/reports

A mutant is seen when a test fails, does not end, or cannot be run. Those that are not seen are
listed, each with the reason where `known` has one. The share is of the mutants that change
behaviour, which are all but the known ones.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from benchmarks.mutation import executed as executed_lines
from benchmarks.mutation.executed import Executed
from benchmarks.mutation.forked import Job, Verdict, preload, run_jobs
from benchmarks.mutation.known import KNOWN
from benchmarks.mutation.operators import changed
from benchmarks.mutation.sites import Mutant, all_mutants, left_out, sample
from benchmarks.provenance import header, publish, versions

CONTROLS = 10
"""Mutants whose tests are also run without the change: they must pass, or a test that is red anyway
would see every mutant."""
LIMIT = 3.0
"""After so many times its budget, a mutant is taken to run for ever."""


@dataclass(frozen=True)
class Met:
    """A mutant that met its tests."""

    mutant: Mutant
    name: str
    verdict: Verdict
    tests: int

    @property
    def seen(self) -> bool:
        """Return whether some test failed, did not end, or could not be run."""
        return self.verdict.end != "passed"


def meet(
    mutants: Sequence[Mutant], found: Executed, root: Path, *, processes: int, budget: float
) -> list[Met]:
    """Run every mutant against the tests that execute its lines.

    Args:
        mutants: of the modules under `root`.
        found: which tests those are.
        root: of the repository, the current folder.
        processes: children at a time.
        budget: seconds for the tests of one mutant.

    Returns:
        In the order of `mutants`.

    Raises:
        RuntimeError: if a test is red without a mutant.
    """
    jobs, texts = [], {m.path: (root / m.path).read_text(encoding="utf-8") for m in mutants}
    for key, mutant in enumerate(mutants):
        change, text = mutant.change, texts[mutant.path]
        last = change.line + text.count("\n", change.start, change.end)
        tests = found.tests_of(mutant.path, change.line, last, budget)
        jobs.append(Job(key, tests, LIMIT * budget, mutant.path, changed(text, change)))
    _require_green([replace(job, path=None) for job in jobs[:CONTROLS]], processes)
    verdicts: dict[int, Verdict] = {}
    for verdict in run_jobs(jobs, processes=processes):
        verdicts[verdict.key] = verdict
        if verdict.end == "passed":
            print(
                f"[{len(verdicts)}/{len(jobs)}] not seen: {mutants[verdict.key].name(root)}",
                flush=True,
            )
    return [
        Met(mutant, mutant.name(root), verdicts[key], len(jobs[key].tests))
        for key, mutant in enumerate(mutants)
    ]


def _require_green(controls: Sequence[Job], processes: int) -> None:
    for verdict in run_jobs(controls, processes=processes):
        if verdict.end != "passed":
            raise RuntimeError(
                f"without a mutant, tests {verdict.end} ({verdict.test}): mend them first, or give "
                "more seconds with --budget"
            )


def report(met: Sequence[Met], whole: int, took: float, seed: int) -> str:
    """Return the report as Markdown.

    Args:
        met: the mutants with their verdicts.
        whole: how many mutants there are to draw from.
        took: seconds.
        seed: of the sample.
    """
    known = [m for m in met if not m.seen and m.name in KNOWN]
    open_ones = [m for m in met if not m.seen and m.name not in KNOWN]
    changing = len(met) - len(known)
    lines = header(
        "Mutants of the learning core that the tests see",
        "benchmarks.mutation",
        libraries=versions("torch", "transformers", "pytest"),
        remark=f"{took / 60:.0f} minutes",
    )
    lines += [
        f"- sample: {len(met)} of {whole} mutants, seed {seed}",
        f"- left out: {', '.join(left_out()) or 'no module'}",
        "",
        f"**{share(len(met) - len(known) - len(open_ones), changing)} of the mutants that change "
        f"behaviour are seen**: {changing - len(open_ones)} of {changing}. {len(known)} change "
        f"nothing that a test could see, {len(open_ones)} are not seen.",
        "",
        "| room | mutants | seen | change nothing | not seen |",
        "|---|---|---|---|---|",
        *_rows(met, lambda m: m.mutant.path.rpartition("/")[0]),
        "",
        "| change | mutants | seen | change nothing | not seen |",
        "|---|---|---|---|---|",
        *_rows(met, lambda m: m.mutant.change.kind),
        "",
        "| how they were seen | mutants |",
        "|---|---|",
    ]
    ends = Counter(m.verdict.end for m in met if m.seen)
    said = {"failed": "a test failed", "hung": "the tests did not end", "died": "the process died"}
    lines += [f"| {said[end]} | {count} |" for end, count in ends.most_common()]
    seers = Counter(m.verdict.test.partition("::")[0] for m in met if m.verdict.test)
    lines += ["", "| who saw them first | mutants |", "|---|---|"]
    lines += [f"| `{file}` | {count} |" for file, count in seers.most_common(12)]
    lines += ["", "## Not seen", "", *sorted(f"- `{m.name}`" for m in open_ones)]
    lines += [] if open_ones else ["None."]
    lines += ["", "## Change nothing that a test could see", ""]
    lines += sorted(f"- `{m.name}`: {KNOWN[m.name]}" for m in known) or ["None."]
    return "\n".join(lines) + "\n"


def share(part: int, whole: int) -> str:
    """Return a share in percent, rounded down, so that no miss is rounded away."""
    return f"{1000 * part // max(whole, 1) / 10:.1f} %"


def _rows(met: Sequence[Met], key: Callable[[Met], str]) -> list[str]:
    """Return one table row per group, in alphabetical order."""
    groups: dict[str, list[Met]] = {}
    for m in met:
        groups.setdefault(key(m), []).append(m)
    rows = []
    for name, members in sorted(groups.items()):
        seen = sum(m.seen for m in members)
        known = sum(not m.seen and m.name in KNOWN for m in members)
        counts = (len(members), seen, known, len(members) - seen - known)
        rows.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return rows


@dataclass(frozen=True)
class Settings:
    """How many mutants are drawn, and how long each may take."""

    count: int = 300
    """Mutants to draw."""
    seed: int = 1
    """Of the draw."""
    processes: int = 2
    """Mutants at a time."""
    budget: float = 60.0
    """Seconds that the tests of one mutant may take, as they were timed under the trace, which is
    slower than they are; the dearest tests are left out beyond it."""
    only: str = ""
    """Try all mutants whose name holds this text, instead of a sample."""
    trace: Path | None = None
    """File of which test executes which line; made if it is not there. None: found anew."""
    out: Path | None = None
    """Folder that gets `mutation.md`."""


def main(settings: Settings) -> None:
    """Draw, run, and print or write the report."""
    began, root = time.monotonic(), Path.cwd()
    preload()
    mutants = all_mutants(root)
    drawn = sample(mutants, settings.count, settings.seed)
    if settings.only:
        drawn = [mutant for mutant in mutants if settings.only in mutant.name(root)]
    found = _executed(settings.trace)
    print(f"{len(drawn)} of {len(mutants)} mutants, {len(found.lines)} tests", flush=True)
    met = meet(drawn, found, root, processes=settings.processes, budget=settings.budget)
    text = report(met, len(mutants), time.monotonic() - began, settings.seed)
    publish(text, settings.out, "mutation.md")


def _executed(path: Path | None) -> Executed:
    """Return which test executes which line; read from a file, or written to it."""
    if path is not None and path.exists():
        return executed_lines.load(path)
    found = executed_lines.trace_tests()
    if path is not None:
        executed_lines.save(path, found)
    return found


if __name__ == "__main__":
    main(tyro.cli(Settings))
