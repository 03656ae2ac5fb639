"""Prefill and decode: one turn of many sequences at once, each going on from its own KV state.

It is no server: a batch starts together, sequences leave it one by one as they end, and none joins
(no continuous batching, no paged memory).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.sage_mm.generation.batches import block_slots
from policies.sage_mm.generation.constrained import ActionGrammar
from policies.sage_mm.generation.decode_row import DecodeRow
from policies.sage_mm.generation.kv_cache import KeyValueCache, to_device
from policies.sage_mm.generation.ngram_drafter import NGramDrafter
from policies.sage_mm.generation.sampling import Sampling
from policies.sage_mm.generation.sequence import Completion, PrefillState, SequenceInput
from policies.sage_mm.generation.token_draw import draw_tokens
from policies.sage_mm.model.sage_model import SageModel
from policies.sage_mm.stage_timer import GENERATE, PREFILL, STEPS
from policies.sage_mm.tokens.mrope import mrope_positions

# They trade padding against the number of passes, and have not been measured one by one: do so when
# prefill is a large share of a rollout's time (benchmarks/reports/rollout.md).
PREFILL_TOKENS, GPU_PREFILL_TOKENS = 16384, 8192
"""Tokens of one prefill pass, padding included, on a CPU and on a GPU; bounds its memory where
prompts are long. That of a GPU is reckoned, not measured: 8192 rows fill its matrix units, and a
pass of more would only hold more activations."""
FLASH_DEVICES = ("cuda",)
"""Where first prompts are read without a mask. On a CPU it would only round differently."""
LENGTH_RATIO = 1.25
"""Of the longest to the shortest prompt of one prefill pass, beside `LENGTH_SLACK`."""
LENGTH_SLACK = 8
"""Tokens by which the prompts of one pass may differ, whatever their ratio."""


@torch.inference_mode()
def generate(
    model: SageModel,
    sequences: Sequence[SequenceInput],
    *,
    sampling: Sampling,
    stop: int,
    grammar: ActionGrammar | None = None,
    drafter: NGramDrafter | None = None,
    in_place: bool = False,
) -> list[Completion]:
    """Prefill each sequence, then sample until the stop token or the end of its uniforms.

    What a sequence samples depends on its own tokens and uniforms alone; on the other sequences and
    on the drafts only in the rounding of the last bits.

    Args:
        model: the network.
        sequences: at least one, all with the same number of uniforms.
        sampling: how a token is drawn.
        stop: the id that ends a reply.
        grammar: where given, only what it allows is sampled, one token a pass.
        drafter: where given, and there is no grammar, its drafts are read ahead: those that are
            right save passes (speculative decoding, arXiv 2211.17192).
        in_place: whether the root of each sequence's KV state is read where it lies, once for all
            sequences that have it, instead of being copied into each one's row.

    Returns:
        one completion per sequence, in their order.
    """
    order = _by_length(sequences)
    limit = len(sequences[0].uniforms)
    batch = _DecodeBatch(model, [sequences[i] for i in order], limit, in_place)
    with model.timer.timing(GENERATE):
        found = dict(zip(order, batch.sample(sampling, stop, grammar, drafter), strict=True))
    model.timer.add(GENERATE, sum(len(completion.ids) for completion in found.values()))
    return [found[i] for i in range(len(sequences))]


@torch.inference_mode()
def prefill(model: SageModel, sequences: Sequence[SequenceInput]) -> list[PrefillState]:
    """Prefill each sequence, and sample nothing; the states come in their order."""
    order = _by_length(sequences)
    batch = _DecodeBatch(model, [sequences[i] for i in order], 0)
    found = dict(zip(order, batch.prefill_states(), strict=True))
    return [found[i] for i in range(len(sequences))]


def _by_length(sequences: Sequence[SequenceInput]) -> list[int]:
    return sorted(range(len(sequences)), key=lambda i: len(sequences[i].ids))


def buckets(
    lengths: Sequence[int], first: int = 0, most: int | None = None
) -> list[tuple[int, int]]:
    """Cut ascending prompt lengths into passes, before padding or memory would grow.

    Lengths `10 12 18 200`: 18 is within `1.25 * 10 + 8` of the shortest, 200 is not: `(0, 3)` and
    `(3, 4)`.

    Args:
        lengths: of all sequences, in tokens.
        first: those before it have nothing to prefill and are in no bucket.
        most: tokens of one pass; `None` for those of a CPU.

    Returns:
        the first sequence of each pass and the one after its last.
    """
    most = PREFILL_TOKENS if most is None else most
    found, begin = [], first
    for end in range(first + 1, len(lengths) + 1):
        if end < len(lengths):
            shortest, longest = lengths[begin], lengths[end]
            fits = longest * (end + 1 - begin) <= most
            if longest <= LENGTH_RATIO * shortest + LENGTH_SLACK and fits:
                continue
        found.append((begin, end))
        begin = end
    return found


class _DecodeBatch:
    """Sequences that are prefilled and decoded side by side.

    Sequences are sorted by how many tokens they have to prefill; the first ones may have none.
    `live[row]` is the sequence in that row of the cache: rows are dropped and moved as sequences
    end. Lengths and positions are kept on the host, where the drawn tokens are needed anyway, so
    that no pass waits for a device to tell them.
    """

    def __init__(
        self,
        model: SageModel,
        sequences: Sequence[SequenceInput],
        limit: int,
        in_place: bool = False,
    ) -> None:
        """Prefill.

        Args:
            model: the network.
            sequences: sorted by how many tokens they have to prefill.
            limit: tokens that each of them may sample.
            in_place: see `generate`.
        """
        self.model, self.sequences, self.limit = model, sequences, limit
        chains = [() if s.kv_state is None else s.kv_state.chain for s in sequences]
        prefixes = [chain[0].keys_values if chain else None for chain in chains]
        # The last sampled token is read by no pass: with a limit of 1 or more its slot is spare.
        self.cache = KeyValueCache(
            model.config,
            [[state.keys_values for state in chain[int(in_place) :]] for chain in chains],
            block_slots(sequences, limit, in_place),
            dtype=model.dtype,
            device=model.device,
            prefixes=prefixes if in_place else None,
        )
        self.positions = [s.position for s in sequences]  # of the token after the prompt
        self.live: list[DecodeRow] = []
        self.done: dict[int, Completion] = {}
        with model.timer.timing(PREFILL):
            self.hidden = self._prefill()
        model.timer.add(PREFILL, sum(len(s.ids) for s in sequences))

    def prefill_states(self) -> list[PrefillState]:
        """Return the state of each sequence."""
        return [
            self._kv_state(row, sequence, sequence.all_ids, self.positions[row], last=hidden)
            for row, (sequence, hidden) in enumerate(
                zip(self.sequences, self.hidden.unbind(), strict=True)
            )
        ]

    def sample(
        self,
        sampling: Sampling,
        stop: int,
        grammar: ActionGrammar | None,
        drafter: NGramDrafter | None,
    ) -> list[Completion]:
        """Sample every sequence to its end, a few tokens of each per round.

        1. Draw a token after every state: the next one, and one after each token of the draft.
        2. Accept those that one-by-one decoding would have drawn; this moves lengths and positions.
        3. Retire the sequences that are over, and compact the cache.
        4. Draft how each of the others may go on.
        5. Decode the newest token and the draft of each, which gives the states of the next round.
        """
        self.live = [
            DecodeRow(
                sequence.uniforms,
                grammar and grammar.start(),
                sequence=number,
                prompt_length=sequence.cached + len(sequence.ids),
                prompt_position=self.positions[number],
            )
            for number, sequence in enumerate(self.sequences)
        ]
        states = self.hidden[:, None]
        while True:
            tokens, logprobs, entropies = self._draw(states, sampling, grammar)
            self.model.timer.add(STEPS, len(self.live))
            drawn = zip(self.live, tokens, logprobs, entropies, strict=True)
            for row, ids, scores, spread in drawn:
                row.accept(ids, scores, stop, spread)
            self._retire()
            if not self.live:
                return [self.done[number] for number in range(len(self.sequences))]
            if drafter is not None and grammar is None:
                self._draft(drafter)
            states = self._decode()

    def _draw(
        self, states: Tensor, sampling: Sampling, grammar: ActionGrammar | None
    ) -> tuple[list[list[int]], list[list[float]], list[list[float]]]:
        """Draw after every state `(b, w, hidden)`: ids, log-probs, entropies, `(b, w)` each.

        What is drawn after padding is drawn with 0 as its random number, and never accepted.
        """
        count, width = states.shape[:2]
        uniforms = np.zeros((count, width))
        for line, row in zip(uniforms, self.live, strict=True):
            known = row.uniforms[len(row.ids) :][:width]
            line[: len(known)] = known
        allowed = None
        if grammar is not None:
            allowed = torch.from_numpy(grammar.allowed([row.grammar_state for row in self.live]))
        drawn = draw_tokens(self.model, states, self._tensor(uniforms), sampling, allowed)
        if grammar is not None:
            for row, (chosen,) in zip(self.live, drawn[0], strict=True):
                grammar.consume(row.grammar_state, chosen)
        return drawn

    def _retire(self) -> None:
        """Take the sequences that are over out of the batch, with what they have sampled."""
        left = [number for number, row in enumerate(self.live) if not row.over]
        if len(left) == len(self.live):
            return
        for number, row in enumerate(self.live):
            if row.over:
                self.done[row.sequence] = self._completion(number, row)
        order = self.cache.compact(np.array(left, np.int64))
        self.live = [self.live[number] for number in order]

    def _draft(self, drafter: NGramDrafter) -> None:
        """Let the drafter say how each sequence may go on, within the tokens that it has left."""
        for row in self.live:
            most = self.limit - len(row.ids) - 1  # the one after the draft is sampled as well
            row.draft = drafter.propose(row.ids, len(self.live), most)

    def _decode(self) -> Tensor:
        """Read the newest token of every row, and its draft: states `(b, w, hidden)` after them."""
        read = [[row.ids[-1], *row.draft] for row in self.live]
        counts = np.array([len(tokens) for tokens in read])
        ids = np.zeros((len(read), counts.max()), np.int64)
        for line, tokens in zip(ids, read, strict=True):
            line[: len(tokens)] = tokens
        mask = self.cache.set_write_slots(0, np.array([row.cached for row in self.live]), counts)
        positions = np.array([row.position for row in self.live])[:, None] + np.arange(ids.shape[1])
        axes = self._tensor(positions).expand(3, -1, -1)
        return self.model.hidden(self._tensor(ids), axes, (), mask, self.cache)

    def _prefill(self) -> Tensor:
        """Prefill all sequences; return the hidden state `(B, hidden)` of each one's last token."""
        states = []
        for sequence in self.sequences:
            if len(sequence.ids):
                break
            state = sequence.kv_state
            assert state is not None and state.last_hidden is not None, "nothing to sample from"
            states.append(state.last_hidden)
        ready = [torch.stack(states)] if states else []
        most = PREFILL_TOKENS if self.model.device.type == "cpu" else GPU_PREFILL_TOKENS
        cuts = buckets([len(s.ids) for s in self.sequences], len(states), most)
        return torch.cat(ready + [self._prefill_bucket(*cut) for cut in cuts])

    def _prefill_bucket(self, first: int, last: int) -> Tensor:
        """Prefill some of the sequences in one pass; return the states of their last tokens."""
        bucket = self.sequences[first:last]
        counts = np.array([len(s.ids) for s in bucket])
        shape = (len(bucket), counts.max())
        ids, positions = np.zeros(shape, np.int64), np.zeros((3, *shape), np.int64)
        for i, (sequence, count) in enumerate(zip(bucket, counts, strict=True)):
            ids[i, :count] = sequence.ids
            positions[:, i, :count], self.positions[first + i] = mrope_positions(
                sequence.ids,
                self.model.tokens.frame_pad,
                self.model.encoder.grids(sequence.frames),
                sequence.position,
            )
        starts = np.array([s.cached for s in bucket])
        flash = self.model.device.type in FLASH_DEVICES
        mask = self.cache.set_write_slots(first, starts, counts, flash=flash)
        hidden = self.model.hidden(
            self._tensor(ids),
            self._tensor(positions),
            [key for sequence in bucket for key in sequence.frames],
            mask,
            self.cache,
        )
        rows = torch.arange(len(bucket), device=hidden.device)
        return hidden[rows, self._tensor(counts - 1)]

    def _completion(self, number: int, row: DecodeRow) -> Completion:
        sampled = np.array(row.ids)
        sequence = self.sequences[row.sequence]
        known = np.concatenate([sequence.all_ids, sampled[:-1]])
        state = self._kv_state(number, sequence, known, row.position)
        scores = (np.array(values, np.float32) for values in (row.logprobs, row.entropies))
        logprobs, entropies = scores
        return Completion(sampled, logprobs, state, entropies)

    def _kv_state(
        self,
        number: int,
        sequence: SequenceInput,
        ids: NDArray[np.int64],
        position: int,
        last: Tensor | None = None,
    ) -> PrefillState:
        """Copy what is new of a row out of the cache; what was known stays where it is.

        Args:
            number: of the row.
            sequence: that the row is of.
            ids: int64 `(T,)`, the tokens that were read.
            position: M-RoPE position of the token after them.
            last: hidden state `(hidden,)` of the last of them, if something may be sampled from it.
        """
        new = self.cache.row(number, sequence.cached, len(ids))
        hidden = None if last is None else last.clone()
        return PrefillState(ids, new, position, hidden, sequence.kv_state)

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return to_device(array, self.model.device)
