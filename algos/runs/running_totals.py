"""What the rows so far add up to, while an evaluation is played: for its live line and estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from algos.runs.run_folder import RunFolder
from algos.runs.stored_result import read_rows


@dataclass
class RunningTotals:
    """Sums over rows of `samples.jsonl`. A failed or unjudged question is in no accuracy.

    Attributes:
        played: rows of questions that did not fail.
        failed: those that did, on our side.
        judged: those with a verdict.
        right: those with a right answer.
        counted: those whose frames are counted.
        frames: shown in these.
        priced: those whose cost is known.
        dollars: of these.
        timed: those whose seconds are known.
        seconds: of these, from reset to end; episodes that play side by side overlap.
        prices: names of the price rows that the cost was reckoned by.
    """

    played: int = 0
    failed: int = 0
    judged: int = 0
    right: int = 0
    counted: int = 0
    frames: int = 0
    priced: int = 0
    dollars: float = 0.0
    timed: int = 0
    seconds: float = 0.0
    prices: set[str] = field(default_factory=set)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row."""
        if row["error"] is not None:
            self.failed += 1
            return
        self.played += 1
        self.judged += row["verdict"] is not None
        self.right += row["verdict"] is True
        if row["frames"] is not None:
            self.counted, self.frames = self.counted + 1, self.frames + row["frames"]
        if row.get("cost") is not None:
            self.priced, self.dollars = self.priced + 1, self.dollars + row["cost"]
            self.prices.add(str(row.get("price")))
        if row.get("seconds") is not None:
            self.timed, self.seconds = self.timed + 1, self.seconds + row["seconds"]

    def __str__(self) -> str:
        """Return e.g. `accuracy 62.5 %, 17.2 frames, $0.12, 3 not judged, 1 failed`."""
        words = [f"accuracy {100 * self.right / self.judged:.1f} %"] if self.judged else []
        words += [f"{self.frames / self.counted:.1f} frames"] if self.counted else []
        words += [f"${self.dollars:.2f}"] if self.priced else []
        unjudged = self.played - self.judged
        words += [f"{unjudged} not judged"] if unjudged else []
        words += [f"{self.failed} failed"] if self.failed else []
        return ", ".join(words)


def totals_of(folder: RunFolder) -> RunningTotals:
    """Return what the rows of an evaluation add up to so far, the last of each question."""
    totals = RunningTotals()
    for row in {row["id"]: row for row in read_rows(folder.samples)}.values():
        totals.add(row)
    return totals
