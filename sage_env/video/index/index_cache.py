"""Indexes of files that took long to scan, kept in the cache folder for the next run.

One `.npz` file per content, named by the digest of `VideoIndex.content_id`: its arrays, and as JSON
under "facts" what is no array.
"""

from __future__ import annotations

import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from sage_env.storage.atomic_file import atomic_path
from sage_env.storage.cache_folder import cache_folder

VERSION = 4
"""Grows when the fields of an index change name or meaning; older files are then not read."""

MAX_FILES = 4096
"""Most files that are kept; those not written for longest go first.

An hour of WebM at 30 frames a second takes 5 MB, most files less. Bounds the folder; not measured.
"""


def load_cached(content_id: str) -> dict[str, Any] | None:
    """Return what `save_cached` kept for a content; `None` if it is not there or does not read."""
    try:
        with np.load(_path(content_id), allow_pickle=False) as archive:
            values: dict[str, Any] = {name: archive[name] for name in archive.files}
        facts = json.loads(str(values.pop("facts")))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    for array in values.values():
        array.setflags(write=False)  # an index is shared by all readers of the file
    return {**values, **facts} if isinstance(facts, dict) else None


def save_cached(content_id: str, values: dict[str, Any]) -> None:
    """Keep the values of an index; a folder that cannot be written to is no error.

    The file appears whole or not at all, whoever else writes or reads it.

    Args:
        content_id: names the content.
        values: arrays, and values that JSON can say.
    """
    path = _path(content_id)
    arrays: dict[str, Any] = {k: v for k, v in values.items() if isinstance(v, np.ndarray)}
    facts = json.dumps({k: v for k, v in values.items() if k not in arrays})
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial, open(partial, "xb") as file:
            np.savez(file, facts=np.array(facts), **arrays)
        _prune(path.parent)


def _prune(folder: Path) -> None:
    """Delete the oldest files beyond `MAX_FILES`; a video that is still there is scanned again."""
    with os.scandir(folder) as entries:
        files = [(entry.stat().st_mtime_ns, entry.path) for entry in entries]
    for _, path in sorted(files)[: max(0, len(files) - MAX_FILES)]:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _path(content_id: str) -> Path:
    return cache_folder() / "index" / f"{content_id}-{VERSION}.npz"
