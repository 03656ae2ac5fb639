"""A cache of frame features in three levels: GPU, memory of the CPU and disk, each bounded."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from threading import RLock
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from policies.sage_mm.tokens.mrope import Grid
from sage_env.storage.bounded_folder import BoundedFolder
from sage_env.storage.byte_lru import ByteLRU
from sage_env.storage.byte_size import parse_bytes
from sage_env.storage.forking import reset_each_on_fork
from sage_env.storage.sealed_file import SealedContent, read_sealed, seal

Entry = tuple[Grid, Tensor]
"""What is kept of a frame: its grid and its features `(1 + K, n, hidden)`, of the tower's dtype.

The first map is the merged embedding of the frame's n visual tokens; K DeepStack maps follow."""
_GRID = struct.Struct("<II")


@dataclass(frozen=True)
class CacheSizes:
    """Bounds of a `FeatureCache` in bytes, per level; the least recently used features go first.

    Attributes:
        cpu: in the CPU's memory. Features of frames that are still to be trained on are encoded
            again where they fit neither here nor on disk, which takes time and changes nothing.
        gpu: beside the model, where that is on a GPU: spares copies.
        folder: on disk, for later runs and for other processes, which may share the folder; `None`
            for nowhere.
        disk: bytes of the files in the folder.
        pictures: of the pixels that dropped features are encoded from again, in a temporary file:
            those of the last half of so many bytes are there. 0: a dropped frame is an error.
    """

    cpu: int = 2 << 30
    gpu: int = 0
    folder: Path | None = None
    disk: int = 16 << 30
    pictures: int = 4 << 30

    def __post_init__(self) -> None:
        """Refuse sizes below zero."""
        if min(self.cpu, self.gpu, self.disk, self.pictures) < 0:
            raise ValueError(f"cache sizes must be 0 bytes or more, got {self}")

    @classmethod
    def from_words(cls, words: Mapping[str, str | int]) -> CacheSizes:
        """Return the sizes of levels by name, as `{"gpu": "8GB", "folder": "features"}`.

        Levels that are not named keep their defaults.

        Raises:
            ValueError: if there is no such level, or a size is no number of bytes.
        """
        names = [field.name for field in fields(cls)]
        if unknown := [name for name in words if name not in names]:
            raise ValueError(f"expected levels of {', '.join(names)}, got {unknown[0]!r}")
        sizes: dict[str, Any] = {n: parse_bytes(x) for n, x in words.items() if n != "folder"}
        if "folder" in words:
            sizes["folder"] = Path(str(words["folder"]))
        return cls(**sizes)


class FeatureCache:
    """Frame features by key, on up to three levels. Thread-safe.

    A new entry goes to every level, and each level alone decides what it drops. An entry found on a
    slower level goes to the faster ones again. A key stands for the pixels and for the weights that
    the features were made with, so that an entry is never stale.

    Args:
        sizes: bytes of each level.
        device: where the model is.
    """

    def __init__(self, sizes: CacheSizes, device: torch.device) -> None:
        """Keep nothing yet."""
        self._sizes, self._device = sizes, device
        self._gpu = _Level(sizes.gpu if device.type != "cpu" else 0, device)
        self._cpu = _Level(sizes.cpu, torch.device("cpu"))
        self._disk = None if sizes.folder is None else FeatureFolder(sizes.folder, sizes.disk)
        self._lock = RLock()
        _caches.add(self)

    def _forget_threads(self) -> None:
        """Go on in a forked process, which has none of the threads that held the lock."""
        self._lock = RLock()
        for level in (self._gpu, self._cpu):
            level.entries.recount()

    def __reduce__(self) -> tuple[type[FeatureCache], tuple[CacheSizes, torch.device]]:
        """Copy and pickle as a cache that is empty, but for what is in the folder."""
        return FeatureCache, (self._sizes, self._device)

    @property
    def held_bytes(self) -> int:
        """Bytes in the CPU's memory."""
        return self._cpu.entries.nbytes

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key, `None` if no level has it.

        Its features `(1 + K, n, hidden)` are on the device of the level that had it.
        """
        with self._lock:
            entry = self._gpu.entries.get(key)
            if entry is not None:
                return entry
            entry = self._cpu.entries.get(key)
            if entry is None and self._disk is not None:
                entry = self._disk.get(key)
                if entry is not None:
                    self._cpu.put(key, entry)
            if entry is not None:
                self._gpu.put(key, entry)
            return entry

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep an entry, with features `(1 + K, n, hidden)`, on every level."""
        with self._lock:
            self._gpu.put(key, entry)
            self._cpu.put(key, entry)
        if self._disk is not None:
            self._disk.put(key, entry)

    def __str__(self) -> str:
        """Say what is kept where."""
        levels = [str(self._gpu)] * bool(self._gpu.entries.max_bytes) + [str(self._cpu)]
        return ", ".join(levels + [str(self._disk)] * (self._disk is not None))


_caches = reset_each_on_fork(FeatureCache._forget_threads)


class _Level:
    """Entries on one device."""

    def __init__(self, max_bytes: int, device: torch.device) -> None:
        self.entries: ByteLRU[bytes, Entry] = ByteLRU(max_bytes)
        self._device = device

    def put(self, key: bytes, entry: Entry) -> None:
        grid, features = entry
        # Asked first, so that nothing is copied to the device in vain.
        if features.nbytes <= self.entries.max_bytes and key not in self.entries:
            self.entries.put(key, (grid, features.to(self._device)), features.nbytes)

    def __str__(self) -> str:
        size = f"{self.entries.nbytes >> 20} of {self.entries.max_bytes >> 20} MiB"
        return f"{len(self.entries)} frames on {self._device} ({size})"


class FeatureFolder:
    """Entries in the files of a folder that processes may share; the least recently read go first.

    A file is sealed (`sage_env.storage.sealed_file`). Its content is the grid, rows and columns as
    two little-endian uint32, then the safetensors format with one tensor, `features`.
    `BoundedFolder` tells how processes share it. If a file cannot be written or read, there is one
    warning, and the frame counts as not there.

    Args:
        folder: made if it is missing.
        max_bytes: of all files.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Make the folder; that it cannot be made is a warning.

        Raises:
            ValueError: if `max_bytes` is negative.
        """
        self._files = BoundedFolder(
            folder, max_bytes, suffix=".features", contents="frame features"
        )
        self.folder, self.max_bytes = self._files.folder, max_bytes

    def get(self, key: bytes) -> Entry | None:
        """Return an entry, its features `(1 + K, n, hidden)` on the CPU; `None` if there is none.

        A damaged file is deleted.
        """

        def unpack(content: SealedContent) -> Entry | None:
            return _unpacked(content) if content.left <= self.max_bytes else None

        return self._files.read(key.hex(), lambda path: read_sealed(path, unpack))

    def put(self, key: bytes, entry: Entry) -> None:
        """Write an entry, unless it is there or larger than the folder may be.

        Args:
            key: of the frame.
            entry: its grid and its features `(1 + K, n, hidden)`, on any device.
        """
        grid, features = entry
        if key.hex() in self._files:  # asked first: serialising takes longer
            return
        data = save({"features": features.cpu().contiguous()})
        self._files.put(key.hex(), seal(key.hex(), (_GRID.pack(*grid), data)))

    def __str__(self) -> str:
        """Say where, and how much it may be."""
        return f"files in {self.folder} (at most {self.max_bytes >> 20} MiB)"


def _unpacked(content: SealedContent) -> Entry | None:
    """Return the entry in the content of a file on the CPU, `None` if it is none."""
    rows, columns = _GRID.unpack(content.take(_GRID.size))
    try:
        features = load(bytes(content.take(content.left)))["features"]
    except (SafetensorError, KeyError):
        return None
    fits = features.ndim == 3 and features.shape[1] == rows * columns
    return ((rows, columns), features) if fits else None
