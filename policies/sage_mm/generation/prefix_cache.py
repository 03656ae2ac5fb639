"""Openings of episodes: the question and the overview, read once for all that begin with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from policies.sage_mm.generation.sampler import Reading, Row
from sage_env.storage.byte_lru import ByteLRU

Key: TypeAlias = tuple[bytes, tuple[bytes, ...]]
_NOTHING = np.zeros(0, np.int64)


class Openings:
    """Readings of episodes' first tokens, least recently used out.

    Rollouts of one question begin with the same tokens and frames, whether they start together or
    one after the other. Readings hold under the weights that made them: `forget` them when those
    change.

    Args:
        max_bytes: of keys and values to keep for later calls, where the model is.
    """

    def __init__(self, max_bytes: int) -> None:
        """Keep nothing yet."""
        self._kept: ByteLRU[Key, Reading] = ByteLRU(max_bytes)

    def forget(self) -> None:
        """Drop all of them."""
        self._kept.clear()

    def share(self, rows: Sequence[Row], read: Callable[[list[Row]], list[Reading]]) -> list[Row]:
        """Return the rows, with those that have read nothing yet brought to their last token.

        `read` is given each distinct opening that is not known, once.
        """
        keys = {
            i: (row.ids.tobytes(), tuple(row.frames))
            for i, row in enumerate(rows)
            if row.reading is None
        }
        firsts = {key: rows[i] for i, key in reversed(keys.items()) if key not in self._kept}
        fresh = dict(zip(firsts, read(list(firsts.values())), strict=True)) if firsts else {}
        known = {
            key: reading
            for key in keys.values()
            if (reading := fresh.get(key) or self._kept.get(key)) is not None
        }
        for key, reading in known.items():
            self._kept.put(key, reading, reading.nbytes)
        return [
            replace(row, ids=_NOTHING, frames=(), reading=known[keys[i]]) if i in keys else row
            for i, row in enumerate(rows)
        ]
