"""The version of the project, as pip installed it."""

from __future__ import annotations

from importlib import metadata

DISTRIBUTION = "sage-video-qa"
"""Name of the project for pip; its packages are `sage_env`, `policies` and `algos`."""
NOT_INSTALLED = "0+unknown"
"""Version of a source tree that was never installed: lower than any release (PEP 440)."""


def installed_version() -> str:
    """Return the version that pip installed, or `NOT_INSTALLED`."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return NOT_INSTALLED


__version__ = installed_version()
