"""Read and sample one turn of many episodes at once, each continuing its own keys and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.sage_mm.generation.constrained import ActionGrammar
from policies.sage_mm.generation.kv_cache import KeyValueCache
from policies.sage_mm.generation.ngram_drafter import NGramDrafter
from policies.sage_mm.generation.sampling import Sampling
from policies.sage_mm.model.sage_model import SageModel
from policies.sage_mm.stage_timer import GENERATE, PREFILL, STEPS
from policies.sage_mm.tokens.mrope import mrope_positions

PREFILL_TOKENS = 16384  # per pass, padding included: bounds the memory of long prompts


@dataclass(frozen=True, eq=False)
class PrefillState:
    """What the model has made of the first T tokens of an episode.

    Attributes:
        ids: int64 `(T,)`, these tokens.
        keys_values: keys and values of them: `(layers, 2, heads, T, dim)`.
        position: M-RoPE position of the token after them.
        last_hidden: hidden state `(hidden,)` of the last of them; `None` if more is to be read
            before anything is sampled.
    """

    ids: NDArray[np.int64]
    keys_values: Tensor
    position: int
    last_hidden: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        return self.keys_values.nbytes


@dataclass(frozen=True, eq=False)
class SequenceInput:
    """What one episode brings to a turn.

    Attributes:
        ids: int64 `(P,)`, tokens that the model has not read yet; none if `kv_state` has a
            `last_hidden`.
        frames: keys of the frames in `ids`.
        kv_state: of the tokens before them; `None` if there are none.
        uniforms: float64 `(M,)` in [0, 1), one per token that may be sampled.
    """

    ids: NDArray[np.int64]
    frames: Sequence[bytes]
    kv_state: PrefillState | None
    uniforms: NDArray[np.float64]

    @property
    def cached(self) -> int:
        """Tokens that were read before."""
        return 0 if self.kv_state is None else len(self.kv_state.ids)

    @property
    def all_ids(self) -> NDArray[np.int64]:
        """All tokens of the episode."""
        return self.ids if self.kv_state is None else np.concatenate([self.kv_state.ids, self.ids])


@dataclass(frozen=True, eq=False)
class Completion:
    """What one episode gets back.

    Attributes:
        ids: int64 `(C,)`, sampled tokens, stop token included when it came.
        logprobs: float32 `(C,)`, see `Sampling`.
        kv_state: of all tokens but the last of `ids`, which is not read yet.
    """

    ids: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    kv_state: PrefillState


@torch.inference_mode()
def generate(
    model: SageModel,
    rows: Sequence[SequenceInput],
    *,
    sampling: Sampling,
    stop: int,
    grammar: ActionGrammar | None = None,
    drafter: NGramDrafter | None = None,
) -> list[Completion]:
    """Read each row's tokens, then sample until the stop token or the end of its uniforms.

    Every row has the same number of uniforms. What a row samples depends on its own tokens and
    uniforms alone. With a grammar, only what it allows is sampled, one token a pass; without one,
    what drafts guess right saves passes.
    """
    order = _by_length(rows)
    batch = _DecodeBatch(model, [rows[i] for i in order], len(rows[0].uniforms))
    with model.timer.timing(GENERATE):
        found = dict(zip(order, batch.sample(sampling, stop, grammar, drafter), strict=True))
    model.timer.add(GENERATE, sum(len(completion.ids) for completion in found.values()))
    return [found[i] for i in range(len(rows))]


@torch.inference_mode()
def prefill(model: SageModel, rows: Sequence[SequenceInput]) -> list[PrefillState]:
    """Read each row's tokens, and sample nothing."""
    order = _by_length(rows)
    batch = _DecodeBatch(model, [rows[i] for i in order], 0)
    found = dict(zip(order, batch.prefill_states(), strict=True))
    return [found[i] for i in range(len(rows))]


def _by_length(rows: Sequence[SequenceInput]) -> list[int]:
    return sorted(range(len(rows)), key=lambda i: len(rows[i].ids))


@dataclass(eq=False)
class _SampledRow:
    """What one row has sampled so far; `draft` is what was read ahead of it in the last pass."""

    uniforms: NDArray[np.float64]
    grammar_state: Any
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    draft: list[int] = field(default_factory=list)
    over: bool = False

    def accept(self, tokens: Sequence[int], logprobs: Sequence[float], stop: int) -> int:
        """Keep what was sampled as far as the guess was right; return how many tokens that are."""
        right = 0
        while right < len(self.draft) and tokens[right] == self.draft[right] != stop:
            right += 1
        self.ids += tokens[: right + 1]
        self.logprobs += logprobs[: right + 1]
        self.over = self.ids[-1] == stop or len(self.ids) == len(self.uniforms)
        return right + 1


class _DecodeBatch:
    """The state of the rows that are still being sampled; `row_of_slot` says whose each is.

    Rows are sorted by how much they have to read; the first ones may have nothing.
    """

    def __init__(self, model: SageModel, rows: Sequence[SequenceInput], limit: int) -> None:
        self.model, self.rows, self.limit = model, rows, limit
        device = model.device
        lengths = [row.cached + len(row.ids) for row in rows]
        known = [None if row.kv_state is None else row.kv_state.keys_values for row in rows]
        self.cache = KeyValueCache(model, known, max(lengths) + max(1, limit))
        self.row_of_slot = torch.arange(len(rows), device=device)
        self.length = torch.tensor(lengths, device=device)
        self.starts = [0 if row.kv_state is None else row.kv_state.position for row in rows]
        self.position = torch.tensor(self.starts, device=device)
        with model.timer.timing(PREFILL):
            self.hidden = self._prefill_all()
        model.timer.add(PREFILL, sum(len(row.ids) for row in rows))

    def prefill_states(self) -> list[PrefillState]:
        """Return what was read of each row."""
        return [
            self._kv_state(slot, row.all_ids, self.hidden[slot].clone())
            for slot, row in enumerate(self.rows)
        ]

    def sample(
        self,
        sampling: Sampling,
        stop: int,
        grammar: ActionGrammar | None,
        drafter: NGramDrafter | None,
    ) -> list[Completion]:
        """Sample every row to its end."""
        replies = [_SampledRow(row.uniforms, grammar and grammar.start()) for row in self.rows]
        done: dict[int, Completion] = {}
        states = self.hidden[:, None]
        while True:
            live = [replies[row] for row in self.row_of_slot.tolist()]
            tokens, logprobs = self._draw(states, live, sampling, grammar)
            self.model.timer.add(STEPS, len(live))
            taken = [
                reply.accept(*drawn, stop)
                for reply, *drawn in zip(live, tokens, logprobs, strict=True)
            ]
            ahead = torch.tensor(taken, device=self.model.device) - 1
            self.length, self.position = self.length + ahead, self.position + ahead
            left = [slot for slot, reply in enumerate(live) if not reply.over]
            if len(left) < len(live):
                for slot, reply in enumerate(live):
                    if reply.over:
                        done[int(self.row_of_slot[slot])] = self._completion(slot, reply)
                if not left:
                    return [done[i] for i in range(len(self.rows))]
                self._compact(torch.tensor(left, device=self.model.device))
                live = [replies[row] for row in self.row_of_slot.tolist()]
            if drafter is not None and grammar is None:
                for reply in live:
                    most = self.limit - len(reply.ids) - 1
                    reply.draft = drafter.propose(reply.ids, len(live), most)
            states = self._decode(live)

    def _draw(
        self,
        states: Tensor,
        live: Sequence[_SampledRow],
        sampling: Sampling,
        grammar: ActionGrammar | None,
    ) -> tuple[list[list[int]], list[list[float]]]:
        """Sample after every state `(b, w, hidden)`: tokens and log-probs, `(b, w)` each."""
        count, width = states.shape[:2]
        uniforms = np.zeros((count, width))
        for row, reply in zip(uniforms, live, strict=True):
            known = reply.uniforms[len(reply.ids) :][:width]
            row[: len(known)] = known
        allowed = None
        if grammar is not None:
            allowed = torch.from_numpy(grammar.allowed([reply.grammar_state for reply in live]))
        scores = self.model.log_probs(states.flatten(0, 1), sampling.temperature, allowed)
        token, logprob = sampling.draw(scores, self._tensor(uniforms).flatten())
        tokens: list[list[int]] = token.view(count, width).tolist()
        if grammar is not None:
            for reply, (chosen,) in zip(live, tokens, strict=True):
                grammar.consume(reply.grammar_state, chosen)
        return tokens, logprob.view(count, width).tolist()

    def _completion(self, slot: int, reply: _SampledRow) -> Completion:
        sampled = np.array(reply.ids)
        known = np.concatenate([self.rows[int(self.row_of_slot[slot])].all_ids, sampled[:-1]])
        logprobs = np.array(reply.logprobs, np.float32)
        return Completion(sampled, logprobs, self._kv_state(slot, known))

    def _kv_state(
        self, slot: int, ids: NDArray[np.int64], state: Tensor | None = None
    ) -> PrefillState:
        keys_values = self.cache.data[:, :, slot, :, : len(ids)].clone()
        return PrefillState(ids, keys_values, int(self.position[slot]), state)

    def _compact(self, rows: Tensor) -> None:
        """Let the other rows leave."""
        order = self.cache.compact(rows)
        self.row_of_slot, self.length = self.row_of_slot[order], self.length[order]
        self.position = self.position[order]

    def _prefill_all(self) -> Tensor:
        """Read the new tokens of all rows; return the hidden state of each one's last."""
        states = []
        for row in self.rows:
            if len(row.ids):
                break
            assert row.kv_state is not None and row.kv_state.last_hidden is not None, (
                "nothing to go by"
            )
            states.append(row.kv_state.last_hidden)
        known = [torch.stack(states)] if states else []
        return torch.cat(
            known + [self._prefill_bucket(*bucket) for bucket in self._buckets(len(states))]
        )

    def _buckets(self, first: int) -> list[tuple[int, int]]:
        """Cut the rows from `first` on where padding or memory would grow."""
        buckets, count = [], len(self.rows)
        for last in range(first + 1, count + 1):
            if last < count:
                shortest, longest = len(self.rows[first].ids), len(self.rows[last].ids)
                tokens = longest * (last + 1 - first)
                if longest <= 1.25 * shortest + 8 and tokens <= PREFILL_TOKENS:
                    continue
            buckets.append((first, last))
            first = last
        return buckets

    def _prefill_bucket(self, first: int, last: int) -> Tensor:
        """Read the new tokens of some rows; return the hidden state of each one's last."""
        rows, pad = self.rows[first:last], self.cache.data.shape[4] - 1
        shape = (len(rows), max(len(row.ids) for row in rows))
        ids, slots = np.zeros(shape, np.int64), np.full(shape, pad)
        positions = np.zeros((3, *shape), np.int64)
        for i, row in enumerate(rows):
            count, grids = len(row.ids), self.model.encoder.grids(row.frames)
            ids[i, :count] = row.ids
            slots[i, :count] = np.arange(row.cached, row.cached + count)
            positions[:, i, :count], after = mrope_positions(
                row.ids, self.model.tokens.frame_pad, grids, self.starts[first + i]
            )
            self.position[first + i] = after
        mask = self.cache.set_write_slots(first, self._tensor(slots))
        hidden = self.model.hidden(
            self._tensor(ids),
            self._tensor(positions),
            [key for row in rows for key in row.frames],
            mask,
            self.cache,
        )
        last_of = torch.tensor([len(row.ids) - 1 for row in rows], device=hidden.device)
        return hidden[torch.arange(len(rows), device=hidden.device), last_of]

    def _decode(self, live: Sequence[_SampledRow]) -> Tensor:
        """Read the last token of every row, and its guess: states `(b, w, hidden)` after them."""
        read = [[reply.ids[-1], *reply.draft] for reply in live]
        width = max(map(len, read))
        padded = np.array([tokens + [0] * (width - len(tokens)) for tokens in read])
        counts = torch.tensor([len(tokens) for tokens in read], device=self.model.device)
        after = torch.arange(width, device=self.model.device)
        pad = self.cache.data.shape[4] - 1
        slots = (self.length[:, None] + after).masked_fill(after >= counts[:, None], pad)
        mask = self.cache.set_write_slots(0, slots)
        positions = (self.position[:, None] + after).expand(3, -1, -1)
        states = self.model.hidden(self._tensor(padded), positions, (), mask, self.cache)
        self.length, self.position = self.length + 1, self.position + 1
        return states

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.model.device)
