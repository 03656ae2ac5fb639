"""Sample one turn of many episodes at once, each continuing its own keys and values."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.sage_mm.model import SageModel
from policies.sage_mm.positions import mrope_positions

PREFILL_TOKENS = 16384  # per pass, padding included: bounds the memory of long prompts


@dataclass(frozen=True, eq=False)
class Row:
    """What one episode brings to a turn.

    Attributes:
        ids: int64 `(P,)`, tokens that the model has not read yet.
        frames: keys of the frames in `ids`.
        uniforms: float64 `(M,)` in [0, 1), one per token that may be sampled.
        memory: keys and values of the T tokens read before: `(layers, 2, heads, T, dim)`; `None`
            for T = 0.
        position: M-RoPE position of the first of `ids`.
    """

    ids: NDArray[np.int64]
    frames: Sequence[bytes]
    uniforms: NDArray[np.float64]
    memory: Tensor | None = None
    position: int = 0

    @property
    def read(self) -> int:
        """Tokens in memory."""
        return 0 if self.memory is None else self.memory.shape[3]


@dataclass(frozen=True, eq=False)
class Completion:
    """What one episode gets back.

    Attributes:
        ids: int64 `(C,)`, sampled tokens, stop token included when it came.
        logprobs: float32 `(C,)`.
        memory: keys and values of all tokens but the last of `ids`, which is not read yet.
        position: M-RoPE position of that last token.
    """

    ids: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    memory: Tensor
    position: int


class KeyValueCache:
    """Keys and values of B rows of different lengths, written in place.

    Token j of a row is in slot j of the row: there are no holes and no left padding, and "may look
    at" is "slot <= own slot". The last slot of a row is spare: padding is written there. Unused
    slots hold zeros, since masked attention still multiplies by what is there.

    Implements the one method that the attention layers of transformers call: `update`.
    """

    def __init__(self, model: SageModel, rows: int, slots: int) -> None:
        """Allocate; on a CPU pages that are never written cost nothing."""
        config, weight = model.config, model.base.lm_head.weight
        heads, dim = config.num_key_value_heads, config.head_dim
        shape = (config.num_hidden_layers, 2, rows, heads, slots, dim)
        self.data = torch.zeros(shape, dtype=weight.dtype, device=weight.device)

    def aim(self, first: int, slots: Tensor) -> Tensor:
        """Choose where the next pass writes: `slots` `(b, L)` of the rows from `first` on.

        Returns:
            bool `(b, 1, L, K)`: which slots each token may look at.
        """
        count, (heads, capacity) = len(slots), self.data.shape[3:5]
        lines = torch.arange(first * heads, (first + count) * heads, device=slots.device)
        self._rows = slice(first, first + count)
        self._index = (lines.view(count, heads, 1) * capacity + slots[:, None]).flatten()
        inside = slots.masked_fill(slots == capacity - 1, 0)
        self._extent = int(inside.max()) + 1
        return torch.arange(self._extent, device=slots.device) <= slots[:, None, :, None]

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

    def keep(self, rows: Tensor) -> Tensor:
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


@torch.inference_mode()
def generate(
    model: SageModel, rows: Sequence[Row], *, temperature: float, stop: int
) -> list[Completion]:
    """Read each row's tokens, then sample until the stop token or the end of its uniforms.

    Every row has the same number of uniforms. What a row samples depends on its own tokens and
    uniforms alone. Rows that begin with the same tokens and frames, as the episodes of one
    question do, share the reading of them.
    """
    slots: dict[Hashable, int] = {}
    firsts: list[int] = []
    repeats: list[int] = []
    twins: list[int] = []
    for i in sorted(range(len(rows)), key=lambda i: len(rows[i].ids)):
        fresh = rows[i].memory is None
        reading = (rows[i].ids.tobytes(), tuple(rows[i].frames)) if fresh else i
        slot = slots.setdefault(reading, len(firsts))
        if slot == len(firsts):
            firsts.append(i)
        else:
            repeats.append(i)
            twins.append(slot)
    order = firsts + repeats
    turn = _Turn(model, [rows[i] for i in order], twins, temperature, stop)
    found = dict(zip(order, turn.run(), strict=True))
    return [found[i] for i in range(len(rows))]


class _Turn:
    """The state of the rows that are still being sampled; `owner` says whose each is.

    The last rows are `twins`: each reads the same as the row whose index stands there.
    """

    def __init__(
        self,
        model: SageModel,
        rows: Sequence[Row],
        twins: Sequence[int],
        temperature: float,
        stop: int,
    ) -> None:
        self.model, self.rows, self.twins = model, rows, list(twins)
        self.temperature, self.stop = temperature, stop
        self.limit = len(rows[0].uniforms)
        device = model.device
        capacity = max(row.read + len(row.ids) for row in rows) + self.limit
        self.cache = KeyValueCache(model, len(rows), capacity)
        for i, row in enumerate(rows):
            if row.memory is not None:
                self.cache.data[:, :, i, :, : row.read] = row.memory
        uniforms = np.stack([row.uniforms for row in rows])
        self.uniforms = torch.from_numpy(uniforms).to(device)
        self.owner = torch.arange(len(rows), device=device)
        lengths = [row.read + len(row.ids) for row in rows]
        self.length = torch.tensor(lengths, device=device)
        self.position = torch.zeros(len(rows), dtype=torch.long, device=device)
        self.ids = torch.zeros(len(rows), self.limit, dtype=torch.long, device=device)
        self.logprobs = torch.zeros(len(rows), self.limit, device=device)

    def run(self) -> list[Completion]:
        done: dict[int, Completion] = {}
        hidden = self._read()
        for step in range(self.limit):
            logprobs = self.model.log_probs(hidden, self.temperature)
            if self.temperature > 0:
                token = _inverse_cdf(logprobs, self.uniforms[self.owner, step])
            else:
                token = logprobs.argmax(-1)
            self.ids[self.owner, step] = token
            self.logprobs[self.owner, step] = logprobs.gather(1, token[:, None])[:, 0]
            over = (token == self.stop) | (step + 1 == self.limit)
            if over.any():
                for slot in over.nonzero().flatten().tolist():
                    done[int(self.owner[slot])] = self._finish(slot, step + 1)
                order = self.cache.keep((~over).nonzero().flatten())
                self.owner, self.length = self.owner[order], self.length[order]
                self.position, token = self.position[order], token[order]
            if not len(token):
                break
            hidden = self._decode(token)
        return [done[i] for i in range(len(self.rows))]

    def _finish(self, slot: int, count: int) -> Completion:
        owner, length = int(self.owner[slot]), int(self.length[slot])
        return Completion(
            self.ids[owner, :count].cpu().numpy(),
            self.logprobs[owner, :count].cpu().numpy(),
            self.cache.data[:, :, slot, :, :length].clone(),
            int(self.position[slot]),
        )

    def _read(self) -> Tensor:
        """Read the new tokens of all rows; return the hidden state of each one's last."""
        count = len(self.rows) - len(self.twins)
        hidden = torch.cat([self._prefill(*bucket) for bucket in self._buckets(count)])
        if self.twins:
            longest = max(len(self.rows[i].ids) for i in self.twins)
            data = self.cache.data[:, :, :, :, :longest]
            data[:, :, count:] = data[:, :, self.twins]
            self.position[count:] = self.position[self.twins]
        return torch.cat([hidden, hidden[self.twins]])

    def _buckets(self, count: int) -> list[tuple[int, int]]:
        """Cut the rows, which are sorted by new tokens, where padding or memory would grow."""
        buckets, first = [], 0
        for last in range(1, count + 1):
            if last < count:
                shortest, longest = len(self.rows[first].ids), len(self.rows[last].ids)
                tokens = longest * (last + 1 - first)
                if longest <= 1.25 * shortest + 8 and tokens <= PREFILL_TOKENS:
                    continue
            buckets.append((first, last))
            first = last
        return buckets

    def _prefill(self, first: int, last: int) -> Tensor:
        """Read the new tokens of some rows; return the hidden state of each one's last."""
        rows, pad = self.rows[first:last], self.cache.data.shape[4] - 1
        shape = (len(rows), max(len(row.ids) for row in rows))
        ids, slots = np.zeros(shape, np.int64), np.full(shape, pad)
        positions = np.zeros((3, *shape), np.int64)
        for i, row in enumerate(rows):
            count, grids = len(row.ids), self.model.encoder.grids(row.frames)
            ids[i, :count] = row.ids
            slots[i, :count] = np.arange(row.read, row.read + count)
            positions[:, i, :count], after = mrope_positions(
                row.ids, self.model.tokens.frame_pad, grids, row.position
            )
            self.position[first + i] = after
        mask = self.cache.aim(first, self._tensor(slots))
        hidden = self.model.hidden(
            self._tensor(ids),
            self._tensor(positions),
            [key for row in rows for key in row.frames],
            mask,
            self.cache,
        )
        last_of = torch.tensor([len(row.ids) - 1 for row in rows], device=hidden.device)
        return hidden[torch.arange(len(rows), device=hidden.device), last_of]

    def _decode(self, token: Tensor) -> Tensor:
        """Read one token of every row."""
        mask = self.cache.aim(0, self.length[:, None])
        positions = self.position[None, :, None].expand(3, -1, -1)
        hidden = self.model.hidden(token[:, None], positions, (), mask, self.cache)
        self.length, self.position = self.length + 1, self.position + 1
        return hidden[:, 0]

    def _tensor(self, array: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(array).to(self.model.device)


def _inverse_cdf(logprobs: Tensor, uniforms: Tensor) -> Tensor:
    """Return the first token of each row whose cumulated probability exceeds the uniform."""
    cumulated = logprobs.double().exp().cumsum(-1)
    total = cumulated[:, -1]
    target = torch.minimum(uniforms * total, total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(cumulated, target[:, None], right=True)[:, 0]
