"""Every campaign of faults, in one command: hostile input, full disks, kills.

    python -m benchmarks.robustness --out benchmarks/reports

Two campaigns run side by side, in processes of their own. The report says for each how many cases
were tried, how they ended, and every fault. The exit status is 1 if there was one.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import tyro

from benchmarks.provenance import header, publish, versions
from benchmarks.robustness.campaigns import CAMPAIGNS, Campaign, run_campaign
from benchmarks.robustness.outcome import Outcome


@dataclass(frozen=True)
class Settings:
    """Settings of the campaigns."""

    seed: int = 0
    """Of all random choices."""
    only: tuple[str, ...] = ()
    """Names of campaigns, of `benchmarks.robustness.campaigns`; by default all."""
    quick: bool = False
    """A few cases of each kind."""
    jobs: int = 2
    """Campaigns side by side."""
    out: Path | None = None
    """Folder for `robustness.md`."""


def main(settings: Settings) -> int:
    """Run the campaigns and print the report; return 1 if there was a fault."""
    names = [campaign.module for campaign in CAMPAIGNS]
    if unknown := [name for name in settings.only if name not in names]:
        sys.exit(f"no campaign is named {', '.join(unknown)}: there are {', '.join(names)}")
    chosen = [c for c in CAMPAIGNS if not settings.only or c.module in settings.only]
    with ProcessPoolExecutor(settings.jobs, mp_context=get_context("spawn")) as pool:
        started = [
            pool.submit(run_campaign, c, c.quick if settings.quick else c.tries, settings.seed)
            for c in chosen
        ]
        results = []
        for campaign, future in zip(chosen, started, strict=True):
            results.append(future.result())
            outcome, seconds = results[-1]
            line = f"{campaign.title}: {outcome.tries} in {seconds:.0f} s"
            print(f"{line}, {len(outcome.faults)} faults", file=sys.stderr, flush=True)
    lines = header("Robustness", "benchmarks.robustness", libraries=versions("torch", "av"))
    lines += [f"- seed: {settings.seed}", "", *_table(chosen, results), *_faults(chosen, results)]
    publish("\n".join(lines) + "\n", settings.out, "robustness.md")
    return int(any(outcome.faults for outcome, _ in results))


def _table(chosen: list[Campaign], results: list[tuple[Outcome, float]]) -> list[str]:
    lines = ["| what | cases | faults | how they ended | s |", "|---|---|---|---|---|"]
    for campaign, (outcome, seconds) in zip(chosen, results, strict=True):
        ends = ", ".join(f"{end} {count:,}" for end, count in outcome.ends.most_common())
        lines.append(
            f"| {campaign.title} | {outcome.tries:,} | {len(outcome.faults)} | {ends} "
            f"| {seconds:.0f} |"
        )
    return lines


def _faults(chosen: list[Campaign], results: list[tuple[Outcome, float]]) -> list[str]:
    lines = ["", "## Faults", ""]
    for campaign, (outcome, _) in zip(chosen, results, strict=True):
        lines += [f"- {campaign.module}: {fault}" for fault in outcome.faults[:50]]
        if len(outcome.faults) > 50:
            lines.append(f"- {campaign.module}: and {len(outcome.faults) - 50} more")
    return lines if len(lines) > 3 else [*lines, "None."]


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
