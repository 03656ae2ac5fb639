"""Prefix cache: a prompt that several episodes begin with is prefilled once.

What engines call automatic prefix caching (vLLM, arXiv 2309.06180) or RadixAttention (SGLang, arXiv
2312.07104), for the one case that rollouts have: whole first prompts, equal or not. A tree over all
prefixes would add the system prompt, which questions share: it is short beside their frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from policies.sage_mm.generation.sequence import PrefillState, SequenceInput
from sage_env.storage.byte_lru import ByteLRU

PrefixKey: TypeAlias = tuple[bytes, tuple[bytes, ...]]
"""The bytes of a prompt's token ids and the keys of its frames: equal keys, equal states."""
_NO_IDS = np.zeros(0, np.int64)


class PrefixCache:
    """Prefill states of first prompts, least recently used out.

    Rollouts of one question begin with the same tokens and frames, whether they start together or
    one after the other. A state holds under the weights that made it: `forget` all when those
    change.

    Args:
        max_bytes: of keys and values to keep for later calls, where the model is; 0 shares within
            a call only.
    """

    def __init__(self, max_bytes: int) -> None:
        """Keep nothing yet."""
        self._kept: ByteLRU[PrefixKey, PrefillState] = ByteLRU(max_bytes)

    def forget(self) -> None:
        """Drop all states."""
        self._kept.clear()

    def share(
        self,
        sequences: Sequence[SequenceInput],
        prefill: Callable[[list[SequenceInput]], list[PrefillState]],
    ) -> list[SequenceInput]:
        """Return the sequences, those without KV state advanced to the end of their prompt.

        1. Sequences without KV state are told apart by prompt: token ids and frames.
        2. Of each prompt that is not in the cache the first sequence is prefilled, all of them in
           one call. It stands for the others: a prefill reads tokens and frames, and nothing else.
        3. All sequences of a prompt get its one state, and the cache keeps it where it fits.

        Args:
            sequences: in any order; those that have a KV state come back as they are.
            prefill: given sequences with different prompts, returns the state of each.
        """
        prompts = [None if s.kv_state is not None else prefix_key(s) for s in sequences]
        new: dict[PrefixKey, SequenceInput] = {}
        for prompt, sequence in zip(prompts, sequences, strict=True):
            if prompt is not None and prompt not in self._kept:
                new.setdefault(prompt, sequence)
        states = dict(zip(new, prefill(list(new.values())), strict=True)) if new else {}
        # looked up before anything is kept: what is kept now may push out what is needed here
        for prompt in prompts:
            if prompt is not None and (state := self._kept.get(prompt)) is not None:
                states[prompt] = state
        for prompt in dict.fromkeys(prompts):
            if prompt is not None:
                self._kept.put(prompt, states[prompt], states[prompt].nbytes)
        return [
            sequence
            if prompt is None
            else replace(sequence, ids=_NO_IDS, frames=(), kv_state=states[prompt])
            for prompt, sequence in zip(prompts, sequences, strict=True)
        ]


def prefix_key(sequence: SequenceInput) -> PrefixKey:
    """Return what tells the prompt of a sequence from others."""
    return sequence.ids.tobytes(), tuple(sequence.frames)
