"""Whether there was anything to learn from: advantages that are not 0, and why there are none."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.ppo.targets import Targets
from algos.runs.metrics import MetricsRow, read_metrics
from policies.base import TokenBatch

SHARE = "losses/nonzero_advantages"
"""Share of the sampled tokens whose advantage is not 0: what the actor learns from."""
SPREAD, GROUP = "rollout/return_spread", "rollout/largest_group"
_log = logging.getLogger(__name__)


def signal_row(batch: TokenBatch, targets: Targets, groups: Sequence[Hashable]) -> MetricsRow:
    """Return how much there is to learn from in one batch.

    Args:
        batch: whole episodes.
        targets: of the batch.
        groups: the question of each episode.
    """
    moved = (targets.advantages != 0) & batch.sampled
    if targets.in_loss is not None:
        moved &= targets.in_loss[:, None]
    earned = batch.rewards.sum(1)
    return {
        SHARE: float(moved.sum()) / float(batch.sampled.sum()),
        SPREAD: float(earned.max() - earned.min()),
        GROUP: max(Counter(groups).values()),
    }


def nothing_learned(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say that a run could learn nothing, why, and what to change; "" if it could.

    Args:
        rows: its metrics, one for each update.
    """
    measured = [row for row in rows if row.get(SHARE) is not None]
    if not measured or any(row[SHARE] > 0 for row in measured):
        return ""
    if all(row[SPREAD] == 0 for row in measured):
        last = measured[-1].get("rollout/return")
        earned = "" if last is None else f", {last:g}"
        why = f"all episodes of an update earned the same{earned}"
        change = (
            "take a reward that tells them apart, questions that the policy answers now rightly, "
            "now wrongly, or a higher temperature"
        )
    elif all(row[GROUP] == 1 for row in measured):
        why = "each question had one episode, which there was nothing to compare with"
        change = "raise episodes_per_question, or see why the others failed"
    else:
        why = "all episodes of a question earned the same in every update"
        change = "raise episodes_per_question or the temperature, or take other questions"
    count = "1 update" if len(measured) == 1 else f"{len(measured)} updates"
    return f"nothing could be learned: all advantages of {count} were 0, because {why}; {change}"


def warn_if_nothing_was_learned(metrics: Path) -> None:
    """Log what `nothing_learned` says of a run's `metrics.jsonl`, if it says anything."""
    if said := nothing_learned(read_metrics(metrics)):
        _log.warning("%s", said)
