"""A mapping bounded in bytes that drops the least recently used entries (LRU)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class ByteLRU(Generic[K, V]):
    """Values by key whose sizes sum to at most `max_bytes`. Not thread-safe: its user locks.

    Attributes:
        max_bytes: upper bound of `nbytes`; 0 keeps nothing but values of size 0.
        nbytes: sum of the sizes of what is held.
    """

    def __init__(self, max_bytes: int) -> None:
        """Hold nothing yet."""
        self.max_bytes = max_bytes
        self.nbytes = 0
        # The least recently used first. A size is kept beside its value: what is added for an
        # entry must be what is taken off for it, even if the value's own size has changed.
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __contains__(self, key: K) -> bool:
        """Return whether a key is held; that is not a use."""
        return key in self._entries

    def __iter__(self) -> Iterator[K]:
        """Iterate over the keys, the least recently used first."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return a value, now the most recently used; `None` if it is not held."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, nbytes: int) -> int:
        """Hold a value instead of the one that the key had, now the most recently used.

        A value larger than `max_bytes` is not held, and drops nothing but its key's old value.

        Returns:
            How many entries were dropped to make room, the replaced one not counted.
        """
        _, replaced = self._entries.pop(key, (None, 0))
        self.nbytes -= replaced
        if nbytes > self.max_bytes:
            return 0
        self._entries[key] = value, nbytes
        self.nbytes += nbytes
        dropped = 0
        while self.nbytes > self.max_bytes:
            _, (_, freed) = self._entries.popitem(last=False)
            self.nbytes -= freed
            dropped += 1
        return dropped

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self.nbytes = 0

    def recount(self) -> None:
        """Make `nbytes` the sum of what is held, where a `put` was cut off in the middle."""
        self.nbytes = sum(nbytes for _, nbytes in self._entries.values())
