"""The list of all campaigns, and how one of them is run.

Apart from `__main__`, which other processes cannot import under its name.
"""

from __future__ import annotations

import importlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

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
