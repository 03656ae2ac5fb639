"""Indexes of files that took long to scan, kept in the cache folder for the next run.

One sealed file per content (`sage_env.storage.sealed_file`), named by `VideoIndex.content_id`. It
holds NumPy's `.npz` format: the arrays, and as JSON under "facts" what is no array. Whatever is
wrong with a file, it is deleted and the video indexed anew.
"""

from __future__ import annotations

import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from sage_env.storage.atomic_file import atomic_write
from sage_env.storage.cache_folder import cache_folder
from sage_env.storage.regular_file import NotRegular
from sage_env.storage.sealed_file import SealedContent, read_sealed, seal
from sage_env.storage.warn_once import warn_once

VERSION = 5
"""Grows when the fields of an index change name or meaning; older files are then not read."""

MAX_FILES = 4096
"""Most files that are kept; those not written for longest go first.

An hour of WebM at 30 frames a second takes 5 MB, most files less. Bounds the folder; not measured.
"""


def load_cached(content_id: str) -> dict[str, Any] | None:
    """Return what `save_cached` kept for a content; `None` if it is not there or does not read.

    A file that is damaged, another content's, or no file of its own (a link, a pipe) is deleted.
    """
    path = _path(content_id)
    try:
        values = read_sealed(path, _unpacked)
    except NotRegular:
        values = None
    except OSError:  # not there, or it cannot be read now
        return None
    if values is None:
        forget_cached(content_id)
    return values


def save_cached(content_id: str, values: dict[str, Any]) -> None:
    """Keep the values of an index; a folder that cannot be written to is one warning.

    The file appears whole or not at all, whoever else writes or reads it.

    Args:
        content_id: names the content.
        values: arrays, and values that JSON can say.
    """
    path, content = _path(content_id), io.BytesIO()
    arrays: dict[str, Any] = {k: v for k, v in values.items() if isinstance(v, np.ndarray)}
    facts = json.dumps({k: v for k, v in values.items() if k not in arrays})
    np.savez(content, facts=np.array(facts), **arrays)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, b"".join(seal(path.stem, (content.getvalue(),))))
        _prune(path.parent)
    except OSError as error:
        warn_once(
            path.parent,
            "indexes",
            f"{path.parent}: the index of a video cannot be kept ({error}); it is made again in "
            "every run: free some space, or set SAGE_ENV_CACHE to another folder",
        )


def forget_cached(content_id: str) -> None:
    """Delete what was kept for a content, if it is a file, a link or a pipe."""
    with suppress(OSError):
        _path(content_id).unlink()


def _unpacked(content: SealedContent) -> dict[str, Any] | None:
    """Return the values in the content of a file, `None` if it holds others than ours."""
    try:
        with np.load(io.BytesIO(content.take(content.left)), allow_pickle=False) as archive:
            values: dict[str, Any] = {name: archive[name] for name in archive.files}
        facts = json.loads(str(values.pop("facts")))
    except OSError:
        raise
    except Exception:  # NumPy, zipfile and json have no end of errors for what is none of theirs
        return None
    for array in values.values():
        array.setflags(write=False)  # an index is shared by all readers of the file
    return {**values, **facts} if isinstance(facts, dict) else None


def _prune(folder: Path) -> None:
    """Delete the oldest files beyond `MAX_FILES`; a video that is still there is scanned again."""
    files = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # another process was faster
                if not entry.is_dir(follow_symlinks=False):
                    files.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
    for _, path in sorted(files)[: max(0, len(files) - MAX_FILES)]:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _path(content_id: str) -> Path:
    return cache_folder() / "index" / f"{content_id}-{VERSION}.index"
