"""How often a policy is right on each question: what a policy can learn from is neither 0 nor 1.

Where all plays of a question are right, or none is, a group baseline leaves nothing to learn.
Source: pass@k of n plays of which c are right, Chen et al., arXiv 2107.03374, equation 1; questions
with pass@k strictly between 0 and 1, as Video-DeepResearch selects them for RL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

from algos.data_pipeline.checking.check_log import CheckPlay
from algos.data_pipeline.checking.planned_plays import PlannedPlay
from algos.runs.json_files import write_json

RL_FILE = "rl.json"
"""Name of the file in the folder of the questions."""


@dataclass(frozen=True)
class PassRate:
    """The plays of one question.

    Attributes:
        id: of the question.
        right: plays that were right.
        judged: plays with a verdict.
        tries: plays that are asked for.
    """

    id: str
    right: int
    judged: int
    tries: int

    @property
    def known(self) -> bool:
        """Return whether every play has its verdict."""
        return self.judged == self.tries

    @property
    def mixed(self) -> bool | None:
        """Return whether some are right and some wrong; `None` where that is not known yet."""
        if 0 < self.right < self.judged:
            return True
        return False if self.known else None

    def pass_at(self, k: int) -> float:
        """Return the probability that one of k plays is right, without bias, from those judged.

        >>> PassRate("q", 1, 4, 4).pass_at(1), PassRate("q", 1, 4, 4).pass_at(2)
        (0.25, 0.5)

        Raises:
            ValueError: if fewer than k plays are judged.
        """
        if not 1 <= k <= self.judged:
            raise ValueError(f"pass@{k} needs {k} judged plays, got {self.judged}")
        return 1 - comb(self.judged - self.right, k) / comb(self.judged, k)


def pass_rates(
    planned: Sequence[PlannedPlay], plays: Mapping[str, CheckPlay]
) -> dict[str, PassRate]:
    """Return the rates of the questions that were to be played, by id, in order."""
    verdicts: dict[str, list[bool | None]] = {}
    for one in planned:
        play = plays.get(one.key)
        verdicts.setdefault(one.question, []).append(None if play is None else play.verdict)
    return {
        name: PassRate(name, some.count(True), len(some) - some.count(None), len(some))
        for name, some in verdicts.items()
    }


def mean_pass_rates(rates: Mapping[str, PassRate]) -> dict[int, float]:
    """Return pass@1 and pass@k of all questions whose k plays are judged, by k; {} without any."""
    known = [rate for rate in rates.values() if rate.known]
    ks = {k for rate in known for k in (1, rate.tries)}
    return {k: sum(rate.pass_at(k) for rate in known) / len(known) for k in sorted(ks)}


def write_rates(folder: Path, policy: str, rates: Mapping[str, PassRate]) -> None:
    """Write the rates, and the ids of the questions that RL can learn from."""
    told: dict[str, Any] = {
        "policy": policy,
        "temperature": 1.0,
        "ids": [name for name, rate in rates.items() if rate.mixed],
        "rates": {name: [rate.right, rate.judged, rate.tries] for name, rate in rates.items()},
    }
    write_json(folder / RL_FILE, told)
