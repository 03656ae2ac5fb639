"""The KV cache: keys and values of many sequences at once, in one block of memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.sage_mm.model.prefixed_attention import Prefix, PrefixedCache

Integers = NDArray[np.int64]


class KeyValueCache:
    """Keys and values of B rows of different lengths, written in place.

    Token j of a row is in slot j of that row. Rows therefore have no holes and no left padding, and
    a token may look at exactly the slots up to its own. The last slot of every row is spare: the
    padding of a pass is written there. Slots not in use hold zeros, because masked attention still
    multiplies by what they hold, and 0 times an uninitialised NaN is NaN.

    A row may begin with a prefix that is read where it lies, and is in no slot: its token j is then
    in slot j minus the prefix's length. Several rows may have the same one.

    Attention layers of transformers call one method of their cache, `update`; this class has it and
    is no subclass of theirs.

    Args:
        config: text configuration of the model: `num_hidden_layers`, `num_key_value_heads` and
            `head_dim` are read.
        known: what is known of each row: pieces `(layers, 2, heads, N, dim)` with an N of their
            own, in the order of its tokens; none where nothing is known.
        slots: of each row, the spare one included.
        dtype: of keys and values.
        device: where the model is.
        prefixes: of each row, what it begins with and does not copy: `(layers, 2, heads, S, dim)`
            or `None`; `None` for no prefixes at all. They stand before what is known.

    Attributes:
        data: `(layers, 2, B, heads, slots, dim)`, keys first.
    """

    def __init__(
        self,
        config: Any,
        known: Sequence[Sequence[Tensor]],
        slots: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
        prefixes: Sequence[Tensor | None] | None = None,
    ) -> None:
        """Allocate the block, and write every slot once."""
        heads, dim = config.num_key_value_heads, config.head_dim
        shape = (config.num_hidden_layers, 2, len(known), heads, slots, dim)
        self.data = torch.empty(shape, dtype=dtype, device=device)
        self._filled: Integers = np.zeros(len(known), np.int64)  # slots 0 to here hold tokens
        for row, pieces in enumerate(known):
            count = 0
            for piece in pieces:
                self.data[:, :, row, :, count : count + piece.shape[3]] = piece
                count += piece.shape[3]
            self.data[:, :, row, :, count:] = 0
            self._filled[row] = count
        self._prefixes = None if prefixes is None else list(prefixes)
        self._offset: Integers = np.array(
            [0 if x is None else x.shape[3] for x in self._prefixes or [None] * len(known)],
            np.int64,
        )
        self._groups: list[Prefix] = []

    def set_write_slots(
        self, first: int, starts: Integers, counts: Integers, *, flash: bool = False
    ) -> Tensor:
        """Choose where the next pass writes: row `first + i` from slot `starts[i]` on.

        A pass is as wide as its longest row; shorter rows are padded on the right. Starting before
        the end of a row is allowed: that drops the rest, as the tokens of a rejected draft. With
        six slots, a row of 3 tokens that gets one and a row of 1 token that gets two:

            starts [3, 1]   counts [1, 2]

            row   slots     mask, one line per token (o may look, . may not)
            0     3 5       o o o o
                            o o o o     padding, in the spare slot 5; nobody reads its output
            1     1 2       o o . .
                            o o o .

        Args:
            first: the first row of the pass; its rows are consecutive.
            starts: int64 `(b,)`, at most the number of tokens of each row, its prefix included.
            counts: int64 `(b,)`, tokens of each row, at least 1.
            flash: whether rows that all start at 0 get a mask of no keys, which stands for a causal
                one: kernels that take no mask need less memory and time.

        Returns:
            mask `(b, 1, L, K)` in the cache's dtype: 0 where a token may look at a slot, minus
            infinity elsewhere. It is made here, ready to be added to scores, because every layer
            would otherwise make it anew from booleans. Prefixes are not in it: all is seen of them.
        """
        count, (heads, capacity) = len(starts), self.data.shape[3:5]
        rows = slice(first, first + count)
        starts = starts - self._offset[rows]
        ends = starts + counts
        assert (starts <= self._filled[rows]).all(), "a row would have a hole"
        assert (counts > 0).all() and (ends < capacity).all(), "the last slot of a row is spare"
        self._filled[rows] = ends
        places = starts[:, None] + np.arange(counts.max())
        slots = to_device(np.where(places < ends[:, None], places, capacity - 1), self.data.device)
        # where each (row, head, token) is written, if rows, heads and slots are one dimension
        lines = torch.arange(first * heads, (first + count) * heads, device=slots.device)
        self._index = (lines.view(count, heads, 1) * capacity + slots[:, None]).flatten()
        self._rows, self._extent = rows, int(ends.max())
        self._groups = self._prefix_groups(rows)
        if flash and self._prefixes is None and not starts.any():
            return torch.empty(
                count, 1, places.shape[1], 0, dtype=self.data.dtype, device=slots.device
            )
        ahead = torch.arange(self._extent, device=slots.device) > slots[:, None, :, None]
        zeros = torch.zeros(ahead.shape, dtype=self.data.dtype, device=slots.device)
        return zeros.masked_fill_(ahead, -torch.inf)

    def update(
        self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor] | tuple[PrefixedCache, PrefixedCache]:
        """Store what a layer computed, and return all that its queries may look at.

        Args:
            keys: `(b, heads, L, dim)`, of the block's dtype, for the slots that `set_write_slots`
                has chosen.
            values: as the keys.
            layer: number of the layer.

        Returns:
            keys and values `(b, heads, K, dim)` each, views of the block; with the prefixes of the
            rows where there are any.
        """
        both = []
        for kind, new in enumerate((keys, values)):
            stored = self.data[layer, kind]
            stored.flatten(0, 2).index_copy_(0, self._index, new.flatten(0, 2))
            both.append(stored[self._rows, :, : self._extent])
        if self._prefixes is None:
            return both[0], both[1]
        parts = [[x._replace(part=x.part[layer, kind]) for x in self._groups] for kind in range(2)]
        return PrefixedCache(both[0], parts[0]), PrefixedCache(both[1], parts[1])

    def row(self, row: int, first: int, last: int) -> Tensor:
        """Return a copy of the keys and values of a row's tokens `first` to `last - 1`.

        Returns:
            `(layers, 2, heads, last - first, dim)`, of the block's dtype; no token of a prefix.
        """
        offset = int(self._offset[row])
        assert first >= offset, "a prefix is not copied"
        return self.data[:, :, row, :, first - offset : last - offset].clone()

    def _prefix_groups(self, rows: slice) -> list[Prefix]:
        """Return the prefixes `(layers, 2, heads, S, dim)` of the rows of a pass."""
        found: dict[int, tuple[Tensor, list[int]]] = {}
        for number, prefix in enumerate((self._prefixes or [])[rows]):
            if prefix is not None:
                found.setdefault(id(prefix), (prefix, []))[1].append(number)
        return [
            Prefix(prefix, to_device(np.array(numbers), self.data.device), tuple(numbers))
            for prefix, numbers in found.values()
        ]

    def compact(self, rows: Integers) -> Integers:
        """Drop all rows but these, and close the gaps by moving as few rows as possible.

        Of five rows, 1, 3 and 4 stay. Three remain, so that rows 3 and 4 move into the gaps at 0
        and 2, and row 1 stays where it is: the order is `[3, 1, 4]`.

        Args:
            rows: int64 `(b,)`, the rows that stay, ascending.

        Returns:
            int64 `(b,)`: which row stands at each place now.
        """
        order = np.arange(len(rows))
        gaps, moved = np.setdiff1d(order, rows), rows[rows >= len(rows)]
        order[gaps] = moved
        if len(gaps):
            to, source = (to_device(x, self.data.device) for x in (gaps, moved))
            self.data[:, :, to] = self.data[:, :, source]
        self.data, self._filled = self.data[:, :, : len(rows)], self._filled[order]
        self._offset = self._offset[order]
        if self._prefixes is not None:
            self._prefixes = [self._prefixes[number] for number in order]
        return order


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Return an array on a device; the host does not wait for a copy to a GPU.

    The copy is made from page-locked memory, which torch does not hand out again before the copy
    has ended.

    Args:
        array: of any shape and dtype; not written to afterwards.
        device: where to.

    Returns:
        a tensor of its shape and dtype.
    """
    tensor = torch.from_numpy(array)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
