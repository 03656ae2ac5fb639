"""Keys and values of many sequences at once, in one block of memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from policies.sage_mm.model.sage_model import SageModel


class KeyValueCache:
    """Keys and values of B rows of different lengths, written in place.

    Token j of a row is in slot j of the row: there are no holes and no left padding, and "may look
    at" is "slot <= own slot". The last slot of a row is spare: padding is written there. Unused
    slots hold zeros, since masked attention still multiplies by what is there.

    Implements the one method that the attention layers of transformers call: `update`.

    Args:
        model: whose layers they are.
        known: what is known of each row: `(layers, 2, heads, T, dim)`, T of its own, or `None`.
        slots: of each row.
    """

    def __init__(self, model: SageModel, known: Sequence[Tensor | None], slots: int) -> None:
        """Allocate, and write every slot once."""
        config, weight = model.config, model.base.lm_head.weight
        heads, dim = config.num_key_value_heads, config.head_dim
        shape = (config.num_hidden_layers, 2, len(known), heads, slots, dim)
        self.data = torch.empty(shape, dtype=weight.dtype, device=weight.device)
        for row, keys_values in enumerate(known):
            count = 0 if keys_values is None else keys_values.shape[3]
            if keys_values is not None:
                self.data[:, :, row, :, :count] = keys_values
            self.data[:, :, row, :, count:] = 0

    def set_write_slots(self, first: int, slots: Tensor) -> Tensor:
        """Choose where the next pass writes: `slots` `(b, L)` of the rows from `first` on.

        Returns:
            `(b, 1, L, K)`: 0 where a token may look at a slot, minus infinity elsewhere; ready to
            be added to scores, or every layer would make that of booleans anew.
        """
        count, (heads, capacity) = len(slots), self.data.shape[3:5]
        lines = torch.arange(first * heads, (first + count) * heads, device=slots.device)
        self._rows = slice(first, first + count)
        self._index = (lines.view(count, heads, 1) * capacity + slots[:, None]).flatten()
        inside = slots.masked_fill(slots == capacity - 1, 0)
        self._extent = int(inside.max()) + 1
        ahead = torch.arange(self._extent, device=slots.device) > slots[:, None, :, None]
        zeros = torch.zeros(ahead.shape, dtype=self.data.dtype, device=slots.device)
        return zeros.masked_fill_(ahead, -torch.inf)

    def update(
        self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Store new keys and values `(b, heads, L, dim)`; return all: `(b, heads, K, dim)`."""
        both = []
        for kind, new in enumerate((keys, values)):
            stored = self.data[layer, kind]
            stored.flatten(0, 2).index_copy_(0, self._index, new.flatten(0, 2))
            both.append(stored[self._rows, :, : self._extent])
        return both[0], both[1]

    def compact(self, rows: Tensor) -> Tensor:
        """Drop all rows but these. Returns the order in which they now stand.

        Only rows beyond the new end move: they fill the gaps.
        """
        count = len(rows)
        gaps = torch.ones(count, dtype=torch.bool, device=rows.device)
        gaps[rows[rows < count]] = False
        holes, tail = gaps.nonzero().flatten(), rows[rows >= count]
        self.data[:, :, holes] = self.data[:, :, tail]
        self.data = self.data[:, :, :count]
        order = torch.arange(count, device=rows.device)
        order[holes] = tail
        return order
