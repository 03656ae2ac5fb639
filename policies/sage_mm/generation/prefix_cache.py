"""Prefix cache: the question and the overview, read once for all episodes that begin so."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from policies.sage_mm.generation.sampler import PrefillState, SequenceInput

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
        self._max_bytes = max_bytes
        self.forget()

    def forget(self) -> None:
        """Drop all of them."""
        self._kept: OrderedDict[Key, PrefillState] = OrderedDict()
        self._held = 0

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
        known = {key: fresh.get(key) or self._kept[key] for key in keys.values()}
        for key, state in known.items():
            self._keep(key, state)
        return [
            replace(row, ids=_NOTHING, frames=(), kv_state=known[keys[i]]) if i in keys else row
            for i, row in enumerate(rows)
        ]

    def _keep(self, key: Key, state: PrefillState) -> None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        if state.nbytes > self._max_bytes:
            return
        self._kept[key] = state
        self._held += state.nbytes
        while self._held > self._max_bytes:
            self._held -= self._kept.popitem(last=False)[1].nbytes
