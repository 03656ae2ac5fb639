"""Prefix cache: the question and the overview, read once for all episodes that begin so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from policies.sage_mm.generation.sampler import PrefillState, SequenceInput
from sage_env.storage.byte_lru import ByteLRU

Key: TypeAlias = tuple[bytes, tuple[bytes, ...]]
_NOTHING = np.zeros(0, np.int64)


class PrefixCache:
    """Readings of episodes' first tokens, least recently used out.

    Rollouts of one question begin with the same tokens and frames, whether they start together or
    one after the other. Readings hold under the weights that made them: `forget` them when those
    change.

    Args:
        max_bytes: of keys and values to keep for later calls, where the model is.
    """

    def __init__(self, max_bytes: int) -> None:
        """Keep nothing yet."""
        self._kept: ByteLRU[Key, PrefillState] = ByteLRU(max_bytes)

    def forget(self) -> None:
        """Drop all of them."""
        self._kept.clear()

    def share(
        self,
        rows: Sequence[SequenceInput],
        prefill: Callable[[list[SequenceInput]], list[PrefillState]],
    ) -> list[SequenceInput]:
        """Return the rows, with those that have read nothing yet brought to their last token.

        `prefill` is given each distinct opening that is not known, once.
        """
        keys = {
            i: (row.ids.tobytes(), tuple(row.frames))
            for i, row in enumerate(rows)
            if row.kv_state is None
        }
        firsts = {key: rows[i] for i, key in reversed(keys.items()) if key not in self._kept}
        fresh = dict(zip(firsts, prefill(list(firsts.values())), strict=True)) if firsts else {}
        known = {
            key: state
            for key in keys.values()
            if (state := fresh.get(key) or self._kept.get(key)) is not None
        }
        for key, state in known.items():
            self._kept.put(key, state, state.nbytes)
        return [
            replace(row, ids=_NOTHING, frames=(), kv_state=known[keys[i]]) if i in keys else row
            for i, row in enumerate(rows)
        ]
