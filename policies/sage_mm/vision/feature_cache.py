"""Where frame features are kept: on the GPU, in the CPU's memory and on disk, each bounded."""

from __future__ import annotations

import os
import uuid
import warnings
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from policies.sage_mm.tokens.mrope import Grid
from sage_env.storage.folder_ledger import ledger_of

Entry = tuple[Grid, Tensor]
"""What is kept of a frame: its grid and its features `(1 + K, n, hidden)`."""
_SUFFIX, _PARTIAL = ".features", ".part"


@dataclass(frozen=True)
class CacheSizes:
    """How many bytes of frame features are kept where; least recently used go first.

    Attributes:
        cpu: in the CPU's memory. Features of every frame that is still to be trained on must fit
            here or on disk.
        gpu: beside the model, where that is on a GPU: spares copies.
        folder: on disk, for later runs and for other processes, which may share the folder; `None`
            for nowhere.
        disk: bytes of the files in the folder.
    """

    cpu: int = 2 << 30
    gpu: int = 0
    folder: Path | None = None
    disk: int = 16 << 30

    def __post_init__(self) -> None:
        """Refuse sizes below zero."""
        if min(self.cpu, self.gpu, self.disk) < 0:
            raise ValueError(f"cache sizes must be 0 bytes or more, got {self}")


class FeatureCache:
    """Frame features by key, on up to three levels. Thread-safe.

    What is put goes to every level, so that each alone decides what it drops; what a slower level
    finds goes to the faster ones again. A key stands for the pixels and the weights that the
    features were made with, so that what it finds is never stale.

    Args:
        sizes: bytes of each level.
        device: where the model is.
    """

    def __init__(self, sizes: CacheSizes, device: torch.device) -> None:
        """Keep nothing yet.

        Raises:
            OSError: if the folder cannot be made.
        """
        self._sizes, self._device = sizes, device
        self._gpu = _Level(sizes.gpu if device.type != "cpu" else 0, device)
        self._cpu = _Level(sizes.cpu, torch.device("cpu"))
        self._disk = None if sizes.folder is None else FeatureFolder(sizes.folder, sizes.disk)
        self._lock = RLock()

    def __reduce__(self) -> tuple[type[FeatureCache], tuple[CacheSizes, torch.device]]:
        """Copy and pickle as a store that is empty, but for what is in the folder."""
        return FeatureCache, (self._sizes, self._device)

    @property
    def held_bytes(self) -> int:
        """Bytes in the CPU's memory."""
        return self._cpu.held

    def get(self, key: bytes) -> Entry | None:
        """Return what is kept under a key, `None` if it is nowhere. Its device may be any."""
        with self._lock:
            for level in (self._gpu, self._cpu):
                entry = level.get(key)
                if entry is not None:
                    if level is self._cpu:
                        self._gpu.put(key, entry)
                    return entry
            entry = None if self._disk is None else self._disk.get(key)
            if entry is not None:
                self._cpu.put(key, entry)
                self._gpu.put(key, entry)
            return entry

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep an entry on every level."""
        with self._lock:
            self._gpu.put(key, entry)
            self._cpu.put(key, entry)
        if self._disk is not None:
            self._disk.put(key, entry)

    def __str__(self) -> str:
        """Say what is kept where."""
        levels = [str(self._gpu)] * bool(self._gpu.limit) + [str(self._cpu)]
        return ", ".join(levels + [str(self._disk)] * (self._disk is not None))


class _Level:
    """Entries on one device, least recently used first out."""

    def __init__(self, limit: int, device: torch.device) -> None:
        self.limit, self.device, self.held = limit, device, 0
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()

    def get(self, key: bytes) -> Entry | None:
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: bytes, entry: Entry) -> None:
        grid, features = entry
        if features.nbytes > self.limit or key in self._entries:
            return
        self._entries[key] = grid, features.to(self.device)
        self.held += features.nbytes
        while self.held > self.limit:
            self.held -= self._entries.popitem(last=False)[1][1].nbytes

    def __str__(self) -> str:
        size = f"{self.held >> 20} of {self.limit >> 20} MiB"
        return f"{len(self._entries)} frames on {self.device} ({size})"


class FeatureFolder:
    """Entries in the files of a folder, least recently read first out.

    Processes may share the folder: a file appears whole or not at all, and the count of bytes is
    under a lock. If a file cannot be written or read, there is a warning, and the frame counts as
    not there.

    Args:
        folder: made if it is missing.
        max_bytes: of all files.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Make the folder."""
        self.folder, self.max_bytes = Path(folder).absolute(), max_bytes
        self.folder.mkdir(parents=True, exist_ok=True)
        ledger_of(self.folder)

    def get(self, key: bytes) -> Entry | None:
        """Return an entry on the CPU; a damaged file is deleted."""
        path = self._path(key)
        try:
            with safe_open(path, "pt") as file:
                rows, columns = map(int, file.metadata()["grid"].split("x"))
                features: Tensor = file.get_tensor("features")
            os.utime(path)  # the least recently read go first
        except FileNotFoundError:
            return None
        except (SafetensorError, KeyError, TypeError, ValueError):
            path.unlink(missing_ok=True)
            return None
        except OSError as error:
            self._warn(error)
            return None
        return (rows, columns), features

    def put(self, key: bytes, entry: Entry) -> None:
        """Write an entry, unless it is there or larger than the folder may be."""
        (rows, columns), features = entry
        path = self._path(key)
        if path.exists():
            return
        tensors = {"features": features.cpu().contiguous()}
        data = save(tensors, metadata={"grid": f"{rows}x{columns}"})
        if len(data) > self.max_bytes:
            return
        partial = self.folder / f"{uuid.uuid4().hex}{_PARTIAL}"
        try:
            with ledger_of(self.folder).locked_total() as total:
                held = total.nbytes
                if held is None or held + len(data) > self.max_bytes:
                    held = self._drop(len(data))
                total.set(held + len(data))
                partial.write_bytes(data)
                os.replace(partial, path)
        except OSError as error:
            self._warn(error)
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def _drop(self, nbytes: int) -> int:
        """Delete files until `nbytes` more fit well; return the bytes of those that are left."""
        files = []
        for path in self.folder.iterdir():
            if path.suffix in (_SUFFIX, _PARTIAL):
                with suppress(FileNotFoundError):
                    status = path.stat()
                    age = 0 if path.suffix == _PARTIAL else status.st_mtime_ns  # of a dead process
                    files.append((age, status.st_size, path))
        total = sum(size for _, size, _ in files)
        room = min(self.max_bytes - nbytes, self.max_bytes * 7 // 8)  # not again at the next one
        for age, size, path in sorted(files):
            if total > room or not age:
                path.unlink(missing_ok=True)
                total -= size
        return total

    def _path(self, key: bytes) -> Path:
        return self.folder / (key.hex() + _SUFFIX)

    def _warn(self, error: OSError) -> None:
        warnings.warn(
            f"{self.folder}: frame features cannot be kept here ({error}); they are made again "
            "where needed: free some space, or name another folder",
            RuntimeWarning,
            stacklevel=4,
        )

    def __str__(self) -> str:
        """Say where, and how much it may be."""
        return f"files in {self.folder} (at most {self.max_bytes >> 20} MiB)"
