"""Bytes of the tensors that are alive, and the most there have been: memory without a device.

On the meta device a tensor has a shape and no data, and an operation takes no time. What a pass
over a model of any size would keep can so be counted before there is a GPU, by running it.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what the operations inside the block make, and sees it go.

    Counted are the results of operations, each storage once. What was there before the block is
    not, nor what a kernel takes for itself while it runs, nor what an allocator rounds up.

    Attributes:
        live: bytes that were made in the block and are still held.
        peak: the most there have been since the beginning or `reset_peak`.
        largest: bytes of the largest single result.
    """

    def __init__(self) -> None:
        """Count nothing yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = self.largest = 0
        self._seen: set[int] = set()

    def reset_peak(self) -> None:
        """Forget the highest count: begin again with what is alive."""
        self.peak = self.live

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operation and count what it returns."""
        given = {leaf.untyped_storage()._cdata for leaf in _tensors((args, kwargs))}
        out = func(*args, **(kwargs or {}))
        for leaf in _tensors(out):
            storage = leaf.untyped_storage()
            if storage._cdata not in given:  # a view, or what was written to, is not new
                self._count(storage)
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        """Count a storage that is new, until nobody holds it."""
        identity, nbytes = storage._cdata, storage.nbytes()
        if identity in self._seen:
            return
        self._seen.add(identity)
        weakref.finalize(storage, self._free, identity, nbytes)
        self.live += nbytes
        self.peak, self.largest = max(self.peak, self.live), max(self.largest, nbytes)

    def _free(self, identity: int, nbytes: int) -> None:
        self._seen.discard(identity)
        self.live -= nbytes


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
