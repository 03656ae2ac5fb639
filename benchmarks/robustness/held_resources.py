"""The files, threads, child processes and memory that a process holds, case after case."""

from __future__ import annotations

import gc
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

MORE = {"files": 4, "threads": 3, "children": 0, "memory": 96 << 20}
"""How much more of each may be held after the warm-up: what comes and goes (helpers, the
interpreter's own), and caches that fill up."""


@dataclass
class HeldResources:
    """Compares what is held now and then with what was held after a warm-up.

    Attributes:
        warm_up: cases until it is measured what is usual.
        look_every: cases between two looks.
        settle: seconds that threads and what they hold get to end before a look counts.
        more: how much more of each may be held.
    """

    warm_up: int = 40
    look_every: int = 40
    settle: float = 5.0
    more: dict[str, int] = field(default_factory=lambda: dict(MORE))
    _limits: dict[str, int] = field(default_factory=dict)
    _tried: int = 0

    def left_behind(self) -> str:
        """Count one more case, and return what the cases so far have left behind, or ""."""
        self._tried += 1
        if self._tried == self.warm_up:
            gc.collect()
            self._limits = {name: count + self.more[name] for name, count in held().items()}
        if not self._limits or self._tried % self.look_every:
            return ""
        gc.collect()
        until = time.monotonic() + self.settle
        while (over := self._over()) and time.monotonic() < until:
            time.sleep(0.05)
        limits = f"with the limits {self._limits}"
        return f"left behind after {self._tried} cases, {limits}: {over}" if over else ""

    def _over(self) -> dict[str, int]:
        return {name: count for name, count in held().items() if count > self._limits[name]}


def held() -> dict[str, int]:
    """Return how many files, threads and children this process has, and its memory in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        memory = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    children = 0
    for task in os.listdir("/proc/self/task"):
        with suppress(OSError):  # the thread has ended meanwhile
            text = Path(f"/proc/self/task/{task}/children").read_text(encoding="ascii")
            children += len(text.split())
    return {
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "children": children,
        "memory": memory,
    }
