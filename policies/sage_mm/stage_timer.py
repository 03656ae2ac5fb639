"""A timer for the stages of playing: seconds and counts of encoding, prefill and generation."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock

import torch

ENCODE, PREFILL, GENERATE = "encode", "prefill", "generate"
STEPS = "steps"
"""Passes of decoding, counted for every row of a pass: sampled tokens per step are above 1 where
drafts were accepted."""


class StageTimer:
    """Sums of seconds and counts by name. Thread-safe; the times of parallel threads add up.

    Args:
        device: on a GPU the timer waits for its work before it reads the clock.
        clock: returns seconds; `time.process_time` is for one thread on a CPU.

    Attributes:
        clock: see above.
    """

    def __init__(
        self, device: torch.device, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Start at zero."""
        self.clock = clock
        self._wait = partial(torch.cuda.synchronize, device) if device.type == "cuda" else None
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        """Start again at zero."""
        self._counts: Counter[str] = Counter()
        self._seconds: dict[str, float] = dict.fromkeys((ENCODE, PREFILL, GENERATE), 0.0)

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Add the seconds that the block takes, work on the GPU included."""
        began = self.clock()
        try:
            yield
        finally:
            if self._wait is not None:
                self._wait()
            with self._lock:
                self._seconds[name] += self.clock() - began

    def add(self, name: str, count: int) -> None:
        """Count something."""
        with self._lock:
            self._counts[name] += count

    def seconds(self, name: str) -> float:
        """Return the seconds of one kind of work."""
        return self._seconds[name]

    def count(self, name: str) -> int:
        """Return a count; 0 if nothing was counted."""
        return self._counts[name]
