"""Append-only files of JSON lines: what was written stays, in whatever way the process ends.

Each line is one `write` at the end of the file, so that a kill leaves every line before it whole. A
torn last line is what a kill in the middle of a write leaves behind: it counts as never written. A
power cut may take the last lines with it; nothing waits for the disk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sage_env.errors import SageEnvError


class LogError(SageEnvError):
    """A file of JSON lines cannot be read or written; the message names it, and the line."""


class AppendLog:
    """A file of JSON lines, open for writing at its end.

    Args:
        path: of the file, which is made with its folder where it is missing; one process at a time.

    Raises:
        LogError: if it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, and cut off a torn last line."""
        self.path = path
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            os.ftruncate(self._file, whole_bytes(path))

    def append(self, row: Any) -> None:
        """Write one line.

        Raises:
            LogError: if the disk is full, say; no part of the line is left then.
        """
        data = (json.dumps(row, default=str) + "\n").encode()
        with self._told():
            size = os.fstat(self._file).st_size
            try:
                while data:
                    data = data[os.write(self._file, data) :]
            except OSError:
                os.ftruncate(self._file, size)
                raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LogError(
                f"{self.path} cannot be written ({error.strerror}): make room or give another "
                "folder; the lines before are whole"
            ) from error


def whole_bytes(path: Path) -> int:
    """Return how many bytes of a file its whole lines take: a torn one has no newline."""
    return path.read_bytes().rfind(b"\n") + 1


def read_log(path: Path) -> list[Any]:
    """Return what the whole lines of a file hold; nothing where there is no file.

    Raises:
        LogError: if the file cannot be read, or a line is not JSON; names the line.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LogError(f"{path} cannot be read ({error.strerror})") from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise LogError(f"{path}, line {number} is not JSON: {error}") from error
    return rows
