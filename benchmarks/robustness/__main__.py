"""Every campaign of faults, in one command: hostile input, full disks, kills.

    python -m benchmarks.robustness --out benchmarks/reports

Two campaigns run side by side, in processes of their own. The report says for each how many cases
were tried, how they ended, and every fault. The exit status is 1 if there was one.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.provenance import header, publish, versions
from benchmarks.robustness.campaigns import CAMPAIGNS, Campaign, run_campaign
from benchmarks.robustness.outcome import Outcome


def main() -> int:
    """Run the campaigns and print the report; return 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=[c.module for c in CAMPAIGNS], default=None)
    parser.add_argument("--quick", action="store_true", help="a few cases of each kind")
    parser.add_argument("--jobs", type=int, default=2, help="campaigns side by side")
    parser.add_argument("--out", type=Path, help="folder for robustness.md")
    options = parser.parse_args()
    chosen = [c for c in CAMPAIGNS if options.only is None or c.module in options.only]
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        started = [
            pool.submit(run_campaign, c, c.quick if options.quick else c.tries, options.seed)
            for c in chosen
        ]
        results = []
        for campaign, future in zip(chosen, started, strict=True):
            results.append(future.result())
            outcome, seconds = results[-1]
            line = f"{campaign.title}: {outcome.tries} in {seconds:.0f} s"
            print(f"{line}, {len(outcome.faults)} faults", file=sys.stderr, flush=True)
    lines = header("Robustness", "benchmarks.robustness", libraries=versions("torch", "av"))
    lines += [f"- seed: {options.seed}", "", *_table(chosen, results), *_faults(chosen, results)]
    publish("\n".join(lines) + "\n", options.out, "robustness.md")
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
    sys.exit(main())
