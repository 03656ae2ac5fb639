"""The folder of files that can be made again: videos, indices, features."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of generated files: `$SAGE_ENV_CACHE`, else `~/.cache/sage_env`.

    A user without a home, as in containers that run under any number, has `sage_env-NUMBER` in the
    folder of temporary files.
    """
    named = os.environ.get("SAGE_ENV_CACHE")
    if named:
        return Path(named)
    try:
        return Path.home() / ".cache" / "sage_env"
    except RuntimeError:  # no $HOME, and the system does not know the user
        number = os.getuid() if hasattr(os, "getuid") else 0
        return Path(tempfile.gettempdir()) / f"sage_env-{number}"
