"""How many keys and values running episodes hold, within a budget of bytes.

Keys and values are most of a rollout's memory: 144 KiB a token at the shapes of Qwen3-VL-4B and 8B
in bfloat16. They are held in two ways. Between turns every episode has its KV state, whose first
part, the prompt of the question, several may share. While a batch is sampled, its rows stand in one
block beside them. The budget bounds both together: batches shrink until a block fits, and where the
states of all running episodes do not, some are dropped and prefilled again when their turn comes.
That costs time and changes nothing but the rounding of last bits.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

import torch

from policies.errors import ContextFull
from policies.sage_mm.context import Context
from policies.sage_mm.generation.prefix_cache import PrefixKey, prefix_key
from policies.sage_mm.generation.rollout_memory import BLOCK_SHARE, KV_SHARE, free_bytes
from policies.sage_mm.generation.sequence import PrefillState, SequenceInput

CPU_SHARE = 0.5
"""Of the machine's memory. A judgement: it is more than the small model's rollouts come to, and
stops before the machine swaps."""

UNKNOWN_MEMORY = 16 << 30
"""Of a machine that does not say how much it has."""


def default_kv_bytes(device: torch.device) -> int:
    """Return the budget where none was given: a share of what the device has left."""
    if device.type == "cuda":
        return int(KV_SHARE * free_bytes(device))
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # a system that does not say
        machine = UNKNOWN_MEMORY
    return int(CPU_SHARE * machine)


class KeyValueBudget:
    """Which episodes of a call are sampled together, and whose states make room for them.

    The states used least recently go first: of episodes that are not in the call, then of those
    that have had their turn, then of those that wait for it. Of a state the part after the shared
    prompt goes first, because the prompt may be held for others anyway.

    Args:
        max_bytes: of states and blocks together.
        token_bytes: keys and values of one token.
        in_place: whether blocks leave the shared prompts where they are.

    Attributes:
        max_bytes: see above; less after `halve`.
        dropped: states that were dropped for want of room.
        peak: most bytes that states and block were reckoned to take at once.
    """

    def __init__(self, max_bytes: int, token_bytes: int, in_place: bool) -> None:
        """Nothing is held yet."""
        self.max_bytes, self._token_bytes, self._in_place = max_bytes, token_bytes, in_place
        self._given, self._most = max_bytes, sys.maxsize
        self.dropped = self.peak = self._reckoned = 0

    def halve(self, episodes: int) -> None:
        """Allow half of what was reckoned for the last wave, and of its episodes.

        A single episode may still take all that was given.
        """
        self.max_bytes = min(self.max_bytes, self._reckoned) // 2
        self._most = max(1, episodes // 2)

    def block_fits(self, sequences: Sequence[SequenceInput], reply: int, workers: int) -> bool:
        """Return whether a batch may have so many sequences; see `Fits`."""
        longest = max(s.own_tokens(in_place=self._in_place) for s in sequences) + max(1, reply)
        block = len(sequences) * longest * self._token_bytes
        return block <= BLOCK_SHARE * self.max_bytes / workers

    def next_wave(self, contexts: Sequence[Context], reply: int, workers: int) -> list[int]:
        """Return which of the episodes are sampled next: all of them, if they fit.

        Otherwise those that hold states come first, because they cost least.

        Args:
            contexts: of the episodes that wait for their turn, at least one.
            reply: tokens that each may sample.
            workers: batches that are sampled side by side.

        Returns:
            their numbers; in the order given if they are all.

        Raises:
            ContextFull: if one episode alone does not fit.
        """
        left = self.max_bytes - self._blocks(contexts, reply, workers)
        costs = [self._cost(context, reply) for context in contexts]
        wave: list[int] = []
        prompts: set[PrefixKey] = set()
        for number in sorted(range(len(contexts)), key=lambda i: contexts[i].kv_state is None):
            prompt, of_prompt, own = costs[number]
            left -= own + (0 if prompt in prompts else of_prompt)
            if wave and (left < 0 or len(wave) == self._most):
                break
            if left < 0:
                self._require_room(contexts[number], reply)
            prompts.add(prompt)
            wave.append(number)
        return sorted(wave) if len(wave) == len(contexts) else wave

    def make_room(
        self,
        wave: Sequence[Context],
        others: Iterable[Context],
        reply: int,
        workers: int,
    ) -> None:
        """Drop states until those of a wave fit beside what the others still hold.

        Args:
            wave: the episodes that are sampled next.
            others: the other running ones, those first that may lose their states first.
            reply: tokens that each may sample.
            workers: batches that are sampled side by side.
        """
        others = [context for context in others if context.kv_state is not None]
        held_by_wave = _held(wave)
        needed = self._blocks(wave, reply, workers) + self._states(wave, reply)

        def total() -> int:
            beside = _held(others).items()
            return needed + sum(s.nbytes for key, s in beside if key not in held_by_wave)

        lost: set[int] = set()
        for drop in (Context.shrink_kv_state, Context.drop_kv_state):
            for context in others:
                if total() <= self.max_bytes:
                    break
                before = context.kv_state
                drop(context)
                if context.kv_state is not before:
                    lost.add(id(context))
        self.dropped += len(lost)
        self._reckoned = total()
        self.peak = max(self.peak, self._reckoned)

    def _blocks(self, contexts: Sequence[Context], reply: int, workers: int) -> int:
        """Return the bytes of the blocks that are there at once, at most."""
        single = max(self._block(context, reply) for context in contexts)
        share = int(BLOCK_SHARE * self.max_bytes)
        return min(max(share, workers * single), len(contexts) * single)

    def _block(self, context: Context, reply: int) -> int:
        """Return the bytes of a block for one episode: of its prompt, or of its turn."""
        opening, whole = len(context.opening.ids), context.length
        own = whole - opening if self._in_place else whole
        prefilled = opening + 1 if context.kv_state is None else 0
        return max(prefilled, own + max(1, reply)) * self._token_bytes

    def _cost(self, context: Context, reply: int) -> tuple[PrefixKey, int, int]:
        """Return the prompt of an episode, its bytes, and those of the rest after its turn."""
        opening = context.opening
        rest = context.length - len(opening.ids) + reply
        return (prefix_key(opening), len(opening.ids) * self._token_bytes, rest * self._token_bytes)

    def _states(self, contexts: Sequence[Context], reply: int) -> int:
        """Return the bytes of the episodes' states after their turn, at most."""
        costs = [self._cost(context, reply) for context in contexts]
        prompts = {prompt: nbytes for prompt, nbytes, _ in costs}
        return sum(prompts.values()) + sum(own for *_, own in costs)

    def _require_room(self, context: Context, reply: int) -> None:
        """Refuse an episode that does not fit alone, and say how it could."""
        tokens = context.length + reply
        needed = self._states([context], reply) + self._block(context, reply)
        if needed <= self._given:
            return
        raise ContextFull(
            f"the keys and values of an episode of {tokens} tokens need {needed:,} bytes while it "
            f"is sampled, and kv_bytes allows {self._given:,}: give a larger kv_bytes, make the "
            "environment with fewer turns, fewer or smaller frames, or take a GPU with more memory"
        )


def _held(contexts: Iterable[Context]) -> dict[int, PrefillState]:
    """Return the states that are held, each once, by their identity."""
    return {
        id(state): state
        for context in contexts
        if context.kv_state is not None
        for state in context.kv_state.chain
    }
