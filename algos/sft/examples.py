"""One conversation as tokens, and which of them are learned."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from algos.rollout.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Example:
    """One conversation to learn from.

    Attributes:
        ids: int64 `(L,)`, all tokens of the conversation.
        loss_mask: bool `(L,)`, True on the tokens that the assistant writes, stop token included.
        frames: content keys of its frames, in order.
    """

    ids: NDArray[np.int64]
    loss_mask: NDArray[np.bool_]
    frames: tuple[bytes, ...]

    @classmethod
    def of(cls, trajectory: Trajectory) -> Example:
        """Take a whole episode whose policy wrote down its tokens, see `TeacherTokens`.

        Raises:
            ValueError: if its turns were not read in one growing context.
        """
        if not trajectory.append_only:
            raise ValueError(
                f"item {trajectory.item_id!r}: expected one growing context, got turns with "
                "contexts of their own: make an example of each turn instead"
            )
        return cls(trajectory.token_ids, trajectory.sampled, trajectory.frames)

    def without_turns(self, turn: NDArray[np.int64], left_out: Collection[int]) -> Example:
        """Return the same tokens, and some turns of them only read and not learned.

        Args:
            turn: int64 `(L,)`, the turn of each token.
            left_out: turns that are not learned.
        """
        return replace(self, loss_mask=self.loss_mask & ~np.isin(turn, list(left_out)))


def digest(examples: Sequence[Example]) -> str:
    """Return 16 hexadecimal digits for examples in order: BLAKE2b of tokens, masks and frames."""
    found = hashlib.blake2b(digest_size=8)
    for example in examples:
        found.update(len(example.ids).to_bytes(8, "little"))
        found.update(np.ascontiguousarray(example.ids, "<i8").data)
        found.update(np.packbits(example.loss_mask).data)
        found.update(b"".join(example.frames))
    return found.hexdigest()
