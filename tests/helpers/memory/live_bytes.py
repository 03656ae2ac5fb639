"""Counting the bytes of tensors that are alive, operation by operation."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Inside the block, counts the bytes of storages that operations made, and the most at once.

    Attributes:
        now: bytes of those that are alive.
        peak: most of them at any time.
    """

    def __init__(self) -> None:
        """Count from zero."""
        super().__init__()
        self.now = self.peak = 0
        self._alive: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and count what it made."""
        before = {x.untyped_storage()._cdata for x in tensors((args, kwargs))}
        out = func(*args, **(kwargs or {}))
        for tensor in tensors(out):
            storage = tensor.untyped_storage()
            if storage._cdata in before:
                if storage._cdata in self._alive:
                    self._hold(tensor, storage._cdata)
                continue
            if storage._cdata not in self._alive:
                self._alive[storage._cdata] = 0
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
            self._hold(tensor, storage._cdata)
        return out

    def _hold(self, tensor: torch.Tensor, storage: int) -> None:
        self._alive[storage] += 1
        weakref.finalize(tensor, self._release, storage, tensor.untyped_storage().nbytes())

    def _release(self, storage: int, nbytes: int) -> None:
        self._alive[storage] -= 1
        if not self._alive[storage]:
            del self._alive[storage]
            self.now -= nbytes


def tensors(tree: Any) -> list[torch.Tensor]:
    """Return the tensors in nested arguments or results."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
