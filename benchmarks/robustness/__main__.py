"""Every campaign of faults, in one command: hostile input, full disks, kills.

    python -m benchmarks.robustness --out benchmarks/reports

Two campaigns run side by side, in processes of their own. The report says for each how many cases
were tried, how they ended, and every fault. The exit status is 1 if there was one.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from benchmarks.provenance import header, publish, versions
from benchmarks.robustness.outcome import Outcome


@dataclass(frozen=True)
class Campaign:
    """One kind of fault.

    Attributes:
        title: what is done to the product, as the report says it.
        module: of this room; its `run(tries, seed, folder)` returns an `Outcome`.
        tries: cases of the full run.
        quick: cases of `--quick`.
    """

    title: str
    module: str
    tries: int
    quick: int


# The long ones first, so that both processes end together.
CAMPAIGNS = (
    Campaign("a training is killed (SIGKILL) and goes on", "killed_training", 50, 1),
    Campaign("an evaluation is killed (SIGKILL) and goes on", "killed_evaluation", 20, 1),
    Campaign("mutated MP4 files", "mutated_mp4", 5000, 40),
    Campaign("mutated .mkv, .ts, .avi; playlists, scripts, text", "other_files", 1500, 40),
    Campaign("environments opened and closed", "opened_closed", 3000, 20),
    Campaign("texts of actions", "action_texts", 250_000, 2000),
    Campaign("mutated sidecars of the frame index", "mutated_sidecars", 1500, 40),
    Campaign("flipped bits of a checkpoint", "checkpoint_bits", 4096, 60),
    Campaign("a disk that is full from the n-th write on", "full_disk", 0, 0),
)


def run_campaign(campaign: Campaign, tries: int, seed: int) -> tuple[Outcome, float]:
    """Run one campaign in a folder of its own.

    Args:
        campaign: which.
        tries: how many cases; 0 leaves it to the campaign (every place there is).
        seed: of the random choices of the campaign.

    Returns:
        What happened, and the seconds that it took.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        module = importlib.import_module(f"benchmarks.robustness.{campaign.module}")
        outcome: Outcome = module.run(tries, seed, Path(folder))
    return outcome, time.monotonic() - start


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
