"""Which code a report's figures come from."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit() -> str:
    """Return the commit of the code that runs, `-dirty` if it was changed; else "unknown"."""
    command = ["git", "describe", "--always", "--dirty"]
    folder = Path(__file__).parent
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    return found.stdout.strip() or "unknown"
