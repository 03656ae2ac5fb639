"""Two clocks read together, and the ratio that a shared machine disturbs least.

Processor time is quoted where a machine is shared: other processes are not in it. Their traces
remain, since they take caches and turbo, and so a ratio is formed of turns side by side.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from typing import NamedTuple


class Seconds(NamedTuple):
    """Processor time of all threads of this process, and wall-clock time, in seconds."""

    cpu: float
    wall: float


def clocks() -> Seconds:
    """Return what both clocks show; only differences mean something."""
    return Seconds(time.process_time(), time.perf_counter())


def since(began: Seconds) -> Seconds:
    """Return what both clocks have counted since `began`."""
    now = clocks()
    return Seconds(now.cpu - began.cpu, now.wall - began.wall)


def median_ratio(over: Iterable[float], under: Iterable[float]) -> float:
    """Return the median of `over[i] / under[i]`: each pair was measured side by side.

    The median is of the ratios and not a ratio of medians. A machine that is shared becomes slower
    or faster by a quarter within seconds, and both of a pair are hit alike: with `over` 2, 4, 4 and
    `under` 1, 2, 1 the ratios are 2, 2, 4 and the result is 2, where the medians would give 4.

    Raises:
        ValueError: if one has more turns than the other.
        statistics.StatisticsError: if there are none.
    """
    return statistics.median(a / b for a, b in zip(over, under, strict=True))
