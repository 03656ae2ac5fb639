"""Replies of tools on disk, by what they depend on: a tool is not asked twice for one thing.

A tool takes part by a method `cache_key(arguments, context)`, which returns a text that says all
that its reply depends on, or `None` for a reply that must not be kept:

    def cache_key(self, arguments, context):
        return reply_key(VERSION, self.model, content_digest(context.path), arguments)

The files lie in the folder `tool-replies` of the cache folder, for any number of processes, each
written whole, with a checksum, and the least recently read go when there are too many bytes. What
is kept by tools for their own inner work (a transcript of a stretch) goes through the same doors.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sage_env.actions.action import is_unicode
from sage_env.storage.bounded_folder import BoundedFolder
from sage_env.storage.cache_folder import cache_folder
from sage_env.storage.fingerprint import fingerprint
from sage_env.storage.sealed_file import SealedContent, read_sealed, seal

if TYPE_CHECKING:
    from sage_env.tools.tool import Tool, ToolContext

MAX_BYTES = 256 << 20
"""Most bytes of all replies together. A choice: a transcript of an hour has 60 kB."""
_PIECE = 1 << 20  # bytes of a file that are read at once


def reply_key(*depends: Any) -> str:
    """Return 32 hexadecimal digits for what a reply depends on: plain data, as JSON has it.

    >>> reply_key("echo", {"b": 1, "a": 2}) == reply_key("echo", {"a": 2, "b": 1})
    True
    """
    told = json.dumps(depends, sort_keys=True, default=str)
    return blake2b(told.encode(), digest_size=16).hexdigest()


def content_digest(path: str | Path) -> str:
    """Return 32 hexadecimal digits for the content of a file, wherever it lies: BLAKE2b of it all.

    A file is read once: its digest is kept for as long as it is not changed.

    Raises:
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        version = reply_key("content of a file", fingerprint(file.fileno()).content_id)
        if (known := find_kept(version)) is not None:
            return known
        digest = blake2b(digest_size=16)
        while piece := file.read(_PIECE):
            digest.update(piece)
        if reply_key("content of a file", fingerprint(file.fileno()).content_id) == version:
            keep(version, digest.hexdigest())
    return digest.hexdigest()


def find_kept(key: str) -> str | None:
    """Return the text that is kept under a key of `reply_key`; `None` where there is none."""
    found = _folder().read(key, lambda path: read_sealed(path, _whole))
    return None if found is None else found.decode("utf-8", "replace")


def keep(key: str, text: str) -> None:
    """Keep a text under a key of `reply_key`; where that cannot be done, there is a warning."""
    _folder().put(key, seal(key, [text.encode()]))


def call_or_recall(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> str:
    """Return the reply that is kept for a call, or call the tool and keep it."""
    ask = getattr(tool, "cache_key", None)
    depends = None if ask is None else ask(arguments, context)
    if depends is None:
        return tool(arguments, context)
    key = reply_key("reply", tool.name, depends)
    if (kept := find_kept(key)) is not None:
        return kept
    reply = tool(arguments, context)
    if isinstance(reply, str) and is_unicode(reply):  # else the environment refuses it
        keep(key, reply)
    return reply


def _whole(content: SealedContent) -> bytearray:
    return content.take(content.left)


def _folder() -> BoundedFolder:
    return _opened(str(cache_folder() / "tool-replies"), os.getpid())


@lru_cache(maxsize=8)
def _opened(folder: str, process: int) -> BoundedFolder:
    """Return the folder, opened once by each process."""
    return BoundedFolder(folder, MAX_BYTES, suffix=".reply", contents="replies of tools")
