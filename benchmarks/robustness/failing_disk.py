"""A disk that fails: the n-th call that writes to a folder fails, and those after it, or it alone.

Calls of this process are counted, as Python makes them: opening to write, writing, flushing to the
disk (`fsync`), renaming, linking, cutting, making folders. What libraries write by themselves is
reached by `limited_files`: the system then takes no more than so many bytes of any file, first less
than it is given, then nothing (`RLIMIT_FSIZE`, IEEE Std 1003.1).
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
KINDS = ("from then on", "once", "short")
"""How a disk fails: at every call from the n-th on; at the n-th alone; or, being nearly full, the
n-th write takes half and later ones nothing, while names can still be given and folders made."""
_MAKING = ("replace", "rename", "link", "mkdir", "truncate", "ftruncate", "fsync", "symlink")


@dataclass
class FailingDisk:
    """A count of the calls that write below a folder, and which of them fail.

    Attributes:
        folder: the calls that name a path below it count.
        at: the number of the first call that fails, from 0; -1 for none.
        kind: of `KINDS`.
        error: of `ERRORS`.
        calls: how many there were so far.
        failed: the calls that failed, by name.
    """

    folder: Path
    at: int = -1
    kind: str = "from then on"
    error: int = errno.ENOSPC
    calls: int = 0
    failed: list[str] = field(default_factory=list)

    def fails(self, name: str, *, writes: bool) -> bool:
        """Count a call, and return whether it fails.

        Args:
            name: of the call.
            writes: whether it writes content.
        """
        number = self.calls
        self.calls += 1
        wrong = 0 <= self.at == number or (self.kind != "once" and 0 <= self.at < number)
        if wrong and self.kind == "short" and not writes:
            wrong = False
        if wrong:
            self.failed.append(name)
        return wrong

    def check(self, name: str) -> None:
        """Count a call, and raise its error if it fails."""
        if self.fails(name, writes=False):
            raise OSError(self.error, os.strerror(self.error))

    def share(self, name: str, nbytes: int) -> int:
        """Count a call that writes, and return how many bytes it takes.

        Raises:
            OSError: if it fails.
        """
        first = self.calls == self.at
        if not self.fails(name, writes=True):
            return nbytes
        if first and self.kind == "short" and nbytes > 1:
            return nbytes // 2
        raise OSError(self.error, os.strerror(self.error))

    def holds(self, path: Any) -> bool:
        """Return whether a path, or an open file, lies below the folder."""
        try:
            if isinstance(path, int):
                path = os.readlink(f"/proc/self/fd/{path}")
            return os.path.abspath(os.fsdecode(path)).startswith(os.fspath(self.folder))
        except (OSError, TypeError, ValueError):
            return False

    @contextmanager
    def in_use(self) -> Iterator[FailingDisk]:
        """Fail while the block runs."""
        with _patched(self):
            yield self


class _Raw(io.FileIO):
    """A file that writes what its disk takes."""

    disk: FailingDisk

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B") if memoryview(data).nbytes else memoryview(b"")
        taken = self.disk.share("write", view.nbytes) if view.nbytes else 0
        return super().write(view[:taken]) or 0


@contextmanager
def _patched(disk: FailingDisk) -> Iterator[None]:
    plain_open, os_open, os_write, os_pwrite = builtins.open, os.open, os.write, os.pwrite
    ours = disk.holds

    def opening(file: Any, mode: str = "r", buffering: int = -1, *more: Any, **named: Any) -> Any:
        writes = any(letter in mode for letter in "wxa+")
        if isinstance(file, int) or not writes or not ours(file):
            return plain_open(file, mode, buffering, *more, **named)
        disk.check("open")
        raw = _Raw(file, mode.replace("t", "").replace("b", ""))
        raw.disk = disk
        if buffering == 0:
            return raw
        kind = io.BufferedRandom if "+" in mode else io.BufferedWriter
        buffered = kind(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *more, **named)

    def os_opening(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_CREAT and ours(path):
            disk.check("os.open")
        return os_open(path, flags, *more, **named)

    def writing(file: int, data: Any) -> int:
        taken = disk.share("os.write", memoryview(data).nbytes) if ours(file) else None
        return os_write(file, data if taken is None else memoryview(data).cast("B")[:taken])

    def pwriting(file: int, data: Any, offset: int) -> int:
        taken = disk.share("os.pwrite", memoryview(data).nbytes) if ours(file) else None
        return os_pwrite(
            file, data if taken is None else memoryview(data).cast("B")[:taken], offset
        )

    def making(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*paths: Any, **named: Any) -> Any:
            if any(ours(path) for path in paths[:2]):
                disk.check(f"os.{name}")
            return real(*paths, **named)

        return call

    replaced = {name: making(name) for name in _MAKING}
    replaced |= {"open": os_opening, "write": writing, "pwrite": pwriting}
    with ExitStack() as patches:
        for name, call in replaced.items():
            patches.enter_context(patch.object(os, name, call))
        for module in (builtins, io):
            patches.enter_context(patch.object(module, "open", opening))
        yield


@contextmanager
def limited_files(nbytes: int) -> Iterator[None]:
    """Have the system refuse whatever would make a file longer than that, for this process."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
