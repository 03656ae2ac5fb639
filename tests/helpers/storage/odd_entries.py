"""Things that may stand in the place of a file of a cache, and what must not happen to them."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

SECRET = b"not the cache's: " * 20


def _put_link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def _put_hard_link(path: Path, target: Path) -> None:
    os.link(target, path)


def _put_fifo(path: Path, target: Path) -> None:
    os.mkfifo(path)


def _put_folder(path: Path, target: Path) -> None:
    path.mkdir()
    (path / "inside").write_bytes(SECRET)


def _put_socket(path: Path, target: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _put_loop(path: Path, target: Path) -> None:
    path.symlink_to(path)


def _put_dangling(path: Path, target: Path) -> None:
    path.symlink_to(target.with_name("not-there"))


ODD: dict[str, Callable[[Path, Path], None]] = {
    "link": _put_link,
    "hard link": _put_hard_link,
    "pipe": _put_fifo,
    "folder": _put_folder,
    "socket": _put_socket,
    "loop": _put_loop,
    "dangling": _put_dangling,
}
"""By name: puts a thing at a path; what links lead to is the second path."""


def put_odd(kind: str, path: Path, elsewhere: Path) -> Path:
    """Put a thing of a kind in the place of whatever is at `path`; return what links lead to.

    Args:
        kind: of `ODD`.
        path: of the cache's file.
        elsewhere: an existing folder on the same file system, not of the cache.
    """
    target = elsewhere / "target"
    target.write_bytes(SECRET)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    ODD[kind](path, target)
    return target


def is_untouched(kind: str, path: Path, target: Path) -> bool:
    """Return whether what the thing leads to, or holds, is as it was."""
    inside = path / "inside"
    kept = kind != "folder" or inside.read_bytes() == SECRET
    return kept and target.read_bytes() == SECRET and not target.with_name("not-there").exists()
