"""What one campaign of faults did: how many cases, how they ended, and which were faults."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """The ends of the cases of one campaign.

    Attributes:
        ends: how many cases ended how, in the campaign's own words ("served as it was",
            "VideoError", "equal to the uninterrupted run").
        faults: one line for each case that crashed, hung, answered wrongly or lost something:
            which case (seed and number, so that it can be made again) and what was seen.
    """

    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def tries(self) -> int:
        """Return the number of cases that were tried."""
        return self.ends.total()

    def add(self, end: str, *, fault: str = "") -> None:
        """Count one case.

        Args:
            end: how it ended, in a few words that many cases share.
            fault: what was wrong, in one line; empty if nothing was.
        """
        self.ends[end] += 1
        if fault:
            self.faults.append(fault)

    def merge(self, other: Outcome) -> None:
        """Add the cases of another outcome."""
        self.ends.update(other.ends)
        self.faults.extend(other.faults)
