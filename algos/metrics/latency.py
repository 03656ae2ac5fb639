"""How long questions took: the median and the slow end, in all and by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from algos.evaluation.row_results import EpisodeResult

_JUDGE, _ALL = "judge", "in all"


@dataclass(frozen=True)
class Latency:
    """The seconds of one stage, over the questions that did not fail and have it.

    Attributes:
        stage: its name; `in all` is from the reset to the end, less the judge.
        questions: how many there are.
        median: half of them took no longer.
        slow: 95 % of them took no longer.
    """

    stage: str
    questions: int
    median: float
    slow: float


def latencies_of(episodes: Sequence[EpisodeResult]) -> list[Latency]:
    """Return the latency in all, and of each stage that any question has; [] without times.

    Questions that were played side by side waited for each other, and that is in their seconds.
    """
    seconds: dict[str, list[float]] = {_ALL: []}
    for one in episodes:
        if one.error is not None or "seconds" not in one.spent:
            continue
        seconds[_ALL].append(max(0.0, one.spent["seconds"] - one.stages.get(_JUDGE, 0.0)))
        for stage, passed in one.stages.items():
            seconds.setdefault(stage, []).append(passed)
    return [
        Latency(stage, len(each), quantile(each, 0.5), quantile(each, 0.95))
        for stage, each in seconds.items()
        if each
    ]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the least of the values that is no smaller than a share of them (nearest rank).

    Args:
        values: one or more.
        share: in (0, 1].
    """
    ordered = sorted(values)
    return ordered[max(1, ceil(share * len(ordered) - 1e-9)) - 1]
