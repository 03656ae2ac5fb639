"""Input and output of sampling one turn of a sequence, and the prefill state in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PrefillState:
    """State of the model after the first T tokens of a sequence: their KV cache, and its end.

    A state holds what was read since the state before it, and refers to that one. Rollouts of a
    question so refer to one state of their prompt, and a turn copies nothing of earlier turns:

        prompt of a question <- first turn of one episode <- its second turn
                             <- first turn of another

    Attributes:
        ids: int64 `(T,)`, these tokens.
        keys_values: keys and values of the last N of them: `(layers, 2, heads, N, dim)`, keys
            first.
        position: M-RoPE position of the token after them.
        last_hidden: hidden state `(hidden,)` of the last of them; `None` where more tokens have to
            be prefilled before anything can be sampled.
        before: state of the first T - N tokens; `None` where N is T.
    """

    ids: NDArray[np.int64]
    keys_values: Tensor
    position: int
    last_hidden: Tensor | None = None
    before: PrefillState | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of its own keys and values, those of the states before it not counted."""
        return self.keys_values.nbytes

    @property
    def chain(self) -> tuple[PrefillState, ...]:
        """The states that hold the keys and values of its tokens, in the order of the tokens."""
        found: list[PrefillState] = [self]
        while found[-1].before is not None:
            found.append(found[-1].before)
        return tuple(reversed(found))

    @property
    def root(self) -> PrefillState:
        """The first state of its chain: that of the prompt which rollouts of a question share."""
        return self.chain[0]


@dataclass(frozen=True, eq=False)
class SequenceInput:
    """Input of one sequence to the sampling of a turn: tokens to prefill, and random numbers.

    Attributes:
        ids: int64 `(P,)`, tokens to prefill; none if `kv_state` has a `last_hidden`.
        frames: keys of the frames in `ids`, in order.
        kv_state: of the tokens before `ids`; `None` if there are none.
        uniforms: float64 `(M,)` in [0, 1), one per token that may be sampled.
    """

    ids: NDArray[np.int64]
    frames: Sequence[bytes]
    kv_state: PrefillState | None
    uniforms: NDArray[np.float64]

    @property
    def cached(self) -> int:
        """Number of tokens before `ids`: their keys and values are known."""
        return 0 if self.kv_state is None else len(self.kv_state.ids)

    def own_tokens(self, *, in_place: bool) -> int:
        """Return the tokens of its row in a block before anything is sampled.

        Args:
            in_place: whether the block reads the root of a state where it lies.
        """
        shared = len(self.kv_state.root.ids) if in_place and self.kv_state is not None else 0
        return self.cached + len(self.ids) - shared

    @property
    def position(self) -> int:
        """M-RoPE position of the first token of `ids`."""
        return 0 if self.kv_state is None else self.kv_state.position

    @property
    def all_ids(self) -> NDArray[np.int64]:
        """All tokens of the sequence: int64 `(cached + P,)`."""
        return self.ids if self.kv_state is None else np.concatenate([self.kv_state.ids, self.ids])


@dataclass(frozen=True, eq=False)
class Completion:
    """Output of one sequence: the sampled tokens, and the state to go on from.

    Attributes:
        ids: int64 `(C,)`, sampled tokens, stop token included when it came.
        logprobs: float32 `(C,)` in nats, see `Sampling`.
        kv_state: of all tokens but the last of `ids`, which no pass has read yet.
        entropies: float32 `(C,)` in nats, of the distributions that they were drawn from.
    """

    ids: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    kv_state: PrefillState
    entropies: NDArray[np.float32] | None = None
