"""Names that a package exports and that are imported when someone asks for them (PEP 562).

So `import policies` needs no torch, and a missing package is an error with the command that
installs it, raised where it is needed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from sage_env.errors import MissingExtra

_OURS = ("sage_env", "policies", "algos")


def lazy_exports(
    package: str, homes: Mapping[str, str], extra: str | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a package whose names live in modules of it.

        __getattr__, __dir__ = lazy_exports(
            __name__, {"SageMM": "policies.sage_mm.policy"}, extra="sage"
        )

    Args:
        package: the package's name.
        homes: the module of each name.
        extra: of `sage-video-qa`, which brings what those modules import.

    Returns:
        A function of a name, which raises `AttributeError` for other names and `MissingExtra` where
        a package is not installed; and one that lists the names, so that they can be completed.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(import_module(homes[name]), name)
        except ModuleNotFoundError as error:
            if extra is None or (error.name or "").partition(".")[0] in _OURS:
                raise
            raise MissingExtra(
                f"{name} needs the package {error.name!r}: pip install 'sage-video-qa[{extra}]'"
            ) from error

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, names
