"""The content id of a file: a digest of all its bytes, the same for every copy on any machine.

What `fingerprint` names is one file on one machine; this is what sets of data refer to files by.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from sage_env.storage.fingerprint import FileVersion, version_of


def content_id(path: Path) -> str:
    """Return 32 hexadecimal digits for the bytes of a file: BLAKE2b.

    A file is read whole, at the speed of the disk, and remembered as long as it does not change.

    Raises:
        OSError: if it cannot be read.
    """
    return _digest(os.path.abspath(path), version_of(os.stat(path)))


@lru_cache(maxsize=16_384)
def _digest(path: str, version: FileVersion) -> str:
    """Return the digest of one version of a file; another version is asked for anew."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
