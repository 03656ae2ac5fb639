"""Where files that can be made again are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of generated files: `$SAGE_ENV_CACHE`, else `~/.cache/sage_env`."""
    return Path(os.environ.get("SAGE_ENV_CACHE") or Path.home() / ".cache" / "sage_env")
