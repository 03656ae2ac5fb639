"""One seed for every purpose of a run."""

from __future__ import annotations

import zlib

import numpy as np


def subseed(seed: int, *path: int | str) -> int:
    """Return a 32-bit seed for one purpose, e.g. `subseed(7, "rollout", update)`.

    Different paths give independent streams; the same path always gives the same seed.
    """
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in path]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1)[0])
